import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from regent_operator.plan.scaledobject import build
from tests.unit.plan.samples import agent

URL = "http://regent-metrics-api.regent-system.svc:8080"
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/keda-scaledobject.json").read_text())


def spec(**stated: Any) -> dict[str, Any]:
    made = build(agent(scaling={"auto": stated}), URL)
    assert made is not None
    found: dict[str, Any] = made["spec"]
    return found


def test_the_whole_object_where_nothing_is_stated() -> None:
    made = build(agent(scaling={"auto": {}}), URL)
    assert made is not None
    assert (made["apiVersion"], made["kind"], made["metadata"]["name"]) == (
        "keda.sh/v1alpha1",
        "ScaledObject",
        "helper",
    )
    assert made["metadata"]["ownerReferences"][0]["kind"] == "AIAgent"
    assert made["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "helper"},
        "minReplicaCount": 3,
        "maxReplicaCount": 20,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleUp": {
                        "stabilizationWindowSeconds": 0,
                        "selectPolicy": "Max",
                        "policies": [
                            {"type": "Percent", "value": 100, "periodSeconds": 15},
                            {"type": "Pods", "value": 4, "periodSeconds": 15},
                        ],
                    },
                    "scaleDown": {
                        "stabilizationWindowSeconds": 300,
                        "selectPolicy": "Max",
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    },
                }
            }
        },
        "triggers": [
            {
                "type": "metrics-api",
                "metricType": "AverageValue",
                "metadata": {
                    "url": f"{URL}/keda/namespaces/acme/agents/helper",
                    "valueLocation": "activeConversations",
                    "targetValue": "10",
                },
            },
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}},
        ],
    }


def test_a_target_that_is_stated_is_the_only_trigger() -> None:
    (only,) = spec(targets={"cpuUtilization": 50})["triggers"]
    assert (only["type"], only["metadata"]) == ("cpu", {"value": "50"})
    (only,) = spec(targets={"activeConversations": 25})["triggers"]
    assert (only["type"], only["metadata"]["targetValue"]) == ("metrics-api", "25")


@pytest.mark.parametrize("scaling", [{"replicas": 3}, {"auto": {"minReplicas": 2, "maxReplicas": 2}}])
def test_there_is_none_where_the_number_is_fixed(scaling: dict[str, Any]) -> None:
    assert build(agent(scaling=scaling), URL) is None


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"targets": {"cpuUtilization": 50}},
        {"minReplicas": 1, "maxReplicas": 2},
        {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"}}},
    ],
)
def test_it_is_of_kedas_schema(stated: dict[str, Any]) -> None:
    jsonschema.validate(build(agent(scaling={"auto": stated}), URL), SCHEMA, jsonschema.Draft202012Validator)


def test_the_schema_would_say_so() -> None:
    made = build(agent(scaling={"auto": {}}), URL)
    assert made is not None
    for broken in (
        {**made["spec"], "minReplicas": 3},
        {**made["spec"], "triggers": []},
        {**made["spec"], "triggers": [{"type": "cpu", "metricType": "Utilization", "metadata": {"value": 70}}]},
        {**made["spec"], "scaleTargetRef": {"kind": "Deployment"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**made, "spec": broken}, SCHEMA, jsonschema.Draft202012Validator)
