"""The node's programs, built from Go modules: no package of any registry ships Kubernetes.

One multi-call binary `kube` is every Kubernetes component and etcd, chosen by the name it is called by; it is all that
the control tier needs. Cold on two idle cores: `kube` 6 m 47 s, all of it 8 m 44 s.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import cache, command, toolchain

GO = cache.HERE / "go"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
FLAGS = ("-trimpath", "-buildvcs=false", "-tags", "selinux,notest,grpcnotrace")
NODE_PROGRAMS = (
    "./cmd/coredns",
    "github.com/containerd/containerd/v2/cmd/containerd",
    "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    "github.com/containerd/containerd/v2/cmd/ctr",
    "github.com/containernetworking/plugins/plugins/main/ptp",
    "github.com/containernetworking/plugins/plugins/main/loopback",
    "github.com/containernetworking/plugins/plugins/ipam/host-local",
    "github.com/containernetworking/plugins/plugins/meta/portmap",
    "sigs.k8s.io/cri-tools/cmd/crictl",
)
METRICS_SERVER = "sigs.k8s.io/metrics-server/cmd/metrics-server"
NETWORK_POLICIES = "sigs.k8s.io/kube-network-policies/cmd/kube-network-policies/standard"
NFTABLES = "github.com/google/nftables"
LONGEST_BUILD_S = 3600


def kube() -> Path:
    """A folder with `kube` and a link to it for each of COMPONENTS."""
    return cache.entry("kube", _key(GO / "cmd" / "kube"), _build_kube)


def node() -> Path:
    """A folder with containerd, the CNI plugins, CoreDNS, crictl and the NetworkPolicy enforcer."""
    key = _key(GO / "cmd" / "coredns", GO / "nfqueue", *NODE_PROGRAMS, NETWORK_POLICIES)
    return cache.entry("node", key, _build_node)


def kstatus() -> Path:
    """The program that judges objects as kstatus does: JSON objects in, one a line, `{"status", "message"}` out."""
    return _own_module("kstatus")


def netool() -> Path:
    """The network client and server of the tests' pods."""
    return _own_module("netool")


def metrics_server() -> Path:
    """What tells an autoscaler how much CPU pods use. A module of its own, on the versions that `kube` is built of."""
    return _own_module("metricsserver", METRICS_SERVER)


def pause() -> Path:
    """The program of every pod's sandbox."""
    source = GO / "pause" / "pause.c"

    def compile_it(folder: Path) -> None:
        _run("gcc", "-Os", "-static", "-s", "-o", folder / "pause", source)

    return cache.entry("pause", cache.fingerprint(source), compile_it) / "pause"


def _key(*sources: Path | str) -> str:
    return cache.fingerprint(GO / "go.mod", GO / "go.sum", *sources, *FLAGS)


def _build_kube(folder: Path) -> None:
    _go_build(folder / "kube", "./cmd/kube")
    for component in COMPONENTS:
        (folder / component).symlink_to("kube")


def _build_node(folder: Path) -> None:
    _go_build(folder, *NODE_PROGRAMS)
    with tempfile.TemporaryDirectory() as scratch:
        modfile = _with_xtables_queue(Path(scratch))
        _go_build(folder / "kube-network-policies", f"-modfile={modfile}", NETWORK_POLICIES)


def _with_xtables_queue(scratch: Path) -> Path:
    """A go.mod in which google/nftables is a copy with one file replaced: many kernels lack nft's own `queue`."""
    go = toolchain.go()
    original = _list(go, "{{.Dir}}", NFTABLES)
    copy = scratch / "nftables"
    shutil.copytree(original, copy)
    _run("chmod", "-R", "u+w", copy)
    shutil.copyfile(GO / "nfqueue" / "queue.go", copy / "expr" / "queue.go")
    shutil.copyfile(GO / "go.sum", scratch / "alternative.sum")
    modfile = scratch / "alternative.mod"
    shutil.copyfile(GO / "go.mod", modfile)
    _run(go, "mod", "edit", f"-replace={NFTABLES}={copy}", modfile, env=toolchain.environment(go))
    return modfile


def _own_module(name: str, package: str = ".") -> Path:
    def build(folder: Path) -> None:
        _go_build(folder / name, package, module=GO / name, flags=("-s", "-w"))

    return cache.entry(name, cache.fingerprint(GO / name, *FLAGS), build) / name


def _go_build(output: Path, *arguments: str, module: Path = GO, flags: tuple[str, ...] = ()) -> None:
    go = toolchain.go()
    stamped = flags or _version_stamps(go)
    target = f"{output}/" if output.is_dir() else str(output)
    _run(
        go,
        "build",
        *FLAGS,
        "-ldflags",
        " ".join(stamped),
        "-o",
        target,
        *arguments,
        cwd=module,
        env=toolchain.environment(go),
    )


def _version_stamps(go: Path) -> tuple[str, ...]:
    """Linker flags: without them Kubernetes calls itself v0.0.0 and clients refuse it."""
    kubernetes = _list(go, "{{.Version}}", "k8s.io/kubernetes")
    containerd = _list(go, "{{.Version}}", "github.com/containerd/containerd/v2")
    variables = {
        "gitVersion": kubernetes,
        "gitMajor": "1",
        "gitMinor": kubernetes.split(".")[1],
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": "1970-01-01T00:00:00Z",
    }
    stamps = ["-s", "-w", f"-X github.com/containerd/containerd/v2/version.Version={containerd}"]
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        stamps += [f"-X {package}.{name}={value}" for name, value in variables.items()]
    return tuple(stamps)


def _list(go: Path, template: str, module: str) -> str:
    return _run(go, "list", "-m", "-f", template, module, cwd=GO, env=toolchain.environment(go)).strip()


def _run(*words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    return command.run(*words, cwd=cwd, env=env, timeout=LONGEST_BUILD_S)
