"""Who provides a test's cluster: the one that the environment names, else kind where a Docker engine answers, else a
node of our own."""

import os
from collections.abc import Sequence
from pathlib import Path

from . import foreign, ownnode
from .cluster import Cluster


def control_plane(name: str = "api", *, controllers: str = "") -> Cluster:
    """etcd and an API server, without a node; up in 3 s, the first time after a build.

    `controllers` is the controller manager's list, such as "garbage-collector-controller" or "*"; none by default.
    A provider that has only whole clusters gives one of those.
    """
    return (
        foreign.given() or foreign.by_kind(name, ()) or ownnode.start(_ours(name), "control", controllers=controllers)
    )


def node(name: str = "e2e", *, images: Sequence[Path] = ()) -> Cluster:
    """One node that runs pods, with DNS and enforced NetworkPolicies, `images` (archives) loaded; up in 6 s."""
    given = foreign.given()
    if given:
        for archive in images:
            given.load_image(archive)
        return given
    return foreign.by_kind(name, images) or ownnode.start(_ours(name), "full", images)


def is_ours() -> bool:
    """Whether it will be a node of our own, which has to be built."""
    return foreign.given() is None and not foreign.kind_answers()


def _ours(name: str) -> str:
    """Two test runs on one machine may ask for the same name."""
    return f"{name}-{os.getpid()}"
