"""One real node for the whole session: images built from this tree, the chart installed, nothing shared but the operator.

Each test makes namespaces of its own and deletes them at its end: two cores hold a dozen agents, not a hundred.
"""

import itertools
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cluster
from tests.cluster import images
from tests.e2e import manifests
from tests.e2e.kube import Kube, Object

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "regent-system"
OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:regent-operator"


@dataclass(frozen=True)
class Installed:
    """Regent on a node, by the chart."""

    kube: Kube
    run: str
    """Tells this session's namespaces from those that an earlier one left on a given cluster."""
    names: Iterator[int]

    def namespace(self, **labels: str) -> str:
        name = f"case-{self.run}-{next(self.names)}"
        self.kube.apply(manifests.namespace(name, **labels))
        return name

    def discard(self, namespace: str) -> None:
        self.kube("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")

    def standin(self, name: str, namespace: str) -> None:
        self.kube.apply(*manifests.standin(name, namespace))
        words = ("rollout", "status", f"deployment/{name}", "--namespace", namespace, "--timeout=120s")
        self.kube(*words, timeout=130)

    def slow_agent(self, namespace: str, name: str = "helper", **spec: object) -> None:
        """A Ready agent over a stand-in that streams a word every quarter of a second."""
        self.standin("cloud", namespace)
        slow = manifests.provider("cloud", f"cloud.{namespace}.svc", model="slow")
        self.kube.apply(manifests.route("route", namespace, [slow]), manifests.agent(name, namespace, "route", **spec))
        self.kube.until_ready(name, namespace)


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    ours = [images.regent(name) for name in ("operator", "runtime", "demo-model")]
    with cluster.node("e2e", images=[images.python_base(), images.redis(), *ours]) as node:
        yield Kube(node)


@pytest.fixture(scope="session")
def regent(kube: Kube) -> Installed:
    kube.cluster.helm(
        *("upgrade", "--install", "regent", ROOT / "charts" / "regent", "--namespace", SYSTEM, "--create-namespace"),
        *("--wait", "--timeout", "180s"),
        timeout=200,
    )
    return Installed(kube, secrets.token_hex(2), itertools.count(1))


@pytest.fixture
def namespace(regent: Installed) -> Iterator[str]:
    name = regent.namespace()
    yield name
    regent.discard(name)


@pytest.fixture
def seconds_printed(capsys: pytest.CaptureFixture[str]) -> Callable[[str, float], None]:
    """Figures that a person wants to see in the log; no test depends on them."""

    def say(what: str, seconds: float) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {what}: {seconds:.1f} s\n")

    return say


__all__ = ["Installed", "Object"]
