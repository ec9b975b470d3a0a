"""Whether enough pods run, and what keeps them from it."""

from regent_api.status import ConditionType, Reason
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.children import replicas
from regent_operator.plan.conditions import Finding, false, true
from regent_operator.plan.observation import DeploymentSeen, Observation

WAITS_FOR_WAVE = "A new version, or new keys, wait until agents that got them earlier have finished. Wait."
_PATIENCE = "Wait; or see the events of the pods."
_AVAILABLE = ConditionType.WORKLOAD_AVAILABLE


def available(plan: AgentPlan, seen: Observation) -> Finding:
    """WorkloadAvailable. A rollout that passed its deadline is False even while older pods serve."""
    deployment = seen.deployment
    if plan.agent.spec.suspend and replicas(plan, seen) == 0:
        return false(_AVAILABLE, Reason.SUSPENDED, "Scaled to zero; set spec.suspend to false to resume.")
    if deployment is None:
        return false(_AVAILABLE, Reason.PROGRESSING, "There is no Deployment yet; see the other conditions.")
    if deployment.deadline_exceeded:
        return false(_AVAILABLE, Reason.PROGRESS_DEADLINE_EXCEEDED, _stuck(plan, seen, deployment))
    if deployment.available > 0:
        words = f"{deployment.available} of {replicas(plan, seen)} replicas are available."
        return true(_AVAILABLE, Reason.AVAILABLE, f"{words} Nothing to do.")
    return _unavailable(plan, seen, deployment)


def rollout(plan: AgentPlan, seen: Observation) -> Finding | None:
    """Reconciling beside Ready=True: fewer pods than desired, older ones, a waiting version; None: all is as wanted."""
    deployment, wanted = seen.deployment, replicas(plan, seen)
    if deployment is None:
        return None
    if any(not pod.ended and not pod.deleting and pod.credentials != plan.credentials for pod in seen.pods):
        message = f"The Secrets and keys that the route names have changed: {_counts(deployment, wanted)}. Wait."
        return true(ConditionType.RECONCILING, Reason.CREDENTIALS_CHANGED, message)
    complete = deployment.observed and deployment.replicas == wanted == deployment.updated == deployment.total
    if complete and deployment.available >= wanted:
        return true(ConditionType.RECONCILING, Reason.PROGRESSING, WAITS_FOR_WAVE) if seen.held_back else None
    message = f"{_counts(deployment, wanted)}. {_crash(seen) or _failure(deployment) or _PATIENCE}"
    return true(ConditionType.RECONCILING, Reason.PROGRESSING, message)


def _unavailable(plan: AgentPlan, seen: Observation, deployment: DeploymentSeen) -> Finding:
    crash, failure = _crash(seen), _failure(deployment)
    if crash is not None:
        return false(_AVAILABLE, Reason.CRASH_LOOP, crash)
    if failure is not None:
        return false(_AVAILABLE, Reason.APPLY_REFUSED, failure)
    return false(_AVAILABLE, Reason.PROGRESSING, f"{_counts(deployment, replicas(plan, seen))}. {_PATIENCE}")


def _stuck(plan: AgentPlan, seen: Observation, deployment: DeploymentSeen) -> str:
    why = _crash(seen) or _failure(deployment) or "See the events of the pods."
    return f"The rollout made no progress within its deadline ({_counts(deployment, replicas(plan, seen))}). {why}"


def _crash(seen: Observation) -> str | None:
    """A whole sentence, with the next step; None: no pod crashes."""
    words = (f"Pod {pod.name}: {pod.crash}" for pod in seen.pods if pod.crash and not pod.deleting)
    crash = next(words, None)
    return crash and f"{crash}; see the logs and events of the pod."


def _failure(deployment: DeploymentSeen) -> str | None:
    """Whole sentences, with the next step; None: pods can be created."""
    if deployment.replica_failure is None:
        return None
    return f"Pods cannot be created: {deployment.replica_failure}. Correct the quota or the admission rule."


def _counts(deployment: DeploymentSeen, wanted: int) -> str:
    return f"{deployment.updated} of {wanted} replicas are up to date, {deployment.available} available"
