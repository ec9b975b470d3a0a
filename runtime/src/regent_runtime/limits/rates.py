"""`limits`: how often turns may begin and how many may run, for each caller or for the whole agent.

Every bound of every policy is looked at in one operation of the state, and a turn takes room in all of them or in
none, so a refused request costs nothing. The bucket of a caller is a hash of its identity; all who show nothing are
one caller.
"""

import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass

from regent_api.config import AgentConfig
from regent_api.effective import EffectiveLimit
from regent_api.policy import LimitScope, StateError
from regent_runtime.callers.caller import Caller
from regent_runtime.decision import Decision, Stage, decided
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import RATE_LIMITED, STATE_UNAVAILABLE, Refused
from regent_runtime.state.contract import Slots, State, StateAway, StateFull, Want, Window, hashed
from regent_runtime.state.source import StateInUse

MARGIN_SECONDS = 90.0
"""What a turn may take beyond its time limit: its body's way, and the stages around the attempts."""
UNBOUNDED = nullcontext()
MINUTE = "requestsPerMinute"
HOUR = "requestsPerHour"
CONCURRENT = "maxConcurrentTurns"
_WORDS = {MINUTE: "turns a minute", HOUR: "turns an hour", CONCURRENT: "turns at once"}


@dataclass(frozen=True)
class _Bound:
    name: str
    limit: EffectiveLimit
    most: int
    seconds: float

    def want(self, caller: Caller, counted_for: str) -> Want:
        whose = "agent" if self.limit.per is LimitScope.AGENT else hashed("caller", caller.identity)
        bucket = hashed(counted_for, whose) if counted_for else whose
        kind = Slots if self.name == CONCURRENT else Window
        return kind(bucket, self.most, self.seconds)


class Limits:
    """Of one config. `counted_for`: a policy in mode Audit, whose trial counts in buckets of its own."""

    def __init__(self, config: AgentConfig, state: StateInUse, counted_for: str = "") -> None:
        self._counted_for = counted_for
        self._sources = config.sources
        self._state = state
        lease = config.turn_seconds + MARGIN_SECONDS
        self._bounds = tuple(bound for limit in config.policy.limits for bound in _bounds(limit, lease))
        self._tried = [each for each in self._bounds if each.limit.policy == counted_for]
        self.tries_slots = any(each.name == CONCURRENT for each in self._tried)
        """Whether turns that the policy in mode Audit has counted must `leave`."""

    def admit(self, caller: Caller, record: TurnRecord) -> AbstractAsyncContextManager[None]:
        """Let a turn begin, and hold its slots while it runs. Raises Refused (429, 503) when it is entered.

        Slots that cannot be given back are free when their lease has ended.
        """
        return self._admitted(caller, record) if self._bounds else UNBOUNDED

    @asynccontextmanager
    async def _admitted(self, caller: Caller, record: TurnRecord) -> AsyncIterator[None]:
        wants = [bound.want(caller, self._counted_for) for bound in self._bounds]
        taken_in = await self._take(wants, record)
        try:
            yield
        finally:
            buckets = list({want.bucket for want in wants if isinstance(want, Slots)})
            if buckets:
                with suppress(StateAway):
                    await taken_in.give_back(buckets, record.id)

    async def count(self, caller: Caller, record: TurnRecord) -> None:
        """Count a turn by the limits of the policy in mode Audit.

        Raises Refused (429) where they have no room, StateAway, StateFull.
        """
        wants = [bound.want(caller, self._counted_for) for bound in self._tried]
        if wants and any(await self._state.state.take(wants, record.id)):
            raise Refused(RATE_LIMITED, "There is no room.", field="limits")

    async def leave(self, caller: Caller, record: TurnRecord) -> None:
        """A turn that may have been counted runs no more."""
        wants = [bound.want(caller, self._counted_for) for bound in self._tried]
        with suppress(StateAway):
            await self._state.state.give_back([want.bucket for want in wants if isinstance(want, Slots)], record.id)

    async def _take(self, wants: list[Want], record: TurnRecord) -> State:
        state = self._state.state
        try:
            waits = await state.take(wants, record.id)
        except StateAway:
            state = self._alone(record)
            waits = await self._in_pod(wants, record)
        except StateFull:
            raise _away(record, self._sources, "state_full") from None
        if any(waits):
            raise self._refused(waits, record)
        return state

    def _alone(self, record: TurnRecord) -> State:
        """The pod's own state, where the policy lets it count alone. Raises Refused (503)."""
        if self._state.on_error is not StateError.LOCAL:
            raise _away(record, self._sources, "state_away") from None
        record.decisions.append(decided(self._sources, Stage.LIMITS, "Local", "onStateError", "state_away"))
        return self._state.pod

    async def _in_pod(self, wants: list[Want], record: TurnRecord) -> tuple[float, ...]:
        try:
            return await self._state.pod.take(wants, record.id)
        except StateFull:
            raise _away(record, self._sources, "state_full") from None

    def _refused(self, waits: tuple[float, ...], record: TurnRecord) -> Refused:
        full = [(wait, bound) for wait, bound in zip(waits, self._bounds, strict=True) if wait]
        wait, longest = max(full, key=lambda each: each[0])
        policies = tuple(sorted({bound.limit.policy for _, bound in full}))
        record.decisions.append(Decision(Stage.LIMITS, "Deny", "limits", policies, longest.name))
        who = "This agent takes" if longest.limit.per is LimitScope.AGENT else "This caller may have"
        seconds = math.ceil(wait)
        words = f"{who} at most {longest.most} {_WORDS[longest.name]}; try again in {seconds} s."
        return Refused(RATE_LIMITED, words, retry_after=seconds)


def _bounds(limit: EffectiveLimit, lease: float) -> list[_Bound]:
    stated = (
        (MINUTE, limit.requests_per_minute, 60.0),
        (HOUR, limit.requests_per_hour, 3600.0),
        (CONCURRENT, limit.max_concurrent_turns, lease),
    )
    return [_Bound(name, limit, most, seconds) for name, most, seconds in stated if most is not None]


def _away(record: TurnRecord, sources: dict[str, list[str]], reason: str) -> Refused:
    record.decisions.append(decided(sources, Stage.LIMITS, "Deny", "onStateError", reason))
    words = "The state that this agent's limits are counted in has no answer; try again."
    return Refused(STATE_UNAVAILABLE, words, retry_after=1)
