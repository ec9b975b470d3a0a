"""The documents of custom.metrics.k8s.io/v1beta2: what is served, and the lists of values.

Shapes: k8s.io/metrics/pkg/apis/custom_metrics/v1beta2.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from regent_operator.metrics_api.figures import Figure
from regent_operator.plan.autoscaler import METRIC

Object = dict[str, Any]
GROUP = "custom.metrics.k8s.io"
VERSION = "v1beta2"
GROUP_VERSION = f"{GROUP}/{VERSION}"
AGENTS = "aiagents.regent.dev"
RESOURCES = ("pods", AGENTS)


def groups() -> Object:
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}


def group() -> Object:
    return {"kind": "APIGroup", "apiVersion": "v1", **_group()}


def resources() -> Object:
    served = [
        {
            "name": f"{resource}/{METRIC}",
            "singularName": "",
            "namespaced": True,
            "kind": "MetricValueList",
            "verbs": ["get"],
        }
        for resource in RESOURCES
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION, "resources": served}


def of_pods(figures: Iterable[Figure]) -> Object:
    return _values(
        _value({"apiVersion": "v1", "kind": "Pod", "namespace": each.pod.namespace, "name": each.pod.name}, each)
        for each in figures
    )


def of_agent(namespace: str, name: str, conversations: int, at: float) -> Object:
    described = {"apiVersion": "regent.dev/v1alpha1", "kind": "AIAgent", "namespace": namespace, "name": name}
    return _values([_of(described, conversations, at)])


def status(code: int, reason: str, message: str) -> Object:
    """metav1.Status of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def _group() -> Object:
    version = {"groupVersion": GROUP_VERSION, "version": VERSION}
    return {"name": GROUP, "versions": [version], "preferredVersion": version}


def _values(items: Iterable[Object]) -> Object:
    return {"kind": "MetricValueList", "apiVersion": GROUP_VERSION, "metadata": {}, "items": list(items)}


def _value(described: Object, figure: Figure) -> Object:
    return _of(described, figure.conversations, figure.at)


def _of(described: Object, conversations: int, at: float) -> Object:
    return {
        "describedObject": described,
        "metric": {"name": METRIC, "selector": None},
        "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "value": str(conversations),
    }
