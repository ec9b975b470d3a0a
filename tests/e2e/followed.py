"""Agents that an autoscaler makes follow their conversations, by the metrics API of the chart, and at once."""

import itertools
from typing import Any

from tests.e2e.kube import History

METRICS_API = ("--set", "autoscaling.provider=Regent", "--set", "autoscaling.replicas=1")
AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 1}]}
PER_POD = 15
"""Conversations: more than all but the crowd of tests/e2e/talkers.py have at a time."""


def bounds(most: int, **targets: int) -> dict[str, Any]:
    """`spec.scaling` from one pod to `most`; PER_POD conversations each where no target is stated."""
    return {
        "auto": {
            "minReplicas": 1,
            "maxReplicas": most,
            "targets": targets or {"activeConversations": PER_POD},
            "behavior": {"scaleUp": AT_ONCE, "scaleDown": AT_ONCE},
        }
    }


def asked_for(scaler: History) -> list[int]:
    """How many pods an autoscaler wanted, one number after the other."""
    wanted = (version.get("status", {}).get("desiredReplicas", 0) for version in list(scaler.versions))
    return [number for number, _ in itertools.groupby(wanted)]
