"""What kstatus makes of a status: the generic rules of sigs.k8s.io/cli-utils (pkg/kstatus/status/generic.go)."""

from collections.abc import Sequence

from regent_api.status import Condition, ConditionStatus


def kstatus(conditions: Sequence[Condition], *, observed: int | None, generation: int) -> str:
    holding = {condition.type for condition in conditions if condition.status is ConditionStatus.TRUE}
    if observed != generation:
        return "InProgress"
    if "Reconciling" in holding:
        return "InProgress"
    if "Stalled" in holding:
        return "Failed"
    return "Current" if "Ready" in holding else "InProgress"
