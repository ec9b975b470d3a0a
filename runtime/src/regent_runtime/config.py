"""A config that was understood: the Snapshot that a turn holds from its beginning to its end.

What cannot be understood is refused in words that quote no value. The digest is computed over what was understood.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError

from regent_api.config import AgentConfig, Shadow
from regent_api.policy import Detector
from regent_api.status import Digests
from regent_api.types import Sensitivity
from regent_runtime.access.approvals import Approvals
from regent_runtime.cache.cache import Cache
from regent_runtime.callers import Callers
from regent_runtime.conversations import Conversations
from regent_runtime.credentials import Credentials
from regent_runtime.guard import personal_data
from regent_runtime.guard.input import InputGuard
from regent_runtime.guard.output import OutputGuard
from regent_runtime.limits.budget import Budget
from regent_runtime.limits.budgettrial import BudgetTrials
from regent_runtime.limits.provider import ProviderLimits
from regent_runtime.limits.rates import Limits
from regent_runtime.prompt.kept import KeptSummaries
from regent_runtime.route.candidates import Barriers
from regent_runtime.route.counter import Counter, counters
from regent_runtime.route.standing import Standing, standings
from regent_runtime.state.source import StateInUse, States
from regent_runtime.transport import Channel, channels


class ConfigRefused(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The document is not one that this runtime may serve. The text is for `statusz` and the agent's condition."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A valid config and all that is derived from it, once per load."""

    config: AgentConfig
    digests: Digests
    callers: Callers
    channels: Mapping[str, Channel]
    standings: Mapping[str, Standing]
    """Of each provider, by its name."""
    counters: Mapping[str, Counter]
    """Of those whose servers count tokens."""
    state: StateInUse
    limits: Limits
    budget: Budget
    budget_trials: BudgetTrials
    provider_limits: ProviderLimits
    cache: Cache
    conversations: Conversations
    approvals: Approvals
    input_guard: InputGuard
    """It decides for the shadows too."""
    output_guard: OutputGuard
    summaries: KeptSummaries = field(default_factory=KeptSummaries)
    shadows: Mapping[str, "Snapshot"] = field(default_factory=dict)
    """NAMESPACE/NAME of a policy in mode Audit -> the same agent under the policies in force and it. No channels."""

    @cached_property
    def barriers(self) -> Barriers:
        return Barriers(self.config)

    async def close(self) -> None:
        await self.state.close()
        for channel in self.channels.values():
            await channel.close()


def snapshot(document: bytes, credentials: Credentials, states: States, before: Snapshot | None = None) -> Snapshot:
    """Understand a document. Raises ConfigRefused.

    `before`: what this process serves; a document for another agent is refused, and the standing of providers stays.
    """
    config = _parsed(document)
    if before is not None and config.agent != before.config.agent:
        agent = before.config.agent
        raise ConfigRefused(f"agent: the document is for another agent than {agent.namespace}/{agent.name}")
    try:
        personal_data.prepare(_detectors(config))
        _check_route(config)
        callers = Callers(config, credentials)
        outbound = channels(config, credentials)
        guard = InputGuard(config)
        output_guard = OutputGuard(config, credentials.mounted)
        state = states.of(config)
        shadows = {shadow.name: _shadow(config, shadow, credentials, state, guard) for shadow in config.shadows}
    except ValueError as error:
        raise ConfigRefused(str(error)) from None
    digests = config.digests()
    counting = counters(config, outbound)
    return Snapshot(
        config=config,
        digests=digests,
        callers=callers,
        channels=outbound,
        standings=standings(config, before.standings if before else {}),
        counters=counting,
        state=state,
        limits=Limits(config, state),
        budget=Budget(config, state, counting),
        budget_trials=BudgetTrials(config, state),
        provider_limits=ProviderLimits(config, state),
        cache=Cache(config, digests.config, state, credentials),
        conversations=Conversations(config, state),
        approvals=Approvals(state.state, config),
        input_guard=guard,
        output_guard=output_guard,
        shadows=shadows,
    )


def _detectors(config: AgentConfig) -> frozenset[Detector]:
    """Which kinds of personal data some turn may be searched for."""
    policies = [config.policy, *(shadow.policy for shadow in config.shadows)]
    for data in (policy.data for policy in policies):
        classes = map(data.classes.of, Sensitivity)
        if data.personal_data.raises_to is not None or any(each.anonymize for each in classes):
            return frozenset(Detector)
    guards = (policy.guardrails.output.personal_data for policy in policies)
    return frozenset(detector for guard in guards if guard.action for detector in guard.detectors)


def _shadow(
    config: AgentConfig, shadow: Shadow, credentials: Credentials, state: StateInUse, guard: InputGuard
) -> Snapshot:
    tried = config.model_copy(update={"policy": shadow.policy, "shadows": []})
    digests = tried.digests()
    return Snapshot(
        config=tried,
        digests=digests,
        callers=Callers(tried, credentials),
        channels={},
        standings={},
        counters={},
        state=state,
        limits=Limits(tried, state, counted_for=shadow.name),
        budget=Budget(tried, state, {}),
        budget_trials=BudgetTrials(tried, state),
        provider_limits=ProviderLimits(tried, state),
        cache=Cache(tried, digests.config, state, credentials),
        conversations=Conversations(tried, state),
        approvals=Approvals(state.state, tried),
        input_guard=guard,
        output_guard=OutputGuard(tried, credentials.mounted),
    )


def _parsed(document: bytes) -> AgentConfig:
    try:
        raw: Any = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ConfigRefused("the document is not JSON") from None
    try:
        return AgentConfig.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)[:5]
        words = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in problems
        )
        raise ConfigRefused(words) from None


def _check_route(config: AgentConfig) -> None:
    """What the model's types cannot say of a route."""
    names = [provider.name for provider in config.route.providers]
    if len(set(names)) != len(names):
        raise ConfigRefused("route.providers: a name stands twice")
    for rule in config.route.rules:
        if not set(rule.providers) <= set(names):
            raise ConfigRefused(f"route.rules.{rule.name}: names a provider that the route lacks")
    if not all(_is_url(provider.base_url) for provider in config.route.providers):
        raise ConfigRefused("route.providers: a baseURL has no host, or none that can be read, or such a port")
    timeouts = config.route.timeouts
    if min(timeouts.connect, timeouts.first_token, timeouts.idle, timeouts.attempt, timeouts.total) <= 0:
        raise ConfigRefused("route.timeouts: must be longer than 0")


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return bool(url.hostname) and url.port != 0
    except ValueError:
        return False
