"""The agent's config in force: loaded, watched, and swapped whole between turns.

A turn holds the Snapshot that it began with. A document that does not validate changes nothing: the last good one
stays in force and `error` says why, in words that quote no value. One that the operator did not seal for this agent is
not even parsed. The digest is computed over what was understood, never read from the file.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError

from regent_api.config import AgentConfig, Shadow
from regent_api.policy import Detector
from regent_api.seal import SEAL_KEY
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
from regent_runtime.route.standing import Standing, standings
from regent_runtime.seal import LARGEST_SEAL, SealRefused, Seals, Trust
from regent_runtime.state.source import StateInUse, States
from regent_runtime.transport import Channel, channels

LARGEST_CONFIG = 4 * 1024 * 1024
"""Bytes; a ConfigMap holds at most 1 MiB."""
POLL_SECONDS = 0.2
"""A stat is 2 us; the kubelet swaps a symlink, which inotify shows only on the folder and in two steps."""


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
    return Snapshot(
        config=config,
        digests=digests,
        callers=callers,
        channels=outbound,
        standings=standings(config, before.standings if before else {}),
        state=state,
        limits=Limits(config, state),
        budget=Budget(config, state),
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
        state=state,
        limits=Limits(tried, state, counted_for=shadow.name),
        budget=Budget(tried, state),
        budget_trials=BudgetTrials(tried, state),
        provider_limits=ProviderLimits(tried, state),
        cache=Cache(tried, digests.config, state, credentials),
        conversations=Conversations(tried, state),
        approvals=Approvals(state.state, tried),
        input_guard=guard,
        output_guard=OutputGuard(tried, credentials.mounted),
    )


class ConfigFile:
    """Follows one file. `current` is the snapshot in force, None until the first good document."""

    def __init__(
        self,
        path: Path,
        trust: Trust,
        credentials: Credentials,
        states: States,
        swapped: Callable[[Snapshot | None, Snapshot], Awaitable[None]],
    ) -> None:
        self.path = path
        self.current: Snapshot | None = None
        self.error: str | None = f"{path.name}: not read yet"
        self.seals = Seals(trust)
        self._credentials = credentials
        self._states = states
        self._swapped = swapped
        self._stamp: tuple[int, ...] | None = None

    async def refresh(self) -> None:
        """Look once: load when the file is another one than the one looked at before."""
        try:
            found = self.path.stat()
        except OSError as error:
            self._stamp, self.error = None, f"{self.path.name}: {error.strerror}"
            return
        stamp = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            await self._load()

    async def _load(self) -> None:
        old = self.current
        try:
            new = await self._read(old)
        except (ConfigRefused, SealRefused) as refused:
            self.error = str(refused)
            return
        except OSError as error:
            name = Path(error.filename or self.path).name
            self._stamp, self.error = None, f"{name}: {error.strerror}"
            return
        except Exception as error:  # noqa: BLE001 - no document may end the process
            self.error = f"fault: {type(error).__name__}"
            return
        self.error = None
        if old is None or new.config != old.config:
            self.current = new
            await self._swapped(old, new)
        else:
            await new.close()  # sealed anew, or mounted anew

    async def _read(self, old: Snapshot | None) -> Snapshot:
        """The document and its seal of one moment, judged, understood and remembered, in this order."""
        real = self.path.resolve(strict=True)  # the kubelet swaps the folder that both lie in
        document = _bounded(real, LARGEST_CONFIG)
        try:
            seal = self.seals.check(document, _bounded(real.with_name(SEAL_KEY), LARGEST_SEAL))
        except FileNotFoundError:
            raise SealRefused(f"seal: {SEAL_KEY} is missing, so the document is not the operator's") from None
        new = snapshot(document, self._credentials, self._states, old)
        try:
            self.seals.accept(seal)
        except OSError:
            await new.close()
            raise
        return new


def _bounded(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ConfigRefused(f"{path.name} is larger than {most} bytes")
    return content


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
