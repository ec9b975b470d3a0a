"""Which cgroup hierarchies a host has, read from its mounts."""

from pathlib import Path

from tests.cluster.cgroups import Hierarchy, hierarchies

TOP = Path("/sys/fs/cgroup")


def test_version_2_is_one_hierarchy() -> None:
    mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n"
    assert hierarchies(mounts) == [Hierarchy(TOP, "cgroup2")]


def test_version_1_is_one_hierarchy_for_each_mount_with_its_controllers() -> None:
    mounts = (
        "tmpfs /sys/fs/cgroup tmpfs ro,nosuid 0 0\n"
        "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0\n"
        "cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,xattr,release_agent=/lib/agent,name=systemd 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n"
    )
    assert hierarchies(mounts) == [
        Hierarchy(TOP / "cpu,cpuacct", "cgroup -o cpu,cpuacct"),
        Hierarchy(TOP / "systemd", "cgroup -o none,name=systemd"),
        Hierarchy(TOP / "unified", "cgroup2"),
    ]


def test_a_hierarchy_mounted_elsewhere_is_not_taken() -> None:
    assert hierarchies("cgroup2 /mnt/container/cgroup cgroup2 rw 0 0\n") == []
