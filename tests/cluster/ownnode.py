"""A real Kubernetes node in namespaces of its own: kind without Docker. Needs root and Linux.

All it makes on the host: one process tree, one veth pair, the routes to it, one cgroup subtree a hierarchy, and the
folder of its record. `teardown` removes each of them, at once or at the next start.
"""

import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from . import build, cache, cgroups, command, config, images, network, pki, registry, teardown, wait
from .audit import AuditLog
from .cluster import Cluster
from .process import Process, first_child, running
from .registry import Record

NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
ENTER_CGROUPS_THEN = 'for door in $DOORS; do echo $$ > "$door"; done; exec "$@"'
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
READY_S = 300
BEGINNING = ("etcd", "kube-apiserver", "kubelet", "containerd", "kube-controller-manager", "init")


class OwnNode(Cluster):
    """A cluster of ours that is up, seen from any process; `stop` removes it."""

    def __init__(
        self, record: Record, lifeline: int | None = None, parent: subprocess.Popen[bytes] | None = None
    ) -> None:
        folder = record.folder
        super().__init__(record.name, folder / "pki" / "admin.kubeconfig", AuditLog(folder / "audit.log"))
        self.record = record
        self._lifeline = lifeline
        self._parent = parent
        self._stopped = False

    @property
    def init(self) -> Process:
        if self.record.init is None:
            raise RuntimeError(f"cluster {self.name} has not started")
        return self.record.init

    @property
    def kubectl_program(self) -> Path:
        return build.kube() / "kubectl"

    def spawn(
        self, *words: str | Path, output: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        client = super().spawn(*words, output=output, environment=environment)
        # Also on disk: should this process be killed, whoever removes the cluster ends its clients first.
        registry.add_client(self.record, running(client.pid))
        return client

    def exec(self, *words: str | Path, timeout: float = 60) -> str:
        return command.run(*self.enter(), *words, env={**os.environ, "PATH": program_path()}, timeout=timeout)

    def enter(self) -> list[str]:
        """The words before a command that is to run on the node."""
        return ["nsenter", "--target", str(self.init.pid), *NAMESPACES, "--"]

    def signal(self, component: str, name: str) -> None:
        """`KILL`, `STOP`, `CONT`, ... A component that ends is started anew at once."""
        self.exec("kill", f"-{name}", (self.record.folder / f"{component}.pid").read_text().strip())

    def logs(self, component: str) -> str:
        return (self.record.folder / "logs" / f"{component}.log").read_text(errors="replace")

    def load_image(self, archive: Path) -> None:
        self.exec("ctr", "--namespace", "k8s.io", "images", "import", "--local", archive.resolve(), timeout=300)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.end_clients()
        teardown.now(self.record)
        if self._parent:
            self._parent.wait()
        if self._lifeline is not None:
            os.close(self._lifeline)


def start(name: str, tier: str, archives: Sequence[Path] = (), *, controllers: str = "", owned: bool = True) -> OwnNode:
    """A cluster that answers, with its node Ready and DNS up when `tier` is "full".

    `owned` ties it to this process: it ends when the process does, however that ends. `controllers` is the controller
    manager's list (`*` for all); the control tier has none by default. Raises TimeoutError with the last words of the
    component that is to blame, and leaves nothing behind.
    """
    if os.geteuid():
        raise PermissionError("a node of our own needs root; or name a cluster by REGENT_TEST_KUBECONFIG")
    command.run(cache.HERE / "apt.sh", timeout=900)
    build.kube()
    loaded = [*images.for_every_node(), *(archive.resolve() for archive in archives)] if tier == "full" else []
    with registry.alone():
        teardown.stale()
        record = registry.reserve(name, tier)
    try:
        node = _launch(record, loaded, "*" if tier == "full" else controllers, owned=owned)
    except BaseException:
        teardown.now(record)
        raise
    try:
        _await(node)
    except (TimeoutError, RuntimeError, command.CommandError) as error:
        blame = "\n".join(f"--- {c}\n{_tail(node, c)}" for c in BEGINNING)
        node.stop()
        raise TimeoutError(f"{error}\n{blame}") from None
    except BaseException:
        node.stop()
        raise
    if not owned:
        node.record = replace(node.record, owner=None)
        node.record.save()
    return node


def _launch(record: Record, archives: Sequence[Path], controllers: str, *, owned: bool) -> OwnNode:
    folder = record.folder
    (folder / "logs").mkdir()
    pki.write(folder / "pki", record.network)
    config.write(folder / "conf", record.network, folder / "pki", build.node() if record.tier == "full" else Path())
    network.block(record.network)
    environment = _environment(record, archives, controllers, owned=owned)
    read, lifeline = os.pipe()
    parent = _unshare(environment, read, folder / "logs" / "unshare.log")
    os.close(read)
    try:
        init = _first_process(parent, folder / "logs" / "unshare.log")
        started = replace(record, init=init)
        started.save()
        network.connect(record.network, init.pid)
    except BaseException:
        parent.kill()
        parent.wait()
        os.close(lifeline)
        raise
    return OwnNode(started, lifeline, parent)


def _unshare(environment: Mapping[str, str], lifeline: int, log: Path) -> subprocess.Popen[bytes]:
    """The process whose only child is the node's first one, and which takes it along when it dies."""
    words = ("unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", "bash", str(cache.HERE / "init.sh"))
    with log.open("wb") as sink:
        return subprocess.Popen(
            ["bash", "-c", ENTER_CGROUPS_THEN, "enter", *words],
            stdin=lifeline,
            stdout=sink,
            stderr=sink,
            env=environment,
            start_new_session=True,
        )


def _first_process(parent: subprocess.Popen[bytes], log: Path) -> Process:
    wait.until(
        "the node's first process", lambda: first_child(parent.pid) or parent.poll() is not None, READY_S, step=0.005
    )
    pid = first_child(parent.pid)
    if pid is None:
        raise RuntimeError(f"unshare failed: {log.read_text()}")
    return running(pid)


def _environment(record: Record, archives: Sequence[Path], controllers: str, *, owned: bool) -> dict[str, str]:
    full = record.tier == "full"
    return {
        "PATH": program_path(full=full),
        "STATE": str(record.folder),
        "TIER": record.tier,
        "CONTROLLERS": controllers,
        "KUBE": str(build.kube()),
        "NODE": str(build.node()) if full else "",
        "NODE_NAME": pki.NODE_NAME,
        "NODE_IP": record.network.node,
        "POD_CIDR": record.network.pods,
        "SVC_CIDR": record.network.services,
        "DOORS": " ".join(map(str, cgroups.make(record.cgroup))),
        "CGROUPS": ";".join(f"{hierarchy.root}|{hierarchy.mount}" for hierarchy in cgroups.here()),
        "IMAGES": " ".join(map(str, archives)),
        "OWNED": "1" if owned else "0",
    }


def program_path(*, full: bool = True) -> str:
    return f"{build.kube()}:{build.node()}:{SYSTEM_PATH}" if full else f"{build.kube()}:{SYSTEM_PATH}"


def _await(node: OwnNode) -> None:
    api = _Api(node)
    wait.until("the API server is ready", lambda: api.get("/readyz") == b"ok", READY_S)
    if node.record.tier == "full":
        wait.until("the node is Ready", lambda: _node_is_ready(api), READY_S)
        manifest = (cache.HERE / "manifests" / "coredns.yaml").read_text()
        node.kubectl("apply", "-f", "-", text=manifest.replace("DNS_ADDRESS", node.record.network.dns))
        node.kubectl(
            "--namespace",
            "kube-system",
            "rollout",
            "status",
            "deployment/coredns",
            f"--timeout={READY_S}s",
            timeout=READY_S + 5,
        )


def _node_is_ready(api: "_Api") -> bool:
    nodes = json.loads(api.get("/api/v1/nodes"))["items"]
    conditions = nodes[0]["status"]["conditions"] if nodes else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _tail(node: OwnNode, component: str, lines: int = 15) -> str:
    try:
        return "\n".join(node.logs(component).splitlines()[-lines:])
    except FileNotFoundError:
        return "(has not started)"


class _Api:
    """Bare requests: kubectl would take longer to start than the answer takes to change."""

    def __init__(self, node: OwnNode) -> None:
        self._init = node.init
        keys = node.record.folder / "pki"
        context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
        self._url = f"https://{node.record.network.node}:6443"
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        ).open

    def get(self, path: str) -> bytes:
        if not self._init.alive:
            raise RuntimeError("the node's first process died")
        with self._open(f"{self._url}{path}", timeout=5) as answer:
            return bytes(answer.read())
