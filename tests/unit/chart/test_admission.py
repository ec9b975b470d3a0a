import pytest

from tests.cluster import command
from tests.unit.chart.helm import ROOT, Object, one, render

NAMESPACED: Object = {"watchNamespaces": ["acme", "beta"]}
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
PARTS = ("children", "deployments", "endpoints", "operator", "templates")
SERVICES = {"matchExpressions": [{"key": "regent.dev/agent", "operator": "Exists"}]}
OF_AGENTS = {"endpoints": {"paramRef": {"parameterNotFoundAction": "Allow", "selector": SERVICES}}}


def test_every_policy_is_bound_denies_and_fails_closed() -> None:
    objects = render()

    for part in PARTS:
        name = f"regent-{part}.regent-system"
        assert one(objects, POLICY, name)["spec"]["failurePolicy"] == "Fail"
        expected = {"policyName": name, "validationActions": ["Deny"], **OF_AGENTS.get(part, {})}
        assert one(objects, BINDING, name)["spec"] == expected


def test_in_named_namespaces_others_are_held_only_there_and_the_operator_everywhere() -> None:
    objects = render(NAMESPACED)
    only_there = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["acme", "beta"]}

    for part in PARTS:
        spec = one(objects, BINDING, f"regent-{part}.regent-system")["spec"]
        expected = {} if part in {"operator", "deployments"} else {"matchExpressions": [only_there]}
        assert spec.get("matchResources", {}).get("namespaceSelector", {}) == expected


def rules(part: str, values: Object | None = None) -> dict[str, list[str]]:
    """Resource -> operations that a policy looks at."""
    found = one(render(values), POLICY, f"regent-{part}.regent-system")["spec"]["matchConstraints"]["resourceRules"]
    return {
        f"{group}/{name}".strip("/"): rule["operations"]
        for rule in found
        for group in rule["apiGroups"]
        for name in rule["resources"]
    }


def test_the_security_page_names_every_kind_that_is_held_as_a_child() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    (row,) = (line.lower() for line in page.splitlines() if line.startswith("| `regent-children` |"))
    held = rules("children", {"autoscaling": {"provider": "KEDA"}})
    named = {resource.rpartition("/")[2].replace("ephemeralcontainers", "ephemeral containers") for resource in held}
    assert {name for name in named if name not in row} == set()


def test_where_an_agents_service_leads_is_held_by_its_label_and_by_the_services_name() -> None:
    held = ("endpoints", "discovery.k8s.io/endpointslices")
    for resource in held:
        assert rules("children")[resource] == ["CREATE", "UPDATE", "DELETE"]
    assert rules("endpoints") == {resource: ["CREATE", "UPDATE"] for resource in held}

    spec = one(render(), POLICY, "regent-endpoints.regent-system")["spec"]
    assert spec["paramKind"] == {"apiVersion": "v1", "kind": "Service"}
    (validation,) = spec["validations"]
    assert validation["expression"].startswith("params.metadata.name != (request.resource.resource == 'endpoints'")


def test_the_clusters_own_controllers_write_endpoints() -> None:
    (condition,) = one(render(), POLICY, "regent-endpoints.regent-system")["spec"]["matchConditions"]
    for user in (
        "request.userInfo.username == 'system:kube-controller-manager'",
        "request.userInfo.username.startsWith('system:serviceaccount:kube-system:')",
    ):
        assert user in condition["expression"]
    assert condition["expression"].startswith("!(")


def test_who_else_may_write_is_said_by_values() -> None:
    values = {"controllerNamespaces": ["kube-system", "openshift-infra"], "breakGlassGroups": ["oncall"]}
    (trusted,) = [
        variable["expression"]
        for variable in one(render({"admissionPolicies": values}), POLICY, "regent-children.regent-system")["spec"][
            "variables"
        ]
        if variable["name"] == "trusted"
    ]

    assert "startsWith('system:serviceaccount:openshift-infra:')" in trusted
    assert 'g in ["oncall"]' in trusted


def test_without_a_cluster_to_ask_a_new_agent_runs_the_configured_image() -> None:
    pinned = {"image": {"registry": "r.example.com:5000/", "runtime": {"digest": "sha256:" + 64 * "a"}}}
    for values, image in (
        (None, "localhost/regent-runtime:0.1.0"),
        (pinned, f"r.example.com:5000/regent-runtime@sha256:{64 * 'a'}"),
    ):
        validations = one(render(values), POLICY, "regent-deployments.regent-system")["spec"]["validations"]
        (form,) = [each["expression"] for each in validations if "c.image" in each["expression"]]
        assert f'(c.image in ["{image}"] || c.image in variables.imagesBefore)' in form


def test_they_can_be_left_out() -> None:
    assert not [o for o in render({"admissionPolicies": {"create": False}}) if o["kind"] in {POLICY, BINDING}]


@pytest.mark.parametrize("group", ["o'neil", 'a"b', "a\\"])
def test_a_group_cannot_break_out_of_its_quotes(group: str) -> None:
    with pytest.raises(command.CommandError, match="breakGlassGroups"):
        render({"admissionPolicies": {"breakGlassGroups": [group]}})
