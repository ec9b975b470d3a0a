"""The Service that callers connect to. Status and metrics are not on it: those are asked of each pod."""

from typing import Any

from regent_api.objects import AIAgent
from regent_operator.plan.child import HTTP_PORT, child, selector


def build(agent: AIAgent) -> dict[str, Any]:
    return child(
        agent,
        "v1",
        "Service",
        spec={
            "type": "ClusterIP",
            "selector": selector(agent),
            "ports": [{"name": "http", "port": HTTP_PORT, "targetPort": HTTP_PORT, "protocol": "TCP"}],
        },
    )
