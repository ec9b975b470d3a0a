"""What a real API server lets the operator and people do, compared with docs/reference/rbac.md."""

import json

import pytest

from tests.api import kubectl
from tests.api.chart.releases import Object, Releases, agent
from tests.api.running_operator import eventually
from tests.cluster import command
from tests.unit.chart import rbac
from tests.unit.chart.test_rbac import AGENTS, CLUSTER, FLOOR, OWN, PROVIDERS


def permissions(releases: Releases, account: str, namespace: str) -> set[rbac.Permission]:
    """All that a ServiceAccount (`NAMESPACE:NAME`) may do in a namespace, as `kubectl auth can-i --list` asks it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    words = ("create", "--validate=false", "--filename", "-", "--output", "json")
    who = ("--as", f"system:serviceaccount:{account}")
    status = json.loads(releases.cluster.kubectl(*words, *who, text=json.dumps(review)))["status"]
    return rbac.of_rules([*status["resourceRules"], *status["nonResourceRules"]])


def anybody(releases: Releases, namespace: str) -> set[rbac.Permission]:
    """What Kubernetes lets every ServiceAccount do: discovery, and asking about itself."""
    return permissions(releases, f"{namespace}:nobody-in-particular", namespace)


def await_granted(releases: Releases, account: str, namespace: str, wanted: set[rbac.Permission]) -> None:
    """The API server's authorizer hears of roles a moment after they are written."""

    def holds() -> bool:
        assert permissions(releases, account, namespace) == wanted
        return True

    eventually(f"exactly what {account} may do in {namespace}", holds)


def may(releases: Releases, user: str, *words: str) -> bool:
    return kubectl.may(releases.cluster, user, *words)


def test_cluster_wide_the_operator_may_exactly_what_the_page_says(releases: Releases) -> None:
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home)
    everyone, operator = anybody(releases, acme), f"{home}:regent-operator"

    await_granted(releases, operator, home, everyone | AGENTS | CLUSTER | OWN)
    await_granted(releases, operator, acme, everyone | AGENTS | CLUSTER)
    await_granted(releases, operator, "kube-system", everyone | AGENTS | CLUSTER)


def test_namespaced_the_operator_may_exactly_what_the_page_says(releases: Releases) -> None:
    home, acme, models, other = (releases.namespace() for _ in range(4))
    releases.install("regent", home, {"watchNamespaces": [acme], "providerNamespaces": [models]})
    everyone, operator = anybody(releases, other), f"{home}:regent-operator"
    of_cluster = {(g, f"{what} named {acme}" if what == "namespaces" else what, verb) for g, what, verb in CLUSTER}

    await_granted(releases, operator, home, everyone | of_cluster | OWN | FLOOR)
    await_granted(releases, operator, acme, everyone | of_cluster | AGENTS)
    await_granted(releases, operator, models, everyone | of_cluster | PROVIDERS)
    await_granted(releases, operator, other, everyone | of_cluster)


def test_the_operator_can_never_see_a_secret_nor_raise_itself(releases: Releases) -> None:
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home)
    operator = f"system:serviceaccount:{home}:regent-operator"
    lease = ("update", "leases.coordination.k8s.io/regent-operator", "--namespace", home)
    eventually("its roles are known", lambda: may(releases, operator, *lease))
    for verb in ("get", "list", "watch", "create", "update", "patch", "delete"):
        assert not may(releases, operator, verb, "secrets", "--namespace", acme), verb
    for words in (
        ("create", "serviceaccounts", "--subresource=token"),
        ("create", "pods"),
        ("create", "pods", "--subresource=exec"),
        ("get", "pods", "--subresource=log"),
        ("delete", "deployments.apps"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("escalate", "clusterroles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("get", "nodes"),
        ("patch", "aiagents.regent.dev"),
        ("create", "agentpolicies.regent.dev"),
        ("patch", "agentpolicies.regent.dev"),
        ("patch", "modelroutes.regent.dev"),
        ("update", "leases.coordination.k8s.io/another"),
    ):
        assert not may(releases, operator, *words, "--namespace", home), words

    with pytest.raises(command.CommandError, match="Forbidden"):
        releases.cluster.kubectl("get", "secrets", "--all-namespaces", "--as", operator)


@pytest.mark.parametrize(
    ("role", "agents", "rules"),
    [("view", False, False), ("edit", True, False), ("admin", True, True)],
)
def test_people_get_the_kinds_with_the_roles_that_they_have(
    releases: Releases, role: str, agents: bool, rules: bool
) -> None:
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home)
    releases.cluster.kubectl("create", "rolebinding", "alice", "--clusterrole", role, "--user", "alice", "-n", acme)

    def can(verb: str, kind: str, namespace: str = acme) -> bool:
        return may(releases, "alice", verb, f"{kind}.regent.dev", "--namespace", namespace)

    def known() -> bool:
        listed = all(can("list", kind) for kind in ("aiagents", "agentpolicies", "modelroutes"))
        return listed and can("create", "aiagents") == agents and can("create", "modelroutes") == rules

    eventually("the aggregated roles are known", known)
    assert {verb: can(verb, "aiagents") for verb in ("create", "patch", "delete")} == dict.fromkeys(
        ("create", "patch", "delete"), agents
    )
    for kind in ("agentpolicies", "modelroutes"):
        assert can("list", kind)
        assert can("create", kind) == can("delete", kind) == rules
        assert not can("list", kind, home)


def test_a_developer_writes_an_agent_and_cannot_write_its_status(releases: Releases) -> None:
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home)
    releases.cluster.kubectl("create", "rolebinding", "alice", "--clusterrole", "edit", "--user", "alice", "-n", acme)
    words = ("create", "aiagents.regent.dev", "--namespace", acme)
    eventually("the aggregated roles are known", lambda: may(releases, "alice", *words))

    releases.cluster.kubectl(
        "create", "--validate=false", "--as", "alice", "--filename", "-", text=json.dumps(agent(acme))
    )

    lie: Object = {"status": {"endpoint": "http://elsewhere"}}
    patch = ("patch", "aiagent", "helper", "-n", acme, "--subresource=status", "--type=merge", "-p", json.dumps(lie))
    with pytest.raises(command.CommandError, match="forbidden"):
        releases.cluster.kubectl(*patch, "--as", "alice")
