"""What the statuses of policies and routes want to know of each agent that uses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.enforcement import enforcement
from regent_operator.plan.health import ProviderFigures, of_pods
from regent_operator.plan.observation import Observation
from regent_operator.plan.remembered import Remembered


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """Kept by the engine for each agent it has reconciled."""

    key: str
    policies: Mapping[str, str | None]
    """NAMESPACE/NAME of each policy that applies -> digest that takes part; None: it does not take part."""
    route: str
    """NAMESPACE/NAME."""
    route_digest: str | None
    """Of the route that takes part; None: it does not."""
    policy_enforced: int
    """Pods that echo the plan's effective policy: it is in force in them while they wait for an edit of the agent."""
    route_enforced: int
    """Pods that echo its route."""
    serving: int
    providers: tuple[ProviderFigures, ...] = ()
    untried: frozenset[str] = frozenset()
    """NAMESPACE/NAME of policies in mode Audit that are more than an agent tries."""
    tried: int = 0
    """Pods that try the others: they echo the whole config, since these stand in no other digest."""


def _policies_of(plan: AgentPlan) -> Mapping[str, str | None]:
    taking_part = {f"{use.namespace}/{use.name}": use.digest for use in plan.uses} if plan.config else {}
    return {key: taking_part.get(key) for key in sorted(plan.policy_keys)}


_policies: Remembered[Mapping[str, str | None]] = Remembered()
"""One for all agents under the same policies."""


def agent_figures(plan: AgentPlan, seen: Observation) -> AgentFigures:
    counted, shadows = enforcement(plan, seen), plan.config is not None and bool(plan.config.shadows)
    return AgentFigures(
        key=plan.agent.metadata.key,
        policies=_policies.of(plan.applying, also=(plan.uses, plan.config is None), make=lambda: _policies_of(plan)),
        route=intern(f"{plan.agent.metadata.namespace}/{plan.agent.spec.model_route_ref.name}"),
        route_digest=plan.route_digest,
        policy_enforced=enforcement(plan, seen, "policy").enforced,
        route_enforced=enforcement(plan, seen, "route").enforced,
        serving=counted.serving,
        providers=of_pods(seen.pods),
        untried=plan.untried,
        tried=counted.enforced if shadows else 0,
    )
