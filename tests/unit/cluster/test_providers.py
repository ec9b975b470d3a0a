"""Whose cluster a test gets: a given one, else kind's where a Docker engine answers, else a node of our own.

What the machine has is pretended, and no program runs.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import command, foreign, ownnode, providers
from tests.cluster.cluster import Cluster

GIVEN = Path("/a/kubeconfig")
IMAGE = Path("image.tar")
WAYS: dict[str, Callable[[], Cluster]] = {
    "control plane": lambda: providers.control_plane("case"),
    "node": lambda: providers.node("case", images=[IMAGE]),
}


class Ours(foreign.Given):
    """Stands for a node of our own."""


@dataclass
class Machine:
    """A program on PATH, the engine's answer, and each command that was run, word by word."""

    programs: set[str] = field(default_factory=set)
    engine_runs: bool = True
    commands: list[tuple[str, ...]] = field(default_factory=list)

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, *words: str | Path, **_: object) -> str:
        said = tuple(str(word) for word in words)
        self.commands.append(said)
        if said == ("docker", "info") and not self.engine_runs:
            raise command.CommandError(said, 1, "", "Cannot connect to the Docker daemon")
        return ""

    def loaded(self) -> list[str]:
        """What the image archive was given to."""
        return [said[0] for said in self.commands if str(IMAGE) in said]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Without kubeconfig, kind and Docker, until a test adds them."""
    made = Machine()
    monkeypatch.delenv(foreign.GIVEN, raising=False)
    monkeypatch.setenv(foreign.LOADER, "loader")
    monkeypatch.setattr(shutil, "which", made.which)
    monkeypatch.setattr(command, "run", made.run)
    monkeypatch.setattr(ownnode, "start", lambda *_, **__: Ours(Path("/ours")))
    return made


@pytest.fixture(params=WAYS)
def taken(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Callable[[], type[Cluster]]]:
    """The kind of cluster that a test gets, in each of the ways to ask for one."""
    clusters: list[Cluster] = []

    def ask() -> type[Cluster]:
        clusters.append(WAYS[request.param]())
        return type(clusters[-1])

    yield ask
    for cluster in clusters:
        cluster.stop()


def test_without_a_given_one_and_without_kind_it_is_a_node_of_our_own(taken: Callable[[], type[Cluster]]) -> None:
    assert taken() is Ours
    assert providers.is_ours()


def test_kind_is_taken_where_an_engine_answers(taken: Callable[[], type[Cluster]], machine: Machine) -> None:
    machine.programs = {"kind", "docker"}
    assert taken() is foreign.Kind
    assert not providers.is_ours()


@pytest.mark.parametrize(
    ("programs", "engine_runs"),
    [({"docker"}, True), ({"kind"}, True), ({"kind", "docker"}, False)],
    ids=["no kind", "no docker", "an engine that is down"],
)
def test_kind_is_not_taken_by_halves(
    taken: Callable[[], type[Cluster]], machine: Machine, programs: set[str], engine_runs: bool
) -> None:
    machine.programs, machine.engine_runs = programs, engine_runs
    assert taken() is Ours
    assert providers.is_ours()


def test_a_given_cluster_comes_before_kinds(
    taken: Callable[[], type[Cluster]], machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.programs = {"kind", "docker"}
    monkeypatch.setenv(foreign.GIVEN, str(GIVEN))
    assert taken() is foreign.Given
    assert not providers.is_ours()
    assert not [said for said in machine.commands if said[0] == "kind"]


def test_a_node_holds_the_images_whoever_gives_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.programs = {"kind", "docker"}
    WAYS["node"]().stop()
    assert machine.loaded() == ["kind"]
    monkeypatch.setenv(foreign.GIVEN, str(GIVEN))
    assert WAYS["node"]().kubeconfig == GIVEN
    assert machine.loaded() == ["kind", "loader"]
