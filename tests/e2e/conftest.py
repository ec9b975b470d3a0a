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
from tests.charts import CHART
from tests.cluster import AuditLog, Request, images
from tests.e2e import manifests
from tests.e2e.kube import Kube, Object

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "regent-system"
RELEASE = "regent"
OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:regent-operator"
FORBIDDEN = 403
BEING_DELETED = "NamespaceTerminating"
"""What goes into a namespace that is being deleted is refused by admission, whoever writes it."""


class Asked:
    """What the operator asks of the API server, from now on: it is refused nothing, and never wants a Secret."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self.forget()

    def forget(self) -> None:
        """All until now."""
        self._mark = self._audit.mark()

    def so_far(self) -> list[Request]:
        return self._audit.since(self._mark, user=OPERATOR_USER)

    def look(self) -> None:
        """At all until now. Raises AssertionError."""
        asked = self.so_far()
        assert asked
        assert [r for r in asked if r.code == FORBIDDEN and BEING_DELETED not in r.causes] == []
        assert [r for r in asked if r.resource == "secrets"] == []


@dataclass(frozen=True)
class Installed:
    """Regent on a node, by the chart."""

    kube: Kube
    asked: Asked
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


def install(kube: Kube, *values: str, release: str = RELEASE, chart: Path = CHART) -> None:
    """Or upgrades, to these values alone; its pods are ready then."""
    words = ("upgrade", "--install", release, chart, "--namespace", SYSTEM, "--create-namespace", "--reset-values")
    kube.cluster.helm(*words, *values, "--wait", "--timeout", "240s", timeout=260)


@pytest.fixture(scope="session")
def regent(kube: Kube) -> Iterator[Installed]:
    """When all is over, the operator has been refused nothing in any test."""
    asked = Asked(kube.cluster.audit)
    install(kube)
    yield Installed(kube, asked, secrets.token_hex(2), itertools.count(1))
    asked.look()


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
