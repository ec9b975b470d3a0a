"""Conditions: written so that a status is a pure function of what is planned and seen.

Each carries its own observedGeneration. A condition's lastTransitionTime is `now` only when its status changes.
Reconciling, Stalled and Suspended stand only while true, so that kstatus reads them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from regent_api.status import Condition, ConditionStatus, ConditionType, Reason

MOST_MESSAGE = 4096

STALLED = frozenset(
    {
        Reason.INVALID,
        Reason.INVALID_PATTERN,
        Reason.INVALID_EXPRESSION,
        Reason.NAME_CONFLICT,
        Reason.POLICY_CONFLICT,
        Reason.NOT_TRIED,
        Reason.COLLECTOR_REQUIRED,
        Reason.SHARED_STATE_REQUIRED,
        Reason.POLICY_INVALID,
        Reason.ROUTE_INVALID,
        Reason.NO_PROVIDER_ALLOWED,
        Reason.CONFIG_REFUSED,
        Reason.APPLY_REFUSED,
        Reason.CRASH_LOOP,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
    }
)
"""Reasons of Ready=False that only an edit ends; the others are on their way (Reconciling)."""


@dataclass(frozen=True)
class Finding:
    """A condition before it has a time and a generation."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str

    @property
    def holds(self) -> bool:
        return self.status is ConditionStatus.TRUE


def true(kind: ConditionType, reason: Reason, message: str) -> Finding:
    return Finding(kind, ConditionStatus.TRUE, reason, message)


def false(kind: ConditionType, reason: Reason, message: str) -> Finding:
    return Finding(kind, ConditionStatus.FALSE, reason, message)


def progress(ready: Finding) -> Finding | None:
    """What stands beside a Ready that is not True: Stalled, or Reconciling."""
    if ready.holds:
        return None
    kind = ConditionType.STALLED if ready.reason in STALLED else ConditionType.RECONCILING
    return true(kind, ready.reason, ready.message)


def dated(
    findings: Iterable[Finding | None], generation: int, previous: Sequence[Condition] | None, now: str
) -> list[Condition]:
    before = {condition.type: condition for condition in previous or ()}
    return [_dated(finding, generation, before.get(finding.type), now) for finding in findings if finding is not None]


def _dated(finding: Finding, generation: int, before: Condition | None, now: str) -> Condition:
    unchanged = before is not None and before.status == finding.status
    return Condition(
        type=finding.type,
        status=finding.status,
        reason=finding.reason,
        message=_cut(finding.message),
        observed_generation=generation,
        last_transition_time=before.last_transition_time if unchanged and before else now,
    )


def _cut(message: str) -> str:
    return message if len(message) <= MOST_MESSAGE else message[: MOST_MESSAGE - 3] + "..."
