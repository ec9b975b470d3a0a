"""A subtree of ours in every cgroup hierarchy: without it the kubelet's folders land in the host's root.

Both layouts are served: version 1, one hierarchy a controller (with or without the empty version 2 one beside it), and
version 2 alone. The second is written after kind's entry point and was not run on the machines this was made on.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
TOP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Hierarchy:
    """`mount` are the words after `mount -t` that show it again inside the node."""

    root: Path
    mount: str


def hierarchies(mounts: str) -> list[Hierarchy]:
    """From the text of /proc/self/mounts."""
    found = []
    for line in mounts.splitlines():
        _, place, kind, options, *_ = line.split()
        if not Path(place).is_relative_to(TOP):
            continue
        if kind == "cgroup2":
            found.append(Hierarchy(Path(place), "cgroup2"))
        elif kind == "cgroup":
            controllers = [
                word for word in options.split(",") if word not in _NOT_CONTROLLERS and "release_agent" not in word
            ]
            found.append(Hierarchy(Path(place), f"cgroup -o {','.join(_named(controllers))}"))
    return sorted(found, key=lambda h: h.root)


def here() -> list[Hierarchy]:
    return hierarchies(MOUNTS.read_text())


def make(name: str) -> list[Path]:
    """A folder `name` in each hierarchy; their `cgroup.procs` files, which take the node's first process in."""
    doors = []
    for hierarchy in here():
        folder = hierarchy.root / name
        folder.mkdir(exist_ok=True)
        _prepare(hierarchy.root, folder)
        doors.append(folder / "cgroup.procs")
    return doors


def remove(name: str, patience: float = 10.0) -> list[Path]:
    """Removes the empty folders of a dead node; what is still there after `patience` seconds is returned."""
    end = time.monotonic() + patience
    while True:
        left = [h.root / name for h in here() if not _removed(h.root / name)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def _prepare(root: Path, folder: Path) -> None:
    if (folder / "cpuset.cpus").exists() and (folder / "cgroup.clone_children").exists():
        for limit in ("cpuset.cpus", "cpuset.mems"):
            (folder / limit).write_text((root / limit).read_text())
        (folder / "cgroup.clone_children").write_text("1")
    if (folder / "memory.use_hierarchy").exists():
        (folder / "memory.use_hierarchy").write_text("1")
    if root == TOP:
        enabled = (root / "cgroup.subtree_control").read_text().split()
        for controller in (root / "cgroup.controllers").read_text().split():
            if controller not in enabled:
                (root / "cgroup.subtree_control").write_text(f"+{controller}")


def _removed(folder: Path) -> bool:
    for inner, _, _ in os.walk(folder, topdown=False):
        try:
            Path(inner).rmdir()
        except OSError:
            return False
    return True


def _named(controllers: list[str]) -> list[str]:
    return ["none", *controllers] if any(word.startswith("name=") for word in controllers) else controllers


_NOT_CONTROLLERS = {
    "rw",
    "ro",
    "nosuid",
    "nodev",
    "noexec",
    "relatime",
    "noatime",
    "xattr",
    "clone_children",
    "seclabel",
}
