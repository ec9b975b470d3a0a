"""Conditions and counts of the three kinds, from what is planned and what was observed.

A condition's lastTransitionTime is `now` only when its status changes; otherwise the previous one stays. Equal inputs
give an equal status, so the engine patches only when something differs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from regent_api.agent import AIAgentStatus
from regent_api.objects import AgentPolicy, Invalid, ModelRoute
from regent_api.policy import AgentPolicyStatus
from regent_api.route import ModelRouteStatus
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.inputs import Installation
from regent_operator.plan.observation import Observation


@dataclass(frozen=True)
class AgentFigures:
    """What policies and routes want to know of an agent; kept by the engine for each agent it has reconciled."""

    key: str
    policies: dict[str, str | None]
    """NAMESPACE/NAME of each policy that applies -> digest that takes part; None: it does not take part."""
    route: str
    """NAMESPACE/NAME."""
    route_digest: str | None
    enforced: int
    serving: int


def agent_status(plan: AgentPlan, seen: Observation, previous: AIAgentStatus | None, now: str) -> AIAgentStatus:
    """`now`: RFC 3339 in UTC with whole seconds, such as 2026-11-25T20:41:00Z."""
    raise NotImplementedError


def invalid_agent_status(agent: Invalid, previous: AIAgentStatus | None, now: str) -> AIAgentStatus:
    """Of an AIAgent whose spec this version cannot read: its children stay as they are."""
    raise NotImplementedError


def agent_figures(plan: AgentPlan, seen: Observation) -> AgentFigures:
    raise NotImplementedError


def policy_status(
    policy: AgentPolicy | Invalid,
    agents: Iterable[AgentFigures],
    installation: Installation,
    previous: AgentPolicyStatus | None,
    now: str,
) -> AgentPolicyStatus:
    """`agents`: the figures of those whose `policies` hold this policy's key."""
    raise NotImplementedError


def route_status(
    route: ModelRoute | Invalid,
    agents: Iterable[AgentFigures],
    previous: ModelRouteStatus | None,
    now: str,
) -> ModelRouteStatus:
    """`agents`: the figures of those whose `route` is this route's key."""
    raise NotImplementedError
