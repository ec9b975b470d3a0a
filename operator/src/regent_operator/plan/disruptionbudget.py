"""The PodDisruptionBudget: node drains take one pod at a time.

None for an agent of a single pod: there it would allow every eviction and only look like protection.
"""

from typing import Any

from regent_api.objects import AIAgent
from regent_operator.plan.child import child, selector


def build(agent: AIAgent) -> dict[str, Any] | None:
    if agent.spec.most_replicas < 2:
        return None
    return child(
        agent,
        "policy/v1",
        "PodDisruptionBudget",
        spec={
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(agent)},
        },
    )
