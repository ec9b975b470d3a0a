"""`regent explain`: what an agent would decide on a turn, stage by stage, and which policy is behind it.

The config is the one that `plan()` makes of manifests, or the one that the agent's pods hold in a cluster; the stages
are the runtime's own, imported when they are asked for: the operator's image does without them.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regent_api.config import AgentConfig, RouteConfig
from regent_operator.cli.formats import document, table
from regent_operator.plan.config import exclusions

if TYPE_CHECKING:
    from regent_runtime.explain import Decision, Explanation

COLUMNS = ("stage", "decision", "field", "policies", "reason")
ROUTE_COLUMNS = ("place", "provider", "model", "weight", "usd per million", "limits", "excluded by", "policies")


class WouldRefuseError(Exception):
    """The turn would be refused; the explanation has been printed."""


class NotExplainedError(Exception):
    """The question cannot be asked: a caller of no known form, or a config that no pod would take."""


@dataclass(frozen=True)
class Asked:
    """A turn. `caller`: NAMESPACE/NAME, oidc:ISSUER#SUBJECT, apikey:NAME or anonymous."""

    caller: str
    prompt: str
    groups: frozenset[str] = frozenset()
    sensitivity: str | None = None


def run(
    config: AgentConfig, asked: Asked, form: str, *, route: bool = False, declared: RouteConfig | None = None
) -> str:
    """The explanation as text; `route`: of the providers instead of the stages. `declared`: the route as its author
    wrote it, which has providers that the policies left out of the config; None where it cannot be told.

    Raises NotExplainedError; WouldRefuseError, with the text, for a refused turn.
    """
    explanation = _explanation(config, asked, declared)
    agent = f"{config.agent.namespace}/{config.agent.name}"
    rows = _route(explanation) if route else _stages(explanation)
    text = rows + _outcome(explanation) if form == "table" else document(wire(agent, explanation), form)
    if explanation.refused:
        raise WouldRefuseError(text)
    return text


def wire(agent: str, explanation: "Explanation") -> dict[str, Any]:
    """For programs. A decision has `stage` and `action`; `field`, `policies`, `reason`, `shadow` where it has any."""
    return {
        "agent": agent,
        "refused": explanation.refused,
        "code": explanation.code,
        "message": explanation.message,
        "sensitivity": explanation.sensitivity,
        "rule": explanation.rule,
        "providers": list(explanation.providers),
        "strategy": explanation.strategy,
        "considered": [{**vars(each), "policies": list(each.policies)} for each in explanation.considered],
        "decisions": [_plain(decision.wire()) for decision in explanation.decisions],
    }


def _explanation(config: AgentConfig, asked: Asked, declared: RouteConfig | None) -> "Explanation":
    from regent_runtime.explain import Cut, Question, UnanswerableError, explain  # noqa: PLC0415 - see the first words

    question = Question(asked.caller, asked.prompt, asked.groups, asked.sensitivity)
    cut = Cut(declared, _left_out(config, declared)) if declared else None
    try:
        return asyncio.run(explain(config, question, cut))
    except UnanswerableError as error:
        raise NotExplainedError(str(error)) from error


def _left_out(config: AgentConfig, declared: RouteConfig) -> dict[str, str]:
    """The field that keeps a provider out of the config, by the provider's name."""
    held = {provider.name for provider in config.route.providers}
    excluded = exclusions(declared, config.policy)
    return {name: why.field for name, why in excluded.items() if name not in held}


def _stages(explanation: "Explanation") -> str:
    return table([_row(decision) for decision in explanation.decisions], COLUMNS)


def _route(explanation: "Explanation") -> str:
    """Each provider of the route: its place, or what keeps it from the turn."""
    rows = [
        {
            "place": str(each.place or "-"),
            "provider": each.name,
            "model": each.model,
            "weight": str(each.weight) if explanation.strategy in {"Weighted", "Sticky"} else "-",
            "usd per million": each.price or "unknown",
            "limits": each.limits or "-",
            "excluded by": each.field or "-",
            "policies": ", ".join(each.policies) or "-",
        }
        for each in explanation.considered
    ]
    return table(rows, ROUTE_COLUMNS)


def _outcome(explanation: "Explanation") -> str:
    if explanation.refused:
        return f"\nRefused: {explanation.code}: {explanation.message}\n"
    providers = ", ".join(explanation.providers)
    rule = f"rule {explanation.rule} ({explanation.strategy})"
    return f"\nWould go on: {explanation.sensitivity}, {rule}, to {providers}\n"


def _row(decision: "Decision") -> dict[str, str]:
    shadow = f" (mode Audit: {decision.shadow})" if decision.shadow else ""
    behind = ", ".join(decision.policies) or ("default" if decision.field else "-")
    return {
        "stage": str(decision.stage),
        "decision": f"{decision.action}{shadow}",
        "field": decision.field or "-",
        "policies": behind,
        "reason": decision.reason or "-",
    }


def _plain(wire: dict[str, Any]) -> dict[str, Any]:
    """Words as plain text, so that YAML has no tags."""
    return {name: list(map(str, value)) if isinstance(value, tuple) else str(value) for name, value in wire.items()}
