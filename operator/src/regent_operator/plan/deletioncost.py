"""Which pod goes first when there are to be fewer: the one with the fewest conversations.

A ReplicaSet prefers the pods of the lowest `pod-deletion-cost` among those that are equally ready; absent means 0. The
cost is in buckets, because it is written to the pod, and Kubernetes warns of writing it with each change of a metric:
https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost
"""

from collections.abc import Mapping

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"


def bucket(conversations: int) -> int:
    """The largest power of two that is not larger; 0 for none."""
    return 1 << (conversations.bit_length() - 1) if conversations > 0 else 0


def cost_of(annotations: Mapping[str, str]) -> int:
    """What a pod bears; 0 where it is no number, as for the ReplicaSet."""
    try:
        return int(annotations.get(ANNOTATION, "0"))
    except ValueError:
        return 0
