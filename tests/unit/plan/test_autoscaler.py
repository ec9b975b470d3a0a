from typing import Any

import pytest

from regent_operator.plan.autoscaler import build
from tests.unit.plan.samples import agent


def auto(**stated: Any) -> dict[str, Any]:
    made = build(agent(scaling={"auto": stated}))
    assert made is not None
    spec: dict[str, Any] = made["spec"]
    return spec


def test_the_whole_autoscaler_where_nothing_is_stated() -> None:
    assert build(agent(scaling={"auto": {}})) == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "helper",
            "namespace": "acme",
            "labels": {
                "app.kubernetes.io/name": "regent-agent",
                "app.kubernetes.io/instance": "helper",
                "app.kubernetes.io/managed-by": "regent",
                "regent.dev/agent": "helper",
            },
            "ownerReferences": [
                {
                    "apiVersion": "regent.dev/v1alpha1",
                    "kind": "AIAgent",
                    "name": "helper",
                    "uid": "agent-uid",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "helper"},
            "minReplicas": 3,
            "maxReplicas": 20,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "active_conversations"},
                        "target": {"type": "AverageValue", "averageValue": "10"},
                    },
                },
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                },
            ],
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
            },
        },
    }


@pytest.mark.parametrize(
    "scaling", [None, {}, {"replicas": 4}, {"auto": {"minReplicas": 5, "maxReplicas": 5}}, {"auto": {"maxReplicas": 3}}]
)
def test_there_is_none_where_the_number_is_fixed(scaling: dict[str, Any] | None) -> None:
    assert build(agent(**({"scaling": scaling} if scaling is not None else {}))) is None


def test_a_target_that_is_stated_is_the_only_one() -> None:
    (only,) = auto(targets={"activeConversations": 25})["metrics"]
    assert only["pods"]["target"]["averageValue"] == "25"
    (only,) = auto(targets={"cpuUtilization": 50})["metrics"]
    assert only["resource"]["target"]["averageUtilization"] == 50


def test_a_pace_is_stated_field_by_field() -> None:
    behavior = auto(
        minReplicas=1,
        behavior={
            "scaleDown": {"stabilizationWindowSeconds": 0},
            "scaleUp": {"selectPolicy": "Disabled", "policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}]},
        },
    )["behavior"]
    assert behavior == {
        "scaleDown": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Disabled",
            "policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}],
        },
    }
