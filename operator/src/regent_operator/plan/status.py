"""The status of an agent, from what is planned and what was observed: the status contract.

Ready=True means that all is accepted and resolved, that every pod which can serve proves the policy in force, and that
at least one replica is available. Equal inputs give an equal status, so the engine patches only when it differs.
"""

from regent_api.agent import AIAgentStatus
from regent_api.objects import Invalid
from regent_api.status import ConditionType, Reason
from regent_operator.plan import workload
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.auditlog import audit_log
from regent_operator.plan.child import endpoint
from regent_operator.plan.children import replicas
from regent_operator.plan.conditions import Finding, dated, false, progress, true
from regent_operator.plan.enforcement import enforcement, missing_credentials, policy_enforced
from regent_operator.plan.figures import AgentFigures, agent_figures
from regent_operator.plan.observation import Observation
from regent_operator.plan.references import Problem
from regent_operator.plan.restricted import network_restricted
from regent_operator.plan.scaling import scaling_active
from regent_operator.plan.spend import budget_available, spend
from regent_operator.plan.state import state_config
from regent_operator.plan.usage import policy_status, route_status

__all__ = [
    "AgentFigures",
    "agent_figures",
    "agent_status",
    "invalid_agent_status",
    "policy_status",
    "route_status",
]

MOST_POLICIES = 256


def agent_status(plan: AgentPlan, seen: Observation, previous: AIAgentStatus | None, now: str) -> AIAgentStatus:
    """`now`: RFC 3339 in UTC with whole seconds, such as 2026-11-25T20:41:00Z.

    Without a config nothing is handed out, so what `previous` says of the last one stays: its digests are the proof by
    which the ConfigMap is trusted after a restart.
    """
    generation = plan.agent.metadata.generation
    spent = spend(plan, seen, previous, now)
    before = previous.conditions if previous else None
    scaling = scaling_active(plan, seen, before, now)
    findings = [*_findings(plan, seen, scaling), budget_available(plan, spent), network_restricted(plan, seen, before)]
    return AIAgentStatus(
        observed_generation=generation,
        conditions=dated(findings, generation, before, now),
        endpoint=endpoint(plan.agent),
        replicas=seen.deployment.available if seen.deployment else 0,
        conversations=seen.conversations,
        enforced=str(enforcement(plan, seen)),
        digests=plan.digests or (previous.digests if previous else None),
        policies=list(plan.uses[:MOST_POLICIES]),
        policy_count=len(plan.uses),
        effective=list(plan.effective) or (previous.effective if previous else None),
        spend=spent,
    )


def invalid_agent_status(agent: Invalid, previous: AIAgentStatus | None, now: str) -> AIAgentStatus:
    """Of an AIAgent whose spec this version cannot read: its children stay as they are."""
    words = f"{agent.error}. Correct the spec; existing pods keep their last config."
    accepted = false(ConditionType.ACCEPTED, Reason.INVALID, words)
    ready = false(ConditionType.READY, Reason.INVALID, words)
    generation = agent.metadata.generation
    conditions = dated([ready, accepted, progress(ready)], generation, previous.conditions if previous else None, now)
    kept = previous or AIAgentStatus()
    return kept.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _findings(plan: AgentPlan, seen: Observation, scaling: Finding | None) -> list[Finding | None]:
    accepted, resolved = _accepted(plan, seen), _resolved(plan, seen)
    enforced, available = policy_enforced(plan, seen), workload.available(plan, seen)
    suspended = _suspended(plan, seen)
    ready = _ready(plan, seen, (accepted, resolved, enforced, available), suspended)
    beside = workload.rollout(plan, seen) if ready.holds else progress(ready)
    return [ready, accepted, resolved, enforced, available, scaling, beside, suspended, audit_log(seen)]


def _ready(
    plan: AgentPlan, seen: Observation, parts: tuple[Finding, Finding, Finding, Finding], suspended: Finding | None
) -> Finding:
    accepted, resolved, enforced, available = parts
    if plan.agent.metadata.deleting:
        return false(ConditionType.READY, Reason.TERMINATING, "The agent is being deleted; wait.")
    if seen.predecessor:
        words = "Children of a deleted agent of the same name still wait for garbage collection; wait."
        return false(ConditionType.READY, Reason.PROGRESSING, words)
    in_order = [accepted, resolved, *([] if suspended else [_stuck_first(available, enforced), enforced, available])]
    failed = next((finding for finding in in_order if not finding.holds), None)
    if failed is not None:
        return false(ConditionType.READY, failed.reason, failed.message)
    if suspended is not None:
        return true(ConditionType.READY, Reason.SUSPENDED, suspended.message)
    return true(ConditionType.READY, Reason.READY, f"{enforced.message.split('. ')[0]}. Nothing to do.")


def _stuck_first(available: Finding, enforced: Finding) -> Finding:
    """What keeps pods from coming up says more than that none serves yet."""
    told = not available.holds and (
        enforced.reason is Reason.NO_SERVING_POD or available.reason is Reason.PROGRESS_DEADLINE_EXCEEDED
    )
    return available if told else enforced


def _accepted(plan: AgentPlan, seen: Observation) -> Finding:
    kind = ConditionType.ACCEPTED
    if seen.name_conflicts:
        words = f"{', '.join(seen.name_conflicts)} exists and is not this agent's; rename the agent, or delete that."
        return false(kind, Reason.NAME_CONFLICT, words)
    problem = _problem(plan, kind)
    if problem is not None:
        return false(kind, problem.reason, problem.message)
    if seen.refused:
        refused = seen.refused[0]
        words = f"The API server refused {refused.child}: {refused.message}. Correct the cause; it is tried again."
        return false(kind, Reason.APPLY_REFUSED, words)
    if not state_config(plan.agent).conversations:
        words = (
            f"The spec is valid. {plan.agent.spec.most_replicas} pods share no state, so no ids of conversations are "
            "issued. Set spec.state.redis to have them; nothing to do if that is meant."
        )
        return true(kind, Reason.NO_CONVERSATIONS, words)
    return true(kind, Reason.ACCEPTED, "The spec is valid. Nothing to do.")


def _resolved(plan: AgentPlan, seen: Observation) -> Finding:
    kind = ConditionType.RESOLVED_REFS
    problem = _problem(plan, kind)
    if problem is not None:
        kept = "The last config stays in force. " if plan.config else ""
        return false(kind, problem.reason, f"{kept}{problem.message}")
    missing = missing_credentials(seen)
    if missing is not None:
        return missing
    if plan.excluded:
        words = f"The policies exclude {'; '.join(plan.excluded)}. Nothing to do if that is meant."
        return true(kind, Reason.PROVIDERS_EXCLUDED, words)
    if plan.unreachable:
        words = f"Every reference exists, but {'; '.join(plan.unreachable)}. Create or correct that Service."
        return true(kind, Reason.REFERENCES_RESOLVED, words)
    return true(kind, Reason.REFERENCES_RESOLVED, "Every reference exists. Nothing to do.")


def _suspended(plan: AgentPlan, seen: Observation) -> Finding | None:
    """Stands when every pod that can serve refuses new turns, not when it was asked for."""
    if not plan.agent.spec.suspend or _runs(plan, seen):
        return None
    words = "New turns are refused on purpose; set spec.suspend to false to resume."
    return true(ConditionType.SUSPENDED, Reason.SUSPENDED, words)


def _runs(plan: AgentPlan, seen: Observation) -> bool:
    """Without a config the Deployment stays as it is, so only one that was scaled to zero has stopped."""
    if plan.config is None:
        return seen.deployment is None or seen.deployment.replicas > 0
    return replicas(plan, seen) > 0


def _problem(plan: AgentPlan, kind: ConditionType) -> Problem | None:
    return next((problem for problem in plan.problems if problem.type is kind), None)
