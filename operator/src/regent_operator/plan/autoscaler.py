"""The HorizontalPodAutoscaler: as many pods as the agent's conversations and CPU ask for, between two bounds.

None where the number of pods is fixed: given as one, or as two bounds that are the same.
"""

from typing import Any

from regent_api.objects import AIAgent
from regent_api.scaling import (
    CONVERSATIONS_DEFAULT,
    CPU_DEFAULT,
    DOWN_DEFAULT,
    UP_DEFAULT,
    Behavior,
    Pace,
    Targets,
)
from regent_operator.plan.child import child
from regent_operator.plan.observation import CONVERSATIONS

METRIC = CONVERSATIONS
CPU = "cpu"


def build(agent: AIAgent) -> dict[str, Any] | None:
    auto = agent.spec.scaling.auto if agent.spec.scaling else None
    if auto is None or auto.fewest == auto.most:
        return None
    return child(
        agent,
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": agent.metadata.name},
            "minReplicas": auto.fewest,
            "maxReplicas": auto.most,
            "metrics": metrics(auto.targets),
            "behavior": behavior(auto.behavior),
        },
    )


def metrics(targets: Targets | None) -> list[dict[str, Any]]:
    """autoscaling/v2 MetricSpec of each target."""
    wanted = targets or Targets(active_conversations=CONVERSATIONS_DEFAULT, cpu_utilization=CPU_DEFAULT)
    made: list[dict[str, Any]] = []
    if wanted.active_conversations is not None:
        average = {"type": "AverageValue", "averageValue": str(wanted.active_conversations)}
        made.append({"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": average}})
    if wanted.cpu_utilization is not None:
        share = {"type": "Utilization", "averageUtilization": wanted.cpu_utilization}
        made.append({"type": "Resource", "resource": {"name": CPU, "target": share}})
    return made


def behavior(stated: Behavior | None) -> dict[str, Any]:
    stated = stated or Behavior()
    return {"scaleUp": _pace(stated.scale_up, UP_DEFAULT), "scaleDown": _pace(stated.scale_down, DOWN_DEFAULT)}


def _pace(stated: Pace | None, default: dict[str, Any]) -> dict[str, Any]:
    return {**default, **(stated.wire() if stated else {})}
