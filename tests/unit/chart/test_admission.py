import pytest

from tests.cluster import command
from tests.unit.chart.helm import Object, one, render

NAMESPACED: Object = {"watchNamespaces": ["acme", "beta"]}
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
PARTS = ("children", "deployments", "operator", "templates")


def test_every_policy_is_bound_denies_and_fails_closed() -> None:
    objects = render()

    for part in PARTS:
        name = f"regent-{part}.regent-system"
        assert one(objects, POLICY, name)["spec"]["failurePolicy"] == "Fail"
        assert one(objects, BINDING, name)["spec"] == {"policyName": name, "validationActions": ["Deny"]}


def test_in_named_namespaces_others_are_held_only_there_and_the_operator_everywhere() -> None:
    objects = render(NAMESPACED)
    only_there = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["acme", "beta"]}

    for part in PARTS:
        spec = one(objects, BINDING, f"regent-{part}.regent-system")["spec"]
        expected = {} if part in {"operator", "deployments"} else {"matchExpressions": [only_there]}
        assert spec.get("matchResources", {}).get("namespaceSelector", {}) == expected


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


def test_they_can_be_left_out() -> None:
    assert not [o for o in render({"admissionPolicies": {"create": False}}) if o["kind"] in {POLICY, BINDING}]


@pytest.mark.parametrize("group", ["o'neil", 'a"b', "a\\"])
def test_a_group_cannot_break_out_of_its_quotes(group: str) -> None:
    with pytest.raises(command.CommandError, match="breakGlassGroups"):
        render({"admissionPolicies": {"breakGlassGroups": [group]}})
