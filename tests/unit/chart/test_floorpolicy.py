from pathlib import Path

import yaml

import regent_operator.cli
from regent_api.policy import AgentPolicySpec
from tests.unit.chart.helm import Object, one, render


def floor(values: Object | None = None) -> Object:
    return one(render(values), "AgentPolicy")


def test_the_default_floor_states_every_grant_and_applies_to_every_agent() -> None:
    assert floor()["spec"] == {
        "selector": {},
        "callers": {"serviceAccounts": [{"name": "*"}], "anonymous": "Deny", "mayInstruct": "Deny"},
        "models": {"localHosts": ["*.svc", "*.svc.cluster.local"]},
    }
    assert AgentPolicySpec.model_validate(floor()["spec"])


def test_regent_dev_plans_under_the_same_floor() -> None:
    source = Path(regent_operator.cli.__file__).with_name("floor.yaml")

    assert yaml.safe_load(source.read_text())["spec"] == floor()["spec"]


def test_values_change_the_floor_key_by_key() -> None:
    callers = {"serviceAccounts": [{"namespace": "*", "name": "*"}]}
    changed = floor({"floorPolicy": {"spec": {"callers": callers, "data": {"minSensitivity": "Internal"}}}})

    assert changed["spec"] == floor()["spec"] | {
        "callers": floor()["spec"]["callers"] | callers,
        "data": {"minSensitivity": "Internal"},
    }


def test_without_a_cluster_to_ask_it_is_a_plain_object_that_is_kept() -> None:
    assert floor()["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
