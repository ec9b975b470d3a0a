"""NetworkRestricted: whether the NetworkPolicy around an agent's pods is enforced, as far as each of them has shown.

True only when every pod that can serve tried a connection that its policy forbids, and none came through. Nothing hangs
on it: an agent on a cluster without an enforcer is Ready, and says what it lacks.
"""

from collections.abc import Sequence

from regent_api.status import Condition, ConditionStatus, ConditionType, Reason
from regent_operator.plan import networkpolicy
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.conditions import Finding, false, true
from regent_operator.plan.enforcement import MOST_NAMED
from regent_operator.plan.observation import Observation, PodSeen
from regent_operator.plan.trial import BLOCKED, HOLDS, ONCE, OPEN, REACHED, Trial, Wall

_RESTRICTED = ConditionType.NETWORK_RESTRICTED
_NOT_YET = Trial(Wall.UNPROVED, "has not tried yet")


def network_restricted(plan: AgentPlan, seen: Observation, before: Sequence[Condition] | None) -> Finding | None:
    """None: there is no config, or no canary. `before`: the conditions as they stand."""
    port = plan.installation.canary_port
    if plan.config is None or port is None:
        return None
    stood = next((each.status for each in before or () if each.type == _RESTRICTED), ConditionStatus.UNKNOWN)
    tried = [(pod, _trial(pod, stood)) for pod in seen.pods if pod.can_serve]
    if not tried:
        return _unknown(Reason.NO_SERVING_POD, "No pod can serve, so none has tried; see WorkloadAvailable.")
    reached = [pod.name for pod, trial in tried if trial.wall is Wall.OPEN]
    if reached:
        return _open(plan, port, reached)
    waiting = [f"{pod.name} {trial.why}" for pod, trial in tried if trial.wall is Wall.UNPROVED]
    if waiting:
        words = f"{len(tried) - len(waiting)}/{len(tried)} pods have shown that their NetworkPolicy is enforced"
        return _unknown(Reason.NOT_PROVED, f"{words}; {'; '.join(waiting[:MOST_NAMED])}. Wait.")
    words = f"{len(tried)}/{len(tried)} pods tried a connection that their NetworkPolicy forbids; none came through"
    return true(_RESTRICTED, Reason.RESTRICTED, f"{words}. Nothing to do.")


def _trial(pod: PodSeen, stood: ConditionStatus) -> Trial:
    """Until this operator has tried the pod, what was found before it began stands, if the pod still says the same."""
    if pod.trial is not None:
        return pod.trial
    said = pod.echo.canary if pod.echo else None
    if said is not None and (said.outcome, stood) == (BLOCKED, ConditionStatus.TRUE):
        return HOLDS
    if said is not None and (said.outcome, stood) == (REACHED, ConditionStatus.FALSE):
        return OPEN
    return ONCE if said is not None and said.outcome == REACHED else _NOT_YET


def _open(plan: AgentPlan, port: int, pods: Sequence[str]) -> Finding:
    named = ", ".join(pods[:MOST_NAMED])
    if _opens(plan, port):
        words = (
            f"{named} reached port {port} of the operator, but the agent's own NetworkPolicy has rules for that port"
        )
        return _unknown(Reason.NOT_PROVED, f"{words}, so this proves nothing. Move the provider to another port.")
    words = f"{named} reached port {port} of the operator, which the agent's NetworkPolicy forbids"
    why = "the cluster does not enforce NetworkPolicies, or another one of the namespace opens that way"
    return false(_RESTRICTED, Reason.NOT_ENFORCED, f"{words}: {why}. Install a network plugin that enforces them.")


def _opens(plan: AgentPlan, port: int) -> bool:
    """Whether a rule of the agent's own policy names the canary's port."""
    assert plan.config is not None  # noqa: S101  # network_restricted has looked
    made = networkpolicy.build(plan.agent, plan.config, plan.inputs.services, plan.installation)
    return any(port == each["port"] for rule in made["spec"]["egress"] for each in rule["ports"])


def _unknown(reason: Reason, words: str) -> Finding:
    return Finding(_RESTRICTED, ConditionStatus.UNKNOWN, reason, words)
