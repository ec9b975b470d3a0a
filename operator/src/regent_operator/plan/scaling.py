"""Whether an autoscaled agent follows its targets, as its HorizontalPodAutoscaler tells it."""

from collections.abc import Iterator

from regent_api.status import ConditionStatus, ConditionType, Reason
from regent_operator.plan import autoscaler
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.children import autoscaled, lacks_state
from regent_operator.plan.conditions import Finding, false, true
from regent_operator.plan.observation import AutoscalerSeen, Observation

_ACTIVE = ConditionType.SCALING_ACTIVE
_WHERE = {
    autoscaler.METRIC: "custom.metrics.k8s.io serves it (autoscaling.provider of the chart)",
    autoscaler.CPU: "metrics.k8s.io serves it (metrics-server)",
}
_BY_KEDA = "KEDA gets it from the metrics API (the events of the ScaledObject)"


def scaling_active(plan: AgentPlan, seen: Observation) -> Finding | None:
    """None: the number of pods is fixed, or the agent is suspended. A target without a figure is never silence."""
    if autoscaler.build(plan.agent) is None or plan.agent.spec.suspend:
        return None
    if lacks_state(plan):
        words = "Pods are not scaled while they have no state to share; see Accepted."
        return false(_ACTIVE, Reason.SHARED_STATE_REQUIRED, words)
    found = seen.autoscaler
    if not autoscaled(plan) or found is None or not found.told:
        words = "The autoscaler has not been looked at by its controller yet. Wait; or see that agent's events."
        if plan.installation.keda_url is not None:
            words = "KEDA's autoscaler has told nothing yet. Wait; or see the ScaledObject's conditions and events."
        return Finding(_ACTIVE, ConditionStatus.UNKNOWN, Reason.PENDING, words)
    return _told(plan, found)


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
