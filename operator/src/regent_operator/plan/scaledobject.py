"""KEDA's ScaledObject: the same bounds, targets and pace, for KEDA to make its own HorizontalPodAutoscaler of.

KEDA asks the chart's metrics API for the sum over the agent's pods, and its autoscaler divides that by their number
(https://keda.sh/docs/latest/scalers/metrics-api/). CPU it leaves to metrics-server, as ours does.
"""

from typing import Any

from regent_api.objects import AIAgent
from regent_operator.plan import autoscaler
from regent_operator.plan.child import child

PATH = "/keda/namespaces/{namespace}/agents/{name}"
FIGURE = "activeConversations"
"""Of the answer: where KEDA finds the number."""
MADE = "keda-hpa-"
"""What KEDA puts before a ScaledObject's name for that of its autoscaler."""


def build(agent: AIAgent, url: str) -> dict[str, Any] | None:
    """`url`: of the metrics API, without a path. None where the number of pods is fixed."""
    scaler = autoscaler.build(agent)
    if scaler is None:
        return None
    spec = scaler["spec"]
    return child(
        agent,
        "keda.sh/v1alpha1",
        "ScaledObject",
        spec={
            "scaleTargetRef": spec["scaleTargetRef"],
            "minReplicaCount": spec["minReplicas"],
            "maxReplicaCount": spec["maxReplicas"],
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": spec["behavior"]}},
            "triggers": [_trigger(agent, metric, url) for metric in spec["metrics"]],
        },
    )


def _trigger(agent: AIAgent, metric: dict[str, Any], url: str) -> dict[str, Any]:
    if metric["type"] == "Resource":
        share = str(metric["resource"]["target"]["averageUtilization"])
        return {"type": "cpu", "metricType": "Utilization", "metadata": {"value": share}}
    where = {
        "url": url + PATH.format(namespace=agent.metadata.namespace, name=agent.metadata.name),
        "valueLocation": FIGURE,
        "targetValue": metric["pods"]["target"]["averageValue"],
    }
    return {"type": "metrics-api", "metricType": "AverageValue", "metadata": where}
