"""Releases of the chart in the place of the session's, and agents that outlive them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e import caller, manifests
from tests.e2e.conftest import SYSTEM, Installed, install
from tests.e2e.kube import Kube, Object, condition

CHILDREN = (
    *("serviceaccounts", "configmaps", "deployments", "services", "networkpolicies", "poddisruptionbudgets"),
    *("replicasets", "pods"),
)
SHARED = (
    *(("crd", f"{plural}.regent.dev") for plural in ("agentpolicies", "aiagents", "modelroutes")),
    *(("clusterrole", f"regent-{role}") for role in ("view", "edit", "admin")),
    ("agentpolicy", "floor"),
    ("secret", "regent-operator-signing"),
)
"""What belongs to the cluster and not to a release."""

OF_A_RELEASE = (
    "deployments,serviceaccounts,services,networkpolicies,poddisruptionbudgets,clusterroles,clusterrolebindings,"
    "roles,rolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
)
Named = dict[tuple[str, str], str]
"""Kind and name -> uid."""


@dataclass(frozen=True)
class World:
    """Three pods that serve: `helper`, whose provider is slow and whose policy is `house`, and two of `pair`."""

    regent: Installed
    where: str
    friend: caller.Caller
    """May talk to both."""

    @property
    def kube(self) -> Kube:
        return self.regent.kube

    @property
    def helper(self) -> str:
        return f"{self.where}/helper"

    @property
    def pair(self) -> str:
        return f"{self.where}/pair"

    def found(self, kind: str, name: str) -> Object:
        return self.kube.get(kind, name, self.where)

    def ready(self, agent: str) -> tuple[str, str]:
        """Its status and since when: an agent that was not Ready for a moment has another date."""
        told = condition(self.found("aiagent", agent), "Ready")
        return told["status"], told["lastTransitionTime"]

    def edit(self, tokens: int) -> None:
        self.kube.apply(house(self.where, tokens))

    def until_enforced(self, tokens: int) -> None:
        """By every pod of `helper`."""

        def in_force() -> bool:
            effective = self.found("aiagent", "helper")["status"]["effective"]
            return any(each["field"] == "size.maxOutputTokens" and each["value"] == str(tokens) for each in effective)

        self.kube.until("the edit is planned", in_force)
        self.kube.until_ready("helper", self.where)
        self.kube.until_condition("agentpolicy", "house", self.where, "Ready", "True", "Enforced")

    def children(self) -> Named:
        """Of all agents, their pods among them."""
        ours = "app.kubernetes.io/managed-by=regent"
        each = ((kind, child) for kind in CHILDREN for child in self.kube.all_of(kind, self.where, ours))
        return {(kind, child["metadata"]["name"]): child["metadata"]["uid"] for kind, child in each}

    def shared(self) -> Named:
        return {(kind, name): self.kube.get(kind, name, SYSTEM)["metadata"]["uid"] for kind, name in SHARED}

    def written(self) -> dict[tuple[str, str], tuple[str, Object]]:
        """Uid and spec of all that people have written."""
        kinds = ("aiagents", "agentpolicies", "modelroutes")
        each = ((kind, found) for kind in kinds for found in self.kube.all_of(kind, self.where))
        return {(kind, o["metadata"]["name"]): (o["metadata"]["uid"], o["spec"]) for kind, o in each}


def house(where: str, tokens: int) -> Object:
    return manifests.policy("house", where, size={"maxOutputTokens": tokens})


@contextmanager
def serving(regent: Installed) -> Iterator[World]:
    kube, where = regent.kube, regent.namespace()
    regent.standin("cloud", where)
    for model in ("slow", "quick"):
        kube.apply(manifests.route(model, where, [manifests.provider("cloud", f"cloud.{where}.svc", model=model)]))
    kube.apply(
        house(where, 200),
        manifests.agent("helper", where, "slow", policyRefs=[{"name": "house"}]),
        manifests.agent("pair", where, "quick", scaling={"replicas": 2}),
    )
    for agent in ("helper", "pair"):
        kube.until_current("aiagent", agent, where)
        kube.until_condition("aiagent", agent, where, "NetworkRestricted", "True")
    friend = caller.start(kube, "friend", where, "friend", f"{where}/helper", f"{where}/pair")
    yield World(regent, where, friend)
    regent.discard(where)


def parts(kube: Kube, release: str) -> list[str]:
    """What Helm made for a release alone."""
    mine = ("--selector", f"app.kubernetes.io/instance={release}")
    return kube("get", OF_A_RELEASE, "--namespace", SYSTEM, *mine, "--output", "name").split()


def operators(kube: Kube) -> set[str]:
    """Names of the operator's pods, whatever their release; a name does not come back."""
    return {pod["metadata"]["name"] for pod in kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")}


def uninstall(kube: Kube, release: str) -> str:
    """Helm's words, once no operator is there."""
    words = ("uninstall", release, "--namespace", SYSTEM, "--wait", "--timeout", "180s")
    said = kube.cluster.helm(*words, timeout=200)
    kube.until("no operator is there", lambda: not operators(kube))
    return said


@contextmanager
def put_back(regent: Installed) -> Iterator[None]:
    """Whatever is uninstalled and installed within, at the end the session's release is there, and no other.

    An operator loses its permissions while it stops: what it is refused then is not looked at.
    """
    regent.asked.look()
    try:
        yield
    finally:
        for release in regent.kube.cluster.helm("list", "--namespace", SYSTEM, "--short").split():
            uninstall(regent.kube, release)
        regent.asked.forget()
        install(regent.kube)
