"""Whom a turn asks next: another key, the same provider once more, or the next candidate; and when it gives up.

Pure but for the pause that it takes: the clock, the pause and the dice come in.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from regent_api.config import ProviderConfig, RouteConfig
from regent_runtime.refusals import Refused
from regent_runtime.route.breaker import Permit
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.route.standing import Key, Standing


@dataclass(frozen=True)
class Try:
    """One request that is to be sent now. Enter the permit for as long as it runs."""

    provider: ProviderConfig
    key: Key
    permit: Permit


@dataclass(frozen=True)
class _Step:
    provider: ProviderConfig
    key: Key
    at: float
    """When, by the clock; a moment that has passed means at once."""


@dataclass(frozen=True)
class Surroundings:
    """What the tries of a turn touch of the world."""

    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: Callable[[], float] = random.random
    """From 0 to 1."""


class Tries:
    """Of one call. At most `fallback.maxAttempts`, none after the turn ends, none with a key that is known to be dead.

    `ends`: when the turn does, by the clock. `dead`: names of keys by provider; those that turn out to be are added, so
    that the turn's other calls know them.
    """

    def __init__(
        self,
        route: RouteConfig,
        candidates: Sequence[ProviderConfig],
        standings: Mapping[str, Standing],
        *,
        ends: float,
        dead: dict[str, set[str]],
        world: Surroundings | None = None,
    ) -> None:
        self._world = world or Surroundings()
        self._route = route
        self._rest = deque(candidates)
        self._standings = standings
        self._ends = ends
        self._again: _Step | None = None
        self._cooled: list[_Step] = []
        """Candidates that were passed over because they asked to be left alone."""
        self._made = self._retried = 0
        self._resent: set[str] = set()
        self._dead = dead
        self._may_fall_back = True
        self._limited: set[str] = set()
        self.errors: list[ProviderError] = []
        self.refusal: Refused | None = None
        """For want of money at some provider; what the caller learns where nothing else was in the way."""

    @property
    def may_go_on(self) -> bool:
        """Whether another candidate may still be asked."""
        return bool(self._rest or self._cooled) and self._made < self._route.fallback.max_attempts

    async def next(self) -> Try | None:
        """Waits where it has to. None: nobody is left, or the turn may ask no more."""
        while self._made < self._route.fallback.max_attempts:
            step, self._again = self._again or self._fresh(), None
            if step is None:
                return None
            wait = step.at - self._world.clock()
            if wait > 0:
                await self._world.pause(wait)
            permit = self._standings[step.provider.name].breaker.admit()
            if permit is not None:
                self._made += 1
                return Try(step.provider, step.key, permit)
            self._passed_over(Failure.BREAKER_OPEN, self._standings[step.provider.name].breaker.opens_in)
        return None

    def unpaid(self, refused: Refused) -> None:
        """The last try was not made for want of money: it counts as none, and its provider is not asked again."""
        self._made -= 1
        self.refusal = self.refusal or refused

    def outgrown(self) -> None:
        """The last try was not made, the prompt being too long for its provider: it counts as none."""
        self._made -= 1
        self._passed_over(Failure.CONTEXT_WINDOW, 0.0)

    def limited(self, tried: Try, seconds: float) -> None:
        """The last try was not made, its provider being at its limits: it may be asked later in the turn, once."""
        self._made -= 1
        self._passed_over(Failure.LIMITED, seconds)
        if tried.provider.name not in self._limited:
            self._limited.add(tried.provider.name)
            self._cooled.append(_Step(tried.provider, tried.key, self._world.clock() + seconds))

    def answered(self, tried: Try) -> None:
        tried.permit.end(well=True)
        self._standings[tried.provider.name].answered()

    def failed(self, tried: Try, error: ProviderError) -> None:
        self.errors.append(error.with_traceback(None))  # whose frames hold the request, and these tries
        if tried.key and error.failure.of_key and error.failure is not Failure.RATE_LIMITED:
            self._dead_at(tried.provider).add(tried.key.name)
        tried.permit.end(well=False if error.failure.trips else None)
        self._standings[tried.provider.name].failed(tried.key, error)
        self._again = self._same_provider(tried, error)
        self._may_fall_back = error.failure.kind in self._route.fallback.errors

    def _fresh(self) -> _Step | None:
        """The next candidate that may be asked now; else the one that may be the soonest."""
        now = self._world.clock()
        while self._rest and self._may_fall_back:
            provider = self._rest.popleft()
            standing = self._standings[provider.name]
            found = standing.begin(provider, self._dead_at(provider))
            if found is None:
                self._passed_over(Failure.UNAUTHENTICATED, 0.0)
            elif standing.breaker.opens_in > 0:
                self._passed_over(Failure.BREAKER_OPEN, standing.breaker.opens_in)
            elif found[1] > 0:
                self._passed_over(Failure.COOLING, found[1])
                self._cooled.append(_Step(provider, found[0], now + found[1]))
            else:
                return self._begun(_Step(provider, found[0], now))
        soonest = min(self._cooled, key=lambda step: step.at, default=None)
        if soonest is None or not self._may_fall_back or not self._may_wait(soonest.at - now):
            return None
        self._cooled.remove(soonest)
        return self._begun(soonest)

    def _begun(self, step: _Step) -> _Step:
        self._retried = 0
        self._standings[step.provider.name].budget.turn()
        return step

    def _same_provider(self, tried: Try, error: ProviderError) -> _Step | None:
        """How the provider is asked once more, if it is."""
        now, name = self._world.clock(), tried.provider.name
        if error.failure is Failure.UNANSWERED and name not in self._resent:
            self._resent.add(name)
            self._made -= 1
            return _Step(tried.provider, tried.key, now)
        if self._standings[name].breaker.opens_in > 0:
            return None
        if error.failure.of_key and (key := self._other_key(tried)):
            return _Step(tried.provider, key, now)
        return self._retry(tried, error)

    def _other_key(self, tried: Try) -> Key:
        found = self._standings[tried.provider.name].soonest(tried.provider, self._dead_at(tried.provider))
        return found[0] if found and found[0] != tried.key and found[1] == 0 else None

    def _dead_at(self, provider: ProviderConfig) -> set[str]:
        return self._dead.setdefault(provider.name, set())

    def _retry(self, tried: Try, error: ProviderError) -> _Step | None:
        """After what the provider asks for, and a wait with full jitter: all who were told the same come one by one."""
        retries, standing = self._route.retries, self._standings[tried.provider.name]
        if not error.failure.retried or self._retried >= retries.max_per_provider:
            return None
        longest = min(retries.max_delay, retries.base_delay * 2**self._retried)
        asked = max(error.retry_after or 0.0, standing.cooled_for(tried.key))
        wait = asked + self._world.dice() * longest
        if not self._may_wait(wait, asked) or not standing.budget.take():
            return None
        self._retried += 1
        return _Step(tried.provider, tried.key, self._world.clock() + wait)

    def _may_wait(self, wait: float, asked: float | None = None) -> bool:
        """`asked`: what the provider asks for of it; absent: all."""
        within = (wait if asked is None else asked) <= self._route.retries.max_retry_after
        return within and self._world.clock() + wait < self._ends

    def _passed_over(self, failure: Failure, seconds: float) -> None:
        self.errors.append(ProviderError(failure, retry_after=seconds or None))
