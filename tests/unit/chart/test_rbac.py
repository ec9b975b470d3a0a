import pytest

from tests.unit.chart import rbac
from tests.unit.chart.helm import Object, one, render

NAMESPACED: Object = {"watchNamespaces": ["acme", "beta"], "providerNamespaces": ["models"]}
CLUSTER_ROLE = "regent-operator:regent-system"
AGENTS = rbac.documented("## For agents")
OWN = rbac.documented("## In the operator's own namespace")
FLOOR = rbac.documented("With `watchNamespaces` also:")
PROVIDERS = rbac.documented("## In namespaces of model servers")
CLUSTER = rbac.documented("## Of the cluster")


def granted(objects: list[Object], kind: str, name: str, namespace: str | None = None) -> set[rbac.Permission]:
    inside = [o for o in objects if o["metadata"].get("namespace") == namespace]
    return rbac.of_rules(one(inside, kind, name)["rules"])


def test_cluster_wide_the_operator_may_what_the_page_says() -> None:
    objects = render()

    assert granted(objects, "ClusterRole", CLUSTER_ROLE) == AGENTS | CLUSTER
    assert granted(objects, "Role", "regent-operator", "regent-system") == OWN


def test_namespaced_the_operator_may_what_the_page_says() -> None:
    objects = render(NAMESPACED)
    only_these = {
        (group, f"{what} named acme,beta" if what == "namespaces" else what, verb) for group, what, verb in CLUSTER
    }

    assert granted(objects, "ClusterRole", CLUSTER_ROLE) == only_these
    assert granted(objects, "Role", "regent-operator", "regent-system") == OWN | FLOOR
    assert granted(objects, "Role", "regent-operator-agents", "acme") == AGENTS
    assert granted(objects, "Role", "regent-operator-agents", "beta") == AGENTS
    assert granted(objects, "Role", "regent-operator-providers-regent-system", "models") == PROVIDERS


def test_service_cidrs_are_not_read_where_the_ranges_are_given() -> None:
    objects = render({"cluster": {"cidrs": ["10.96.0.0/12"]}})

    assert granted(objects, "ClusterRole", CLUSTER_ROLE) == {p for p in AGENTS | CLUSTER if p[1] != "servicecidrs"}


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster-wide", "namespaced"])
def test_no_rule_touches_secrets_or_everything(values: Object) -> None:
    roles = [o for o in render(values) if o["kind"] in {"Role", "ClusterRole"}]
    permissions = {p for role in roles for p in rbac.of_rules(role["rules"])}

    assert permissions
    assert not {p for p in permissions if "secrets" in p[1] or "*" in p}
    assert not {p for p in permissions if p[1] in {"pods/exec", "pods/log", "serviceaccounts/token", "roles", "nodes"}}


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster-wide", "namespaced"])
def test_every_role_of_the_operator_is_bound_to_it_and_to_nobody_else(values: Object) -> None:
    objects = render(values)
    operator = [{"kind": "ServiceAccount", "name": "regent-operator", "namespace": "regent-system"}]
    roles = {
        (o["metadata"].get("namespace"), o["metadata"]["name"])
        for o in objects
        if o["kind"] in {"Role", "ClusterRole"} and "aggregate-to" not in str(o["metadata"]["labels"])
    }
    bindings = [o for o in objects if o["kind"] in {"RoleBinding", "ClusterRoleBinding"}]

    assert {(b["metadata"].get("namespace"), b["roleRef"]["name"]) for b in bindings} == roles
    assert all(binding["subjects"] == operator for binding in bindings)


def test_people_get_the_kinds_through_the_roles_that_they_have() -> None:
    read, write = ["get", "list", "watch"], ["create", "update", "patch", "delete", "deletecollection"]
    roles = [o for o in render() if "aggregate-to" in str(o["metadata"]["labels"])]

    assert {
        next(label for label in role["metadata"]["labels"] if "aggregate-to" in label): role["rules"] for role in roles
    } == {
        "rbac.authorization.k8s.io/aggregate-to-view": [
            {"apiGroups": ["regent.dev"], "resources": ["aiagents", "agentpolicies", "modelroutes"], "verbs": read}
        ],
        "rbac.authorization.k8s.io/aggregate-to-edit": [
            {"apiGroups": ["regent.dev"], "resources": ["aiagents"], "verbs": write}
        ],
        "rbac.authorization.k8s.io/aggregate-to-admin": [
            {"apiGroups": ["regent.dev"], "resources": ["agentpolicies", "modelroutes"], "verbs": write}
        ],
    }
