"""`limits` of a provider: how much of it the agent's pods may ask for together, in a minute and at once.

Room is taken before an attempt is sent: the request in its window, its tokens (input estimate and output cap) out of
the minute's purse, and a slot. Where there is none the turn goes on with another candidate, as with a provider that
asked to be left alone. Tokens that were not used come back when the attempt has ended; what is unknown stays taken.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.policy import StateError
from regent_api.route import ProviderLimits as LimitsOfProvider
from regent_runtime.cost.bill import Bill
from regent_runtime.cost.sending import Sending
from regent_runtime.decision import Decision, Stage, decided
from regent_runtime.prompt import weight
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import STATE_UNAVAILABLE, Refused
from regent_runtime.state.contract import (
    BUSY_SECONDS,
    Period,
    Purse,
    Slots,
    State,
    StateAway,
    StateFull,
    Want,
    Window,
    hashed,
)
from regent_runtime.state.source import StateInUse
from regent_runtime.wire.request import ChatRequest

MARGIN_SECONDS = 90.0
"""What an attempt may take beyond the turn's time limit before its slot is free again."""
MINUTE_SECONDS = 60.0


class ProviderLimits:
    """Of one config."""

    def __init__(self, config: AgentConfig, state: StateInUse) -> None:
        self._config = config
        self._sources = config.sources
        self._state = state
        self._lease = config.turn_seconds + MARGIN_SECONDS

    @asynccontextmanager
    async def room(
        self,
        request: ChatRequest,
        provider: ProviderConfig,
        limits: LimitsOfProvider,
        sending: Sending,
        record: TurnRecord,
    ) -> AsyncIterator[float]:
        """0.0: there is room, and the attempt has it while the block is open; else seconds until there may be.

        `limits`: the provider's. Raises Refused (503) while the state is away and no pod may count alone.
        """
        bucket, holder = hashed("provider", provider.name), f"{record.id}:{len(record.attempts)}:{provider.name}"
        tokens = weight.of_prompt(request, self._config) + sending.output_cap
        wants: list[Want] = []
        if limits.requests_per_minute is not None:
            wants.append(Window(bucket, limits.requests_per_minute, MINUTE_SECONDS))
        if limits.max_concurrent is not None:
            wants.append(Slots(bucket, limits.max_concurrent, self._lease))
        purses = [Purse(bucket, most, Period.MINUTE)] if (most := limits.tokens_per_minute) is not None else []
        state, wait = await self._taken(wants, purses, holder, tokens, record)
        if wait:
            record.decisions.append(Decision(Stage.ROUTE, "Exclude", "providers.limits", reason=provider.name))
        try:
            yield wait
        finally:
            if not wait:
                await _given_back(state, wants, purses, holder, sending.bill)

    async def _taken(
        self, wants: Sequence[Want], purses: Sequence[Purse], holder: str, tokens: int, record: TurnRecord
    ) -> tuple[State, float]:
        """All of it, or nothing and how long to wait."""
        state = self._state.state
        try:
            return state, await _take(state, wants, purses, holder, tokens, self._lease)
        except StateAway:
            if self._state.on_error is not StateError.LOCAL:
                raise self._away(record, "state_away") from None
        except StateFull:
            raise self._away(record, "state_full") from None
        record.decisions.append(decided(self._sources, Stage.ROUTE, "Local", "onStateError", "state_away"))
        try:
            return self._state.pod, await _take(self._state.pod, wants, purses, holder, tokens, self._lease)
        except StateFull:
            raise self._away(record, "state_full") from None

    def _away(self, record: TurnRecord, reason: str) -> Refused:
        record.decisions.append(decided(self._sources, Stage.ROUTE, "Deny", "onStateError", reason))
        words = "The state that the limits of this agent's providers are counted in has no answer; try again."
        return Refused(STATE_UNAVAILABLE, words, retry_after=1)


async def _take(
    state: State, wants: Sequence[Want], purses: Sequence[Purse], holder: str, tokens: int, lease: float
) -> float:
    """Raises StateAway, StateFull."""
    if purses and (await state.reserve(purses, holder, tokens, tokens, lease)).granted is None:
        return MINUTE_SECONDS
    wait = BUSY_SECONDS
    try:
        wait = max(await state.take(wants, holder), default=0.0) if wants else 0.0
    finally:
        if wait and purses:
            await state.settle(holder, 0)
    return wait


async def _given_back(state: State, wants: Sequence[Want], purses: Sequence[Purse], holder: str, bill: Bill) -> None:
    """What the attempt holds at once, and the tokens that it did not use. A lease ends what cannot be given back."""
    used = _used(bill)
    with suppress(StateAway):
        try:
            if any(isinstance(want, Slots) for want in wants):
                await state.give_back([want.bucket for want in wants if isinstance(want, Slots)], holder)
        finally:
            if purses and used is not None:
                await state.settle(holder, used)


def _used(bill: Bill) -> int | None:
    """Tokens; None: nobody knows."""
    if not bill.sent or (bill.free and not bill.began):
        return 0
    return bill.usage.total_tokens if bill.usage else None
