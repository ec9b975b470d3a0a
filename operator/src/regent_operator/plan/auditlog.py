"""AuditLogBroken: an agent's pod whose audit log is not in order, or lacks content at the collector, as the collector
found it or the pod says itself.

The collector goes by the pod's token and what was sent with it, so it also tells of a process that would not. The
condition stands beside Ready: turns end as `audit.onFailure` says.
"""

from regent_api.status import ConditionType, Reason
from regent_operator.plan.conditions import Finding, true
from regent_operator.plan.observation import Observation

MOST_NAMED = 8
_CONTENT_REFUSED = "content_refused"
_REASONS = {
    "damaged": (Reason.LOG_DAMAGED, "what the collector keeps of its log was changed on the volume"),
    "log_damaged": (Reason.LOG_DAMAGED, "its own log was changed on its disk"),
    "fork": (Reason.LOG_FORKED, "the collector has other records than this pod"),
    "foreign": (Reason.LOG_FOREIGN, "it sent records of another agent"),
    "gap": (Reason.LOG_GAP, "it left out records"),
    "records_let_go": (Reason.LOG_GAP, "it let go records that never reached the collector"),
    _CONTENT_REFUSED: (Reason.CONTENT_REFUSED, "the collector does not take some of its encrypted content"),
}
"""The worst first."""
_OF_CONTENT = (
    "The pod's own log says which and why (audit_content_refused): bring an older collector to the agents' version, or "
    "look at what was changed on its volume. The pod tries again every minute; content that is still refused when it "
    "ends is lost."
)
_OF_RECORDS = (
    "Run `regent audit verify` on what the collector keeps and look at its log; then delete the pod, so that a new one "
    "begins a new log."
)


def audit_log(seen: Observation) -> Finding | None:
    """None: nothing is wrong."""
    names = {pod.uid: pod.name for pod in seen.pods}
    said = {(names.get(each.pod_uid, each.pod_uid), each.code) for each in seen.log_findings}
    said |= {(pod.name, pod.echo.log_failing) for pod in seen.pods if pod.echo is not None}
    said |= {(pod.name, _CONTENT_REFUSED) for pod in seen.pods if pod.echo is not None and pod.echo.content_refused}
    broken = sorted(((pod, code) for pod, code in said if code in _REASONS), key=_by_weight)
    if not broken:
        return None
    told = "; ".join(f"pod {pod}: {_REASONS[code][1]}" for pod, code in broken[:MOST_NAMED])
    more = f"; and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
    # The least first: who deletes a pod loses the content that it alone has.
    steps = dict.fromkeys(_OF_CONTENT if code == _CONTENT_REFUSED else _OF_RECORDS for _, code in reversed(broken))
    return true(ConditionType.AUDIT_LOG_BROKEN, _REASONS[broken[0][1]][0], f"{told}{more}. {' '.join(steps)}")


def _by_weight(broken: tuple[str, str]) -> tuple[int, str]:
    pod, code = broken
    return list(_REASONS).index(code), pod
