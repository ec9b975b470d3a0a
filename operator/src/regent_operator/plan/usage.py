"""The statuses of AgentPolicy and ModelRoute: whether the agents that use an object prove it in force.

Ready=True when every agent that uses the object is enforced at its present digest. An agent without a serving pod does
not count against it, and is named. Nobody uses it: Ready=True with a reason of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from regent_api.objects import AgentPolicy, Invalid, ModelRoute
from regent_api.policy import MOST_SHADOWS, AgentPolicyStatus, PolicyMode, UsedByAgents
from regent_api.route import ModelRouteStatus, Provider, ProviderStatus
from regent_api.status import ConditionType, Reason
from regent_operator.plan.acceptance import Rejection
from regent_operator.plan.conditions import Finding, dated, false, progress, true
from regent_operator.plan.declared import declared
from regent_operator.plan.figures import AgentFigures
from regent_operator.plan.health import ProviderFigures, added
from regent_operator.plan.inputs import Installation
from regent_operator.plan.prices import in_force
from regent_operator.plan.reading import read

MOST_NAMED = 5


@dataclass(frozen=True)
class _Use:
    """An agent, seen from the object that it uses."""

    agent: str
    enforced: int
    """Pods that echo what the object takes part in, at its present digest."""
    serving: int
    untried: bool = False
    """The object is a policy in mode Audit, and one more than the agent tries."""


def policy_status(
    policy: AgentPolicy | Invalid,
    agents: Iterable[AgentFigures],
    installation: Installation,
    previous: AgentPolicyStatus | None,
    now: str,
) -> AgentPolicyStatus:
    """`agents`: the figures of those whose `policies` hold this policy's key."""
    key = policy.metadata.key
    rejection, present = _judged_policy(policy, installation)
    mode = None if isinstance(policy, Invalid) else policy.spec.mode or PolicyMode.ENFORCE
    uses = [
        _use(agent, agent.policies.get(key), present, _pods_under(agent, mode), untried=key in agent.untried)
        for agent in agents
    ]
    status = _status(policy.metadata.generation, rejection, present, uses, previous, now)
    return AgentPolicyStatus.model_validate({**status.model_dump(), "mode": mode})


def route_status(
    route: ModelRoute | Invalid,
    agents: Iterable[AgentFigures],
    installation: Installation,
    previous: ModelRouteStatus | None,
    now: str,
) -> ModelRouteStatus:
    """`agents`: the figures of those whose `route` is this route's key."""
    rejection, present = _judged_route(route, installation)
    users = list(agents)
    uses = [_use(agent, agent.route_digest, present, agent.route_enforced) for agent in users]
    status = _status(route.metadata.generation, rejection, present, uses, previous, now)
    stand = added(figures for agent in users for figures in agent.providers)
    return ModelRouteStatus.model_validate({**status.model_dump(), **_told(route, stand)})


def _judged_policy(policy: AgentPolicy | Invalid, installation: Installation) -> tuple[Rejection | None, str | None]:
    """Why it is not Accepted, and the digest of what it means."""
    if isinstance(policy, Invalid):
        return Rejection(policy.error), None
    reading = read(policy, installation.namespace)
    return reading.rejection, reading.digest


def _judged_route(route: ModelRoute | Invalid, installation: Installation) -> tuple[Rejection | None, str | None]:
    """Why it is not Accepted, and the digest of what it means."""
    if isinstance(route, Invalid):
        return Rejection(route.error), None
    found = declared(route, installation.cluster_domain)
    return found.rejection, found.digest


def _told(route: ModelRoute | Invalid, stand: Iterable[ProviderFigures]) -> dict[str, Any]:
    if isinstance(route, Invalid):
        return {}
    known = {figures.name: figures for figures in stand}
    providers = sorted(route.spec.providers, key=lambda provider: provider.name)
    return {
        "provider_count": len(providers),
        "rule_count": len(route.spec.rules),
        "providers": [_provider(each, known.get(each.name, ProviderFigures(each.name))) for each in providers],
    }


def _provider(provider: Provider, figures: ProviderFigures) -> ProviderStatus:
    return ProviderStatus(
        name=provider.name,
        price=in_force(provider),
        health=figures.health,
        last_error=figures.last_failure or None,
    )


def _status(
    generation: int,
    rejection: Rejection | None,
    present: str | None,
    uses: Sequence[_Use],
    previous: UsedByAgents | None,
    now: str,
) -> UsedByAgents:
    accepted = _accepted(rejection)
    ready = _ready(accepted, uses)
    findings = [ready, accepted, progress(ready)]
    return UsedByAgents(
        observed_generation=generation,
        conditions=dated(findings, generation, previous.conditions if previous else None, now),
        digest=present,
        agents=len(uses),
        enforced=f"{sum(use.enforced for use in uses)}/{sum(use.serving for use in uses)}",
    )


def _accepted(rejection: Rejection | None) -> Finding:
    if rejection is not None:
        words = f"{rejection.words}. Correct the spec; agents that use it keep their last config."
        return false(ConditionType.ACCEPTED, rejection.reason, words)
    return true(ConditionType.ACCEPTED, Reason.ACCEPTED, "The spec is valid. Nothing to do.")


def _ready(accepted: Finding, uses: Sequence[_Use]) -> Finding:
    kind = ConditionType.READY
    if not accepted.holds:
        return false(kind, accepted.reason, accepted.message)
    if not uses:
        return true(kind, Reason.NO_AGENTS_REFERENCING, "No agent uses it. Name it in an AIAgent to put it in force.")
    untried = [use for use in uses if use.untried]
    if untried:
        words = (
            f"{len(untried)} of {len(uses)} agents do not try it: {_named(untried)}. An agent tries {MOST_SHADOWS} "
            "policies in mode Audit at most, the first by namespace and name, as far as they fit into its config. "
            "Change one of the others, or delete it."
        )
        return false(kind, Reason.NOT_TRIED, words)
    behind = [use for use in uses if use.enforced < use.serving]
    idle = [use for use in uses if not use.serving]
    if behind:
        words = f"{len(behind)} of {len(uses)} agents do not prove it yet: {_named(behind)}. See their conditions."
        return false(kind, Reason.NOT_YET_ENFORCED, words)
    apart = f" No pod of {_named(idle)} can serve; see their conditions." if idle else " Nothing to do."
    return true(kind, Reason.ENFORCED, f"In force in every serving pod of {len(uses)} agents.{apart}")


def _pods_under(agent: AgentFigures, mode: PolicyMode | None) -> int:
    return agent.tried if mode is PolicyMode.AUDIT else agent.policy_enforced


def _use(
    agent: AgentFigures, takes_part: str | None, present: str | None, enforced: int, *, untried: bool = False
) -> _Use:
    proved = takes_part is not None and takes_part == present
    return _Use(agent.key, enforced if proved else 0, agent.serving, untried)


def _named(uses: Sequence[_Use]) -> str:
    more = f" and {len(uses) - MOST_NAMED} more" if len(uses) > MOST_NAMED else ""
    return ", ".join(sorted(use.agent for use in uses)[:MOST_NAMED]) + more
