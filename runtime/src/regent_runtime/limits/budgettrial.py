"""Budgets of policies in mode Audit: what they would have refused, counted in purses of their own.

A trial reserves and settles as a budget does, so it counts what its policy would have let be spent: an attempt that it
would have refused costs it nothing, one that it would have cut shorter no more than it would have granted. It changes
nothing: no attempt waits for its verdict, and a fault in it is its own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from regent_api.config import AgentConfig
from regent_api.policy import BudgetExceeded
from regent_runtime.cost.price import most
from regent_runtime.cost.sending import Sending
from regent_runtime.decision import Decision, Stage
from regent_runtime.limits.budget import (
    LEAST_OUTPUT_TOKENS,
    MARGIN_SECONDS,
    Cap,
    caps,
    nanos,
    output_tokens_for,
    purse,
)
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import BUDGET_SPENT
from regent_runtime.state.contract import Period, StateAway, StateFull
from regent_runtime.state.source import StateInUse


class BudgetTrials:
    """Of all policies in mode Audit whose budget is smaller than the one in force."""

    def __init__(self, config: AgentConfig, state: StateInUse) -> None:
        self._state = state.state
        self._lease = config.turn_seconds + MARGIN_SECONDS
        in_force = set(caps(config.policy.budget))
        tried = {each.name: [cap for cap in caps(each.policy.budget) if cap not in in_force] for each in config.shadows}
        self._caps: Mapping[str, list[Cap]] = {name: found for name, found in tried.items() if found}
        self.any = bool(self._caps)
        self._downgrades = {
            each.name for each in config.shadows if each.policy.budget.on_exceeded is BudgetExceeded.DOWNGRADE
        }

    @asynccontextmanager
    async def watching(self, sending: Sending, record: TurnRecord) -> AsyncIterator[None]:
        """While open, an attempt runs that the budgets in force have paid. Never raises of its own."""
        async with AsyncExitStack() as trials:
            for name in self._caps:
                await trials.enter_async_context(self._trial(name, sending, record))
            yield

    @asynccontextmanager
    async def _trial(self, name: str, sending: Sending, record: TurnRecord) -> AsyncIterator[None]:
        holder = f"{record.id}:{len(record.attempts)}:{name}"
        granted = await self._reserved(name, holder, sending, record)
        try:
            yield
        finally:
            cost = sending.bill.cost().usd
            if granted is not None and cost is not None:
                await self._settle(name, holder, min(nanos(cost), granted), record)

    async def _reserved(self, name: str, holder: str, sending: Sending, record: TurnRecord) -> int | None:
        """Billionths of a dollar; None: the trial would have sent nothing, or cannot tell."""
        prices, tokens = sending.bill.provider.price, sending.bill.input_at_most()
        if prices is None or tokens is None:
            return None
        whole = nanos(most(prices, tokens, sending.output_cap))
        least = nanos(most(prices, tokens, min(sending.output_cap, LEAST_OUTPUT_TOKENS)))
        mine = self._caps[name]
        durable = next((cap for cap in mine if cap.period is not Period.CONVERSATION), None)
        if durable is not None and not self._state.shared:
            return self._tell(name, "Fault", durable.field, "state_not_shared", record)
        purses = [purse(cap, record, name) for cap in mine]
        try:
            found = await self._state.reserve(purses, holder, least, whole, self._lease)
        except (StateAway, StateFull) as fault:
            return self._tell(name, "Fault", mine[0].field, type(fault).__name__, record)
        tightest = mine[found.left.index(min(found.left))]
        if found.granted is None:
            action = "Downgrade" if name in self._downgrades else "Deny"
            return self._tell(name, action, tightest.field, BUDGET_SPENT.code, record)
        if found.granted < whole:
            shrunk = output_tokens_for(prices, tokens, found.granted)
            self._tell(name, "Shrink", tightest.field, str(shrunk), record)
        return found.granted

    async def _settle(self, name: str, holder: str, cost: int, record: TurnRecord) -> None:
        try:
            await self._state.settle(holder, cost)
        except StateAway as fault:
            self._tell(name, "Fault", self._caps[name][0].field, type(fault).__name__, record)

    @staticmethod
    def _tell(name: str, action: str, field: str, reason: str, record: TurnRecord) -> None:
        record.decisions.append(Decision(Stage.ROUTE, action, field, (name,), reason, name))
