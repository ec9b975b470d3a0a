"""The images that a node needs besides ours, each an OCI archive in the cache, made without a registry.

`python_base` stands in for the public Python image as the base of our Dockerfiles: Debian 12's interpreter and standard
library with what compiled wheels link to, and neither shell nor package manager.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from . import archive, build, cache, command

SUITE = "bookworm"
PYTHON_BASE = "localhost/python:3.11"
PYTHON_PACKAGES = (
    "python3.11-minimal,libpython3.11-stdlib,libstdc++6,libgomp1,base-files,netbase,tzdata,ca-certificates"
)
REDIS_PACKAGES = "redis-tools,base-files"
UNWANTED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "var/cache",
    "var/lib/apt",
    "dev",
)
PACKAGE_TOOLS = ("debconf*", "dpkg*", "update-alternatives", "mawk", "c_rehash")
NONROOT = 65532
REPOSITORY = cache.HERE.parent.parent
RUNTIME = ("images/runtime", "crds/pyproject.toml", "crds/src", "runtime/pyproject.toml", "runtime/src")
MEMBERS = {
    "operator": ("images/operator", "crds/pyproject.toml", "crds/src", "operator/pyproject.toml", "operator/src"),
    "runtime": RUNTIME,
    "runtime-semantic": RUNTIME,
    "demo-model": ("images/demo-model",),
}


def pause() -> Path:
    program = build.pause()
    return _image("localhost/pause:1", {"pause": program}, {"Entrypoint": ["/pause"], "User": "65535:65535"})


def coredns() -> Path:
    program = build.node() / "coredns"
    return _image("localhost/coredns:1", {"coredns": program}, {"Entrypoint": ["/coredns"]})


def busybox() -> Path:
    """localhost/busybox:1, a shell, the usual programs and `netool`: for the pods that tests bring along."""
    tool = build.netool()
    key = cache.fingerprint(__doc__ or "", SUITE, tool)
    return cache.entry("busybox", key, lambda folder: _make_busybox(folder, tool)) / "image.tar"


def python_base() -> Path:
    """localhost/python:3.11, user 65532."""
    key = cache.fingerprint(SUITE, PYTHON_PACKAGES, *UNWANTED, *PACKAGE_TOOLS, Path(archive.__file__))
    return cache.entry("python-base", key, _make_python_base) / "image.tar"


def redis() -> Path:
    """localhost/redis:7, Debian's server, for the tests that share a state between pods."""
    key = cache.fingerprint(SUITE, REDIS_PACKAGES, *UNWANTED, Path(archive.__file__))
    return cache.entry("redis", key, _make_redis) / "image.tar"


def regent(name: str) -> Path:
    """localhost/regent-NAME:VERSION, made by `images/build` as a user makes it; NAME is a key of MEMBERS."""
    base = python_base()
    sources = [REPOSITORY / member for member in MEMBERS[name]]
    key = cache.fingerprint(
        REPOSITORY / "requirements.lock", REPOSITORY / "images" / "build", *sources, base.parent.name
    )

    def make(folder: Path) -> None:
        command.run(
            sys.executable, REPOSITORY / "images" / "build", "--base-archive", base, "--out", folder, name, timeout=900
        )

    return cache.entry(f"regent-{name}", key, make) / f"{name}.tar"


def for_every_node() -> list[Path]:
    return [pause(), coredns()]


def _image(name: str, content: dict[str, Path], config: Mapping[str, object]) -> Path:
    def make(folder: Path) -> None:
        archive.write(folder / "image.tar", name, content, config)

    key = cache.fingerprint(name, str(config), Path(archive.__file__), *content.values())
    return cache.entry(name.rpartition("/")[2].partition(":")[0] + "-image", key, make) / "image.tar"


def _make_busybox(folder: Path, tool: Path) -> None:
    def furnish(root: Path) -> None:
        program = root / "bin" / "busybox"
        for name in command.run(program, "--list").split():
            if name != "busybox":
                (program.parent / name).symlink_to("busybox")
        shutil.copy(tool, program.parent / "netool")
        (root / "tmp").mkdir(exist_ok=True)
        (root / "tmp").chmod(0o1777)
        _keep_only(root, "bin", "tmp")

    _from_debian(folder, "localhost/busybox:1", "busybox-static", furnish, {"Cmd": ["sh"], "Env": ["PATH=/bin"]})


def _make_python_base(folder: Path) -> None:
    environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]
    config = {"Cmd": ["python3"], "User": f"{NONROOT}:{NONROOT}", "WorkingDir": "/home/nonroot", "Env": environment}
    _from_debian(folder, PYTHON_BASE, PYTHON_PACKAGES, _furnish_python, config)


def _make_redis(folder: Path) -> None:
    def furnish(root: Path) -> None:
        # One program under two names; the package `redis-server` adds the second and a system service.
        (root / "usr" / "bin" / "redis-server").symlink_to("redis-check-rdb")
        for place in UNWANTED:
            shutil.rmtree(root / place, ignore_errors=True)

    config = {"Cmd": ["redis-server"], "User": f"{NONROOT}:{NONROOT}", "WorkingDir": "/tmp", "Env": ["PATH=/usr/bin"]}
    _from_debian(folder, "localhost/redis:7", REDIS_PACKAGES, furnish, config)


def _furnish_python(root: Path) -> None:
    (root / "usr" / "bin" / "python3").symlink_to("python3.11")
    authorities = sorted((root / "usr" / "share" / "ca-certificates").rglob("*.crt"))
    bundle = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    bundle.write_bytes(b"".join(file.read_bytes() for file in authorities))
    for place in UNWANTED:
        shutil.rmtree(root / place, ignore_errors=True)
    for pattern in PACKAGE_TOOLS:
        for program in (root / "usr" / "bin").glob(pattern):
            program.unlink()
    (root / "etc" / "passwd").write_text(
        f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n"
    )
    (root / "etc" / "group").write_text(f"root:x:0:\nnonroot:x:{NONROOT}:\n")
    (root / "home" / "nonroot").mkdir(parents=True)
    (root / "tmp").chmod(0o1777)


def _from_debian(
    folder: Path, name: str, packages: str, furnish: Callable[[Path], None], config: Mapping[str, object]
) -> None:
    """Unpacks `packages` with their dependencies, runs none of their scripts, lets `furnish` finish the root."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        command.run("mmdebstrap", "--quiet", "--variant=extract", f"--include={packages}", SUITE, root, timeout=900)
        furnish(root)
        archive.write(folder / "image.tar", name, {"": root}, config)


def _keep_only(root: Path, *names: str) -> None:
    for child in root.iterdir():
        if child.name not in names:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
