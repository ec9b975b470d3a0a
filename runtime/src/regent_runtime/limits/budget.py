"""`budget`: what an agent may spend, for a conversation, a day and a month.

Before an attempt is sent, the most that it may cost is taken out of every purse, in one operation of the state, or out
of none; what it did not cost comes back when the attempt has ended. Nobody overspends by waiting, by many turns at
once, or by a pod that dies: what is unknown stays spent as reserved. Money is never counted by a pod alone while the
shared state is away: turns are denied, whatever `onStateError` says.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.effective import EffectiveBudget
from regent_api.policy import BudgetExceeded
from regent_api.price import ProviderPrice, amount, words
from regent_runtime.cost.bill import Bill
from regent_runtime.cost.price import most
from regent_runtime.cost.sending import Sending, written
from regent_runtime.decision import Stage, decided
from regent_runtime.limits.spending import NAMED, Spent, usd
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import BUDGET_SPENT, STATE_UNAVAILABLE, Refused
from regent_runtime.route import windows
from regent_runtime.route.counter import Counter
from regent_runtime.route.witness import Witness
from regent_runtime.state.contract import NANOS, Period, Purse, Reservation, StateAway, StateFull, hashed
from regent_runtime.state.source import StateInUse
from regent_runtime.wire.request import ChatRequest

LEAST_OUTPUT_TOKENS = 64
"""An answer is not cut shorter than this to fit into what is left: the turn is refused."""
MARGIN_SECONDS = 90.0
"""What settling may take beyond the turn's time limit; later, what was reserved is spent."""
MOST_TOLD = 999_999_999_999_999
"""Billionths: the largest Amount. Who reads /statusz takes no larger one."""
_UNITS = 10**15
"""Of a dollar: every price of a token is a whole number of them."""
_NAMES = {Period.CONVERSATION: "this conversation", Period.DAY: "today", Period.MONTH: "this month"}


@dataclass(frozen=True)
class Cap:
    """One bound of a budget. `most`: billionths of a dollar."""

    field: str
    period: Period
    most: int


@dataclass(frozen=True)
class Figures:
    """Of a day or a month. `most`: billionths of a dollar."""

    period: str
    most: int
    thresholds: Sequence[int]
    """Percent."""
    spent: Spent

    @property
    def share(self) -> float:
        """0 to 1; of nothing nothing is ever spent."""
        return self.spent.amount / self.most if self.most else 0.0

    def passed(self, percent: int) -> bool:
        return bool(self.most) and 100 * self.spent.amount >= percent * self.most

    def wire(self) -> dict[str, Any]:
        """For /statusz."""
        return {
            "period": self.period,
            "of": self.spent.of,
            "usd": words(usd(min(self.spent.amount, MOST_TOLD))),
            "exhausted": self.spent.short_of is not None,
            "at": int(self.spent.at),
        }


class Budget:
    """Of one config."""

    def __init__(self, config: AgentConfig, state: StateInUse, counters: Mapping[str, Counter]) -> None:
        self._config = config
        self._counters = counters
        self._state = state.state
        self._spending = state.spending
        self._caps = tuple(caps(config.policy.budget))
        self._lease = config.turn_seconds + MARGIN_SECONDS

    def bounds(self, provider: ProviderConfig) -> bool:
        """Whether attempts there are paid out of purses. Without a price the route's candidates have left it out."""
        return bool(self._caps) and provider.price is not None

    @asynccontextmanager
    async def within(
        self, request: ChatRequest, provider: ProviderConfig, record: TurnRecord, trail: Witness
    ) -> AsyncIterator[Sending | Refused]:
        """What may be sent to one that it `bounds`, its output cap shrunk to what is left. Raises Refused (429, 503).

        Refused (429) in its place: nothing may be sent to this provider, but the turn may go on with another one.

        When the block is left, the bill is settled, or stays as reserved where nobody knows what it came to.
        """
        sending = written(self._config, request, provider)
        if not self._caps or provider.price is None:
            yield sending
            return
        holder = f"{record.id}:{len(record.attempts)}"
        reserved = await self._reserved(sending, request, provider.price, holder, record, trail)
        if isinstance(reserved, Refused):
            yield reserved
            return
        sending, granted = reserved
        try:
            yield sending
        finally:
            cost = sending.bill.cost().usd
            if cost is not None:
                await self._settle(holder, nanos(cost), granted, sending.bill)
            self._compare(sending.bill)

    async def _reserved(
        self,
        sending: Sending,
        request: ChatRequest,
        prices: ProviderPrice,
        holder: str,
        record: TurnRecord,
        trail: Witness,
    ) -> tuple[Sending, int] | Refused:
        """With what was granted, in billionths of a dollar."""
        tokens = sending.bill.input_at_most()
        if tokens is None:  # the route's candidates have left such a provider out
            raise _unbounded(self._caps[0].field)
        whole = nanos(most(prices, tokens, sending.output_cap))
        counter = self._counters.get(sending.bill.provider.name)
        if counter is not None and not request.images:
            reservation = await self._asked(holder, whole, whole, record, trying=True)
            if reservation.granted is not None:
                return sending, whole
            tokens = await self._counted(counter, sending, tokens, record, trail)
            whole = nanos(most(prices, tokens, sending.output_cap))
        least = nanos(most(prices, tokens, min(sending.output_cap, LEAST_OUTPUT_TOKENS)))
        reservation = await self._asked(holder, least, whole, record)
        if reservation.granted is None:
            return self._exceeded(reservation, least, sending.bill.provider, record)
        if reservation.granted == whole:
            return sending, whole
        cap = output_tokens_for(prices, tokens, reservation.granted)
        tightest = self._caps[reservation.left.index(min(reservation.left))]
        record.decisions.append(decided(self._config.sources, Stage.ROUTE, "Shrink", tightest.field, str(cap)))
        shrunk = written(self._config, replace(request, max_output_tokens=cap), sending.bill.provider)
        shrunk.bill.counted = sending.bill.counted
        return shrunk, reservation.granted

    async def _counted(
        self, counter: Counter, sending: Sending, by_bytes: int, record: TurnRecord, trail: Witness
    ) -> int:
        """What the model's own tokenizer says, where it says less than the bytes."""
        found = await counter.count(sending.outbound, trail)
        if found is None or found >= by_bytes:
            return by_bytes
        windows.note(record, self._caps[0].field, sending.bill.provider, found)
        sending.bill.counted = found
        return found

    def _compare(self, bill: Bill) -> None:
        """A server that booked more than it had counted is not asked again."""
        if bill.counted is not None and bill.usage is not None:
            self._counters[bill.provider.name].booked(bill.counted, bill.usage.prompt_tokens)

    async def _settle(self, holder: str, cost: int, granted: int, bill: Bill) -> None:
        """Where it comes too late, or no answer comes, the bill tells what the purses keep."""
        settled = False
        with suppress(StateAway):
            settled = await self._state.settle(holder, cost)
        if settled:
            self._spending.settled([cap.period for cap in self._caps], cost - granted)
        else:
            bill.kept = usd(granted)

    async def _asked(
        self, holder: str, least: int, whole: int, record: TurnRecord, *, trying: bool = False
    ) -> Reservation:
        """`trying`: what it does not get, it may get with a smaller bound, so it is not told as short."""
        durable = next((cap.field for cap in self._caps if cap.period is not Period.CONVERSATION), None)
        if durable is not None and not self._state.shared:
            raise _uncounted(durable)
        purses = [purse(cap, record) for cap in self._caps]
        try:
            reservation = await self._state.reserve(purses, holder, least, whole, self._lease)
        except (StateAway, StateFull):
            raise _uncounted(self._caps[0].field) from None
        if trying and reservation.granted is None:
            return reservation
        for cap, left in zip(self._caps, reservation.left, strict=True):
            had = (reservation.granted or 0) if max(0, left) >= least else None
            self._spending.reserved(cap.period, cap.most - left, had, least)
        return reservation

    def figures(self) -> Sequence[Figures]:
        """Of the day and the month, as far as this pod has heard of them."""
        found = ((cap, self._spending.of(cap.period)) for cap in self._caps if cap.period in NAMED)
        thresholds = sorted(self._config.policy.budget.alert_at_percent)
        return [Figures(NAMED[cap.period], cap.most, thresholds, spent) for cap, spent in found if spent is not None]

    def _exceeded(self, reservation: Reservation, least: int, provider: ProviderConfig, record: TurnRecord) -> Refused:
        """Raises it, unless the turn may go on with a provider that costs less."""
        spent = next(cap for cap, left in zip(self._caps, reservation.left, strict=True) if left < least)
        said = f"The agent's budget for {_NAMES[spent.period]} has no room for this turn."
        refused = Refused(BUDGET_SPENT, said, field=spent.field)
        if self._config.policy.budget.on_exceeded is BudgetExceeded.DENY:
            raise refused
        sources = self._config.sources
        record.decisions.append(decided(sources, Stage.ROUTE, "Downgrade", "budget.onExceeded", provider.name))
        return refused


def purse(cap: Cap, record: TurnRecord, trial: str = "") -> Purse:
    """What a cap bounds; a turn outside of a conversation is one of its own. `trial`: the policy, whose are apart."""
    names = ("budget", trial) if trial else ("budget",)
    if cap.period is not Period.CONVERSATION:
        return Purse(hashed(*names, "agent") if trial else "agent", cap.most, cap.period)
    period = Period.CONVERSATION if record.conversation else Period.TURN
    return Purse(hashed(*names, record.conversation or record.id), cap.most, period, record.conversation)


def nanos(cost: Decimal) -> int:
    """Billionths of a dollar, rounded up: a budget never counts less than was spent."""
    return -(-_units(cost) // (_UNITS // NANOS))


def output_tokens_for(prices: ProviderPrice, input_tokens: int, granted: int) -> int:
    """How many output tokens are surely paid by a grant, besides the input."""
    of_input = _units(most(prices, input_tokens, 0))
    of_a_token = _units(most(prices, input_tokens, 1)) - of_input
    return (granted * (_UNITS // NANOS) - of_input) // of_a_token


def _units(cost: Decimal) -> int:
    return int(cost.scaleb(15))


def caps(budget: EffectiveBudget) -> Sequence[Cap]:
    """What it bounds."""
    stated = (
        ("budget.perConversationUsd", Period.CONVERSATION, budget.per_conversation_usd),
        ("budget.perDayUsd", Period.DAY, budget.per_day_usd),
        ("budget.perMonthUsd", Period.MONTH, budget.per_month_usd),
    )
    return [Cap(field, period, nanos(amount(most))) for field, period, most in stated if most is not None]


def _unbounded(field: str) -> Refused:
    said = "Nobody knows what the images of this turn may cost, so the agent's budget has no room for it."
    return Refused(BUDGET_SPENT, said, field=field)


def _uncounted(field: str) -> Refused:
    said = "The state that this agent's money is counted in has no answer; try again."
    return Refused(STATE_UNAVAILABLE, said, retry_after=1, field=field)
