"""Which providers may see a turn, in order. Labels only raise, and every cut only shrinks the list."""

from collections.abc import Sequence

from regent_api.config import AgentConfig, ProviderConfig, RuleConfig
from regent_api.route import ProviderType
from regent_api.types import Sensitivity
from regent_runtime.refusals import NO_PROVIDER_ALLOWED, NO_RULE_MATCHES, UNSUPPORTED_FIELD, Refused
from regent_runtime.wire.formats import format_of
from regent_runtime.wire.request import ChatRequest


def rule_for(config: AgentConfig, sensitivity: Sensitivity) -> RuleConfig:
    """The first rule that matches. Raises Refused (403): what no rule is for is denied."""
    for rule in config.route.rules:
        if sensitivity >= rule.at_least:
            return rule
    raise Refused(NO_RULE_MATCHES, f"No rule of the route is for {sensitivity} turns.")


def candidates(
    config: AgentConfig, rule: RuleConfig, sensitivity: Sensitivity, *, local_only: bool = False
) -> Sequence[ProviderConfig]:
    """The rule's providers that may see the turn, in the rule's order. Raises Refused (403) when none may.

    `local_only`: what the class of the data asks for; `models.localAtOrAbove` can ask for the same. That a Local
    provider is local is claimed here and proved by the transport before a byte is sent.
    """
    must_be_local = local_only or sensitivity >= config.policy.models.local_at_or_above
    named = [provider for name in rule.providers for provider in config.route.providers if provider.name == name]
    allowed = [provider for provider in named if _may_see(config, provider, sensitivity, must_be_local=must_be_local)]
    if not allowed:
        raise Refused(NO_PROVIDER_ALLOWED, f"The policy lets {sensitivity} turns reach no provider of the route.")
    return allowed


def able(request: ChatRequest, candidates: Sequence[ProviderConfig]) -> Sequence[ProviderConfig]:
    """The candidates that can be told all that the request asks, in order. Raises Refused (400) when none can."""
    unsaid = [format_of(provider).inexpressible(request, provider) for provider in candidates]
    kept = [provider for provider, field in zip(candidates, unsaid, strict=True) if field is None]
    if not kept:
        words = f"`{unsaid[0]}`: no provider that this turn may go to can be asked for that; leave it out or change it."
        raise Refused(UNSUPPORTED_FIELD, words, param=unsaid[0])
    return kept


def _may_see(config: AgentConfig, provider: ProviderConfig, sensitivity: Sensitivity, *, must_be_local: bool) -> bool:
    models, egress = config.policy.models, config.policy.egress
    return (
        sensitivity <= provider.max_sensitivity
        and (provider.type is ProviderType.LOCAL or not must_be_local)
        and (provider.type is not ProviderType.LOCAL or models.is_local_host(provider.host))
        and models.admits(provider.host, provider.model)
        and egress.admits_host(provider.host)
    )
