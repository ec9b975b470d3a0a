"""What a pod knows of each provider beyond the turn: its breaker, its retry budget, how quick it is, and whether it
asked to be left alone.

It outlives a reload of the config for providers that stay the same, and nothing of it leaves the pod but figures.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from regent_api.config import AgentConfig, CredentialFile, ProviderConfig
from regent_runtime.route.breaker import Breaker, State
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.route.latency import Latency
from regent_runtime.route.retry_budget import RetryBudget

Key = CredentialFile | None
"""None: the provider takes none."""
COOL_SECONDS = 1.0
"""Where a provider does not say how long."""
QUOTA_SECONDS = 60.0
"""What is used up stays so until somebody pays, or a window ends."""


class Standing:
    """One provider's. `clock`: seconds that only grow."""

    def __init__(self, config: AgentConfig, provider: ProviderConfig, clock: Callable[[], float]) -> None:
        self.same = _what_makes_it(config, provider)
        self.breaker = Breaker(config.route.circuit_breaker, clock)
        self.latency = Latency(clock)
        self.budget = RetryBudget(config.route.retries.budget_percent, clock)
        self.last_failure = ""
        """The word of the last attempt that failed; empty once one went well."""
        self._clock = clock
        self._cooled_until = 0.0
        self._keys_cooled_until: dict[str, float] = {}
        self._turns = 0

    def begin(self, provider: ProviderConfig, dead: Collection[str]) -> tuple[Key, float] | None:
        """The key whose turn it is, and in how many seconds it may be used; one that may be used now goes before all.

        `dead`: names of keys that must not be used; None when no other is there.
        """
        self._turns += 1
        return self.soonest(provider, dead)

    def soonest(self, provider: ProviderConfig, dead: Collection[str]) -> tuple[Key, float] | None:
        if not provider.credentials:
            return None, self.cooled_for(None)
        keys: list[Key] = list(provider.credentials)
        first = self._turns % len(keys)
        usable = [key for key in (*keys[first:], *keys[:first]) if _name(key) not in dead]
        return min(((key, self.cooled_for(key)) for key in usable), key=lambda each: each[1], default=None)

    def cooled_for(self, key: Key) -> float:
        """Seconds until the provider, and the key, may be used again."""
        until = self._cooled_until
        if self._keys_cooled_until:
            until = max(until, self._keys_cooled_until.get(_name(key), 0.0))
        return max(0.0, until - self._clock()) if until else 0.0

    def failed(self, key: Key, error: ProviderError) -> None:
        """Remember who asked to be left alone: the key at a rate limit, the provider at an error of its own."""
        self.last_failure = error.failure.word
        now, asked = self._clock(), error.retry_after
        if error.failure in _COOLS_KEY:
            wait = _COOLS_KEY[error.failure] if asked is None else asked
            kept = {name: until for name, until in self._keys_cooled_until.items() if until > now}
            self._keys_cooled_until = {**kept, _name(key): max(kept.get(_name(key), 0.0), now + wait)}
        elif error.failure is Failure.OVERLOADED or (error.failure is Failure.SERVER_ERROR and asked is not None):
            wait = COOL_SECONDS if asked is None else asked
            self._cooled_until = max(self._cooled_until, now + wait)

    def answered(self) -> None:
        self.last_failure = ""

    def status(self, provider: ProviderConfig) -> dict[str, Any]:
        """For /statusz."""
        found = self.soonest(provider, ())
        cooled = found[1] if found else 0.0
        return {
            "name": provider.name,
            "breaker": self.breaker.state,
            "coolingSeconds": round(cooled, 3),
            "lastFailure": self.last_failure,
            "firstWordSeconds": {
                name: round(seconds, 3)
                for name, stream in (("streamed", True), ("whole", False))
                if (seconds := self.latency.seconds(stream=stream)) is not None
            },
        }


def standings(
    config: AgentConfig, before: Mapping[str, Standing], clock: Callable[[], float] = time.monotonic
) -> Mapping[str, Standing]:
    """By the provider's name; those that were there before stay where nothing that makes the provider has changed."""
    return {
        provider.name: kept
        if (kept := before.get(provider.name)) and kept.same == _what_makes_it(config, provider)
        else Standing(config, provider, clock)
        for provider in config.route.providers
    }


GAUGE = {State.CLOSED: 0.0, State.HALF_OPEN: 1.0, State.OPEN: 2.0}
_COOLS_KEY = {Failure.RATE_LIMITED: COOL_SECONDS, Failure.QUOTA_EXHAUSTED: QUOTA_SECONDS}


def _name(key: Key) -> str:
    return key.name if key else ""


def _what_makes_it(config: AgentConfig, provider: ProviderConfig) -> object:
    keys = tuple((key.name, key.secret, key.key) for key in provider.credentials)
    route = config.route
    return (
        (provider.type, provider.base_url, provider.api, provider.model, provider.azure, keys),
        (route.circuit_breaker, route.retries.budget_percent),
    )
