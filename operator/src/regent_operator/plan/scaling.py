"""Whether an autoscaled agent follows its targets, as its HorizontalPodAutoscaler tells it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from regent_api.status import Condition, ConditionStatus, ConditionType, Reason
from regent_operator.plan import autoscaler
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.children import lacks_state
from regent_operator.plan.conditions import Finding, false, true
from regent_operator.plan.observation import AutoscalerSeen, Observation

_ACTIVE = ConditionType.SCALING_ACTIVE
_WHERE = {
    autoscaler.METRIC: "custom.metrics.k8s.io serves it (autoscaling.provider of the chart)",
    autoscaler.CPU: "metrics.k8s.io serves it (metrics-server)",
}
_BY_KEDA = "KEDA gets it from the metrics API (the events of the ScaledObject)"
SILENT_SECONDS = 300.0
"""Nobody looks at an autoscaler that tells nothing for as long: its controller looks every 15 s, and one that is
replaced, or has thousands to look at first, is back in a minute or two."""


def scaling_active(plan: AgentPlan, seen: Observation, before: Sequence[Condition] | None, now: str) -> Finding | None:
    """None: the number of pods is fixed, the agent is suspended, or it has no config, and so no autoscaler yet.

    An autoscaler that may be there and cannot be read is told of each.

    A target without a figure is never silence, and neither is an autoscaler at which nobody looks. `before`: the
    conditions as they stand; `now`: RFC 3339, UTC.
    """
    if seen.unread is not None:
        words = f"What scales the agent cannot be read: {seen.unread}. Correct the cause; it is tried again."
        return Finding(_ACTIVE, ConditionStatus.UNKNOWN, Reason.SCALING_FAILED, words)
    if autoscaler.build(plan.agent) is None or plan.agent.spec.suspend:
        return None
    if lacks_state(plan):
        words = "Pods are not scaled while they have no state to share; see Accepted."
        return false(_ACTIVE, Reason.SHARED_STATE_REQUIRED, words)
    found = seen.autoscaler
    if found is None and plan.config is None:
        return None
    if found is None or not found.told:
        return _untold(plan, _stood(before), now)
    return _told(plan, found)


def silent_in(conditions: Sequence[Condition], now: str) -> float | None:
    """Seconds until an autoscaler that tells nothing yet counts as silent; None: it has told, or counts so already."""
    stood = _stood(conditions)
    if stood is None or stood.status is not ConditionStatus.UNKNOWN:
        return None
    return max(0.0, SILENT_SECONDS - _age(stood, now))


def _stood(conditions: Sequence[Condition] | None) -> Condition | None:
    return next((each for each in conditions or () if each.type == _ACTIVE), None)


def _age(stood: Condition, now: str) -> float:
    since = datetime.fromisoformat(stood.last_transition_time)
    return (datetime.fromisoformat(now) - since).total_seconds()


def _untold(plan: AgentPlan, stood: Condition | None, now: str) -> Finding:
    """Once it counts as silent it does until it tells something."""
    keda = plan.installation.keda_url is not None
    silent = _SILENT_KEDA if keda else _SILENT
    waited = stood is not None and stood.status is ConditionStatus.UNKNOWN and _age(stood, now) >= SILENT_SECONDS
    if waited or (stood is not None and stood.message == silent):
        return false(_ACTIVE, Reason.METRIC_UNAVAILABLE, silent)
    words = "The autoscaler has not been looked at by its controller yet. Wait; or see that agent's events."
    if keda:
        words = "KEDA's autoscaler has told nothing yet. Wait; or see the ScaledObject's conditions and events."
    return Finding(_ACTIVE, ConditionStatus.UNKNOWN, Reason.PENDING, words)


_SILENT = (
    "Nobody has looked at the autoscaler for five minutes, so pods follow no target. See that the cluster's "
    "kube-controller-manager runs, with its controller of HorizontalPodAutoscalers."
)
_SILENT_KEDA = (
    "KEDA has looked at nothing of this agent for five minutes, so pods follow no target. See that KEDA runs, and the "
    "conditions and events of the ScaledObject."
)


def _told(plan: AgentPlan, found: AutoscalerSeen) -> Finding:
    if not found.able:
        words = f"{found.message}. See the events of the HorizontalPodAutoscaler."
        return false(_ACTIVE, Reason.SCALING_FAILED, words)
    missing = [name for name in _targets(plan) if name not in found.measured]
    if missing or not found.active:
        named = " and ".join(missing) or "a target"
        where = _WHERE if plan.installation.keda_url is None else {**_WHERE, autoscaler.METRIC: _BY_KEDA}
        places = "; ".join(f"{name}: see that {where[name]}" for name in missing)
        said = f" ({found.message})" if found.message else ""
        words = f"There is no figure for {named}{said}, so pods do not follow it. {places or 'See its events'}."
        return false(_ACTIVE, Reason.METRIC_UNAVAILABLE, words)
    return true(_ACTIVE, Reason.METRICS_AVAILABLE, "Every target has a figure. Nothing to do.")


def _targets(plan: AgentPlan) -> Iterator[str]:
    auto = plan.agent.spec.scaling.auto if plan.agent.spec.scaling else None
    for metric in autoscaler.metrics(auto.targets if auto else None):
        yield metric["pods"]["metric"]["name"] if "pods" in metric else metric["resource"]["name"]
