"""Which providers may see a turn, and in which order. Labels only raise, and every cut only shrinks the list."""

from collections.abc import Sequence
from dataclasses import dataclass

from regent_api.config import AgentConfig, ProviderConfig, RuleConfig
from regent_api.expression import InvalidExpression
from regent_api.route import ProviderType
from regent_api.turncondition import TurnFacts
from regent_api.types import Sensitivity
from regent_runtime.cost.pictures import images_at_most
from regent_runtime.refusals import NO_PROVIDER_ALLOWED, NO_RULE_MATCHES, Refused
from regent_runtime.route.capabilities import lack, unanswerable
from regent_runtime.route.conditions import condition
from regent_runtime.wire.formats import format_for
from regent_runtime.wire.request import ChatRequest


@dataclass(frozen=True)
class Verdict:
    """On one provider of the rule. `field`: what of policy, route or request keeps it from the turn; else empty."""

    provider: ProviderConfig
    field: str = ""
    refused: Refused | None = None
    """What the caller learns of it where nobody else is left, if it is about the request."""


def rule_for(config: AgentConfig, sensitivity: Sensitivity, facts: TurnFacts) -> RuleConfig:
    """The first rule that matches. Raises Refused (403): what no rule is for is denied.

    So is a turn on which a condition fails: passed over, its rule could leave the turn to a laxer one.
    """
    for rule in config.route.rules:
        try:
            if sensitivity >= rule.at_least and (rule.when is None or condition(rule.when).holds(facts)):
                return rule
        except InvalidExpression:
            raise Refused(NO_RULE_MATCHES, f"The condition of the rule {rule.name} fails on this turn.") from None
    raise Refused(NO_RULE_MATCHES, f"No rule of the route is for {sensitivity} turns such as this.")


def verdicts(
    config: AgentConfig, rule: RuleConfig, sensitivity: Sensitivity, *, local_only: bool = False
) -> Sequence[Verdict]:
    """On each of the rule's providers, in the rule's order.

    `local_only`: what the class of the data asks for; `models.localAtOrAbove` can ask for the same. That a Local
    provider is local is claimed here and proved by the transport before a byte is sent.
    """
    named = [provider for name in rule.providers for provider in config.route.providers if provider.name == name]
    return [Verdict(provider, _barrier(config, provider, sensitivity, local_only=local_only)) for provider in named]


class Barriers:
    """The verdicts of one config, which follow from it, the rule and the label: each is found once."""

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._known: dict[tuple[str, int, bool], Sequence[Verdict]] = {}

    def verdicts(self, rule: RuleConfig, sensitivity: Sensitivity, *, local_only: bool) -> Sequence[Verdict]:
        """As the function of that name."""
        key = rule.name, sensitivity.rank, local_only
        if key not in self._known:
            self._known[key] = verdicts(self._config, rule, sensitivity, local_only=local_only)
        return self._known[key]


def candidates(sensitivity: Sensitivity, judged: Sequence[Verdict]) -> Sequence[ProviderConfig]:
    """Those that may see the turn. Raises Refused (403) when none may."""
    allowed = [verdict.provider for verdict in judged if not verdict.field]
    if not allowed:
        raise Refused(NO_PROVIDER_ALLOWED, f"The policy lets {sensitivity} turns reach no provider of the route.")
    return allowed


def abilities(
    config: AgentConfig, request: ChatRequest, candidates: Sequence[ProviderConfig], input_tokens: int
) -> Sequence[Verdict]:
    """On each of the candidates: the capability that the turn needs and it lacks, as `capabilities.NAME`, or the field
    of the request that it cannot be told, as `request.FIELD`.
    """
    return [_ability(config, request, provider, input_tokens) for provider in candidates]


def able(judged: Sequence[Verdict]) -> Sequence[ProviderConfig]:
    """Those that can do, and be told, all that the request asks. Raises Refused (400, 422) when none can."""
    kept = [verdict.provider for verdict in judged if not verdict.field]
    why = next((verdict.refused for verdict in judged if verdict.refused), None)
    if not kept and why is not None:
        raise why
    return kept


def _ability(config: AgentConfig, request: ChatRequest, provider: ProviderConfig, input_tokens: int) -> Verdict:
    lacking = lack(provider, request, input_tokens)
    if lacking is not None:
        return Verdict(provider, lacking.capability, lacking.refused)
    if config.policy.budget.stated and images_at_most(request.images, provider) is None:
        return Verdict(provider, config.policy.budget.stated[0], unanswerable(request.image_field()))
    field = format_for(request, provider).inexpressible(request, provider)
    return Verdict(provider, f"request.{field}", unanswerable(field)) if field else Verdict(provider)


def _barrier(config: AgentConfig, provider: ProviderConfig, sensitivity: Sensitivity, *, local_only: bool) -> str:
    models, is_local = config.policy.models, provider.type is ProviderType.LOCAL
    if sensitivity > provider.max_sensitivity:
        return MAX_SENSITIVITY
    if local_only and not is_local:
        return f"data.classes.{sensitivity}.aiProcessing"
    if sensitivity >= models.local_at_or_above and not is_local:
        return "models.localAtOrAbove"
    if is_local and not models.is_local_host(provider.host):
        return "models.localHosts"
    if not models.admits(provider.host, provider.model):
        return "models.allow"
    if config.policy.budget.stated and provider.price is None:
        return config.policy.budget.stated[0]
    return "" if config.policy.egress.admits_host(provider.host) else "egress.hosts"


MAX_SENSITIVITY = "maxSensitivity"
"""The one barrier that the route sets itself."""
