"""What the statuses of policies and routes want to know of each agent that uses them."""

from collections.abc import Mapping
from dataclasses import dataclass

from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.enforcement import enforcement
from regent_operator.plan.health import ProviderFigures, of_pods
from regent_operator.plan.observation import Observation


@dataclass(frozen=True)
class AgentFigures:
    """Kept by the engine for each agent it has reconciled."""

    key: str
    policies: Mapping[str, str | None]
    """NAMESPACE/NAME of each policy that applies -> digest that takes part; None: it does not take part."""
    route: str
    """NAMESPACE/NAME."""
    route_digest: str | None
    """Of the route that takes part; None: it does not."""
    enforced: int
    serving: int
    providers: tuple[ProviderFigures, ...] = ()
    untried: frozenset[str] = frozenset()
    """NAMESPACE/NAME of policies in mode Audit that are more than an agent tries."""


def agent_figures(plan: AgentPlan, seen: Observation) -> AgentFigures:
    counted = enforcement(plan, seen)
    taking_part = {f"{use.namespace}/{use.name}": use.digest for use in plan.uses} if plan.config else {}
    return AgentFigures(
        key=plan.agent.metadata.key,
        policies={key: taking_part.get(key) for key in sorted(plan.policy_keys)},
        route=f"{plan.agent.metadata.namespace}/{plan.agent.spec.model_route_ref.name}",
        route_digest=plan.route_digest,
        enforced=counted.enforced,
        serving=counted.serving,
        providers=of_pods(seen.pods),
        untried=plan.untried,
    )
