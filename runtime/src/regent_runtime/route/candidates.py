"""Which providers may see a turn, in order. Labels only raise, and every cut only shrinks the list."""

from collections.abc import Sequence

from regent_api.config import AgentConfig, ProviderConfig, RuleConfig
from regent_api.route import ProviderType
from regent_api.types import Sensitivity
from regent_runtime.refusals import INVALID_SENSITIVITY, NO_PROVIDER_ALLOWED, NO_RULE_MATCHES, Refused


def label(config: AgentConfig, declared: str | None) -> Sensitivity:
    """Sensitivity of a turn: the highest of the agent's floor, the policy's minimum and what the caller declares.

    Raises Refused (400) for a declared label that does not exist: guessing could only be too low.
    """
    floor = max(config.sensitivity, config.policy.data.min_sensitivity)
    if declared is None:
        return floor
    try:
        return max(floor, Sensitivity(declared))
    except ValueError:
        words = f"X-Regent-Sensitivity must be one of {', '.join(Sensitivity)}."
        raise Refused(INVALID_SENSITIVITY, words, param="X-Regent-Sensitivity") from None


def rule_for(config: AgentConfig, sensitivity: Sensitivity) -> RuleConfig:
    """The first rule that matches. Raises Refused (403): what no rule is for is denied."""
    for rule in config.route.rules:
        if sensitivity >= rule.at_least:
            return rule
    raise Refused(NO_RULE_MATCHES, f"No rule of the route is for {sensitivity} turns.")


def candidates(config: AgentConfig, rule: RuleConfig, sensitivity: Sensitivity) -> Sequence[ProviderConfig]:
    """The rule's providers that may see the turn, in the rule's order. Raises Refused (403) when none may.

    That a Local provider is local is claimed here and proved by the transport before a byte is sent.
    """
    by_name = {provider.name: provider for provider in config.route.providers}
    allowed = [by_name[name] for name in rule.providers if _may_see(config, by_name[name], sensitivity)]
    if not allowed:
        raise Refused(NO_PROVIDER_ALLOWED, f"The policy lets {sensitivity} turns reach no provider of the route.")
    return allowed


def _may_see(config: AgentConfig, provider: ProviderConfig, sensitivity: Sensitivity) -> bool:
    models, egress = config.policy.models, config.policy.egress
    must_be_local = sensitivity >= models.local_at_or_above
    return (
        sensitivity <= provider.max_sensitivity
        and (provider.type is ProviderType.LOCAL or not must_be_local)
        and (provider.type is not ProviderType.LOCAL or models.is_local_host(provider.host))
        and models.admits(provider.host, provider.model)
        and egress.admits_host(provider.host)
    )
