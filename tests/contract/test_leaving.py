"""A caller who leaves while a turn waits for Redis: whatever the turn waited for, nothing of it stays taken."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regent_api.config import AgentConfig
from regent_api.policy import StateError
from regent_operator.plan.policy import effective
from regent_runtime.callers.caller import ANONYMOUS
from regent_runtime.cost.sending import Sending, written
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.limits.budget import Budget
from regent_runtime.limits.budgettrial import BudgetTrials
from regent_runtime.limits.provider import ProviderLimits
from regent_runtime.limits.rates import Limits
from regent_runtime.record import TurnRecord
from regent_runtime.state.link import Address, Link
from regent_runtime.state.pod import PodState
from regent_runtime.state.shared import RedisState
from regent_runtime.state.source import StateInUse
from regent_runtime.wire.request import ChatRequest
from tests.contract.redis_server import RedisServer, redis_server
from tests.contract.states import AGENT, LOOPBACK
from tests.contract.test_budget import PRICE
from tests.fakes import configs

BUDGET = {"perConversationUsd": "5", "perDayUsd": "9"}
LIMITS = {"requestsPerMinute": 1000, "tokensPerMinute": 10**9, "maxConcurrent": 5}


class Leaving(Link):
    """The turn that sends the command of this number (from 1) ends while it waits for the reply."""

    leaves_at = 0
    asked = 0

    async def call(self, *words: bytes | str | int) -> Any:
        self.asked += 1
        if self.asked == self.leaves_at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        return await super().call(*words)


@dataclass(frozen=True)
class Stages:
    config: AgentConfig
    state: StateInUse
    request: ChatRequest
    record: TurnRecord

    def budget(self) -> AbstractAsyncContextManager[Any]:
        provider = self.config.route.providers[0]
        return Budget(self.config, self.state, {}).within(self.request, provider, self.record, Unheard())

    def trials(self) -> AbstractAsyncContextManager[Any]:
        return BudgetTrials(self.config, self.state).watching(self._sending(), self.record)

    def room(self) -> AbstractAsyncContextManager[Any]:
        provider = self.config.route.providers[0]
        assert provider.limits is not None
        limits = ProviderLimits(self.config, self.state)
        return limits.room(self.request, provider, provider.limits, self._sending(), self.record)

    def rates(self) -> AbstractAsyncContextManager[Any]:
        return Limits(self.config, self.state).admit(ANONYMOUS, self.record)

    def _sending(self) -> Sending:
        return written(self.config, self.request, self.config.route.providers[0])


class Unheard:
    async def attempt(self, provider: str, model: str, detail: str = "") -> None:
        raise AssertionError


def staged(state: RedisState) -> Stages:
    document = configs.document(
        configs.provider_config("p", "http://unused", price=PRICE, limits=LIMITS),
        policy={
            "budget": BUDGET,
            "limits": [{"policy": "demo/p", "per": "Agent", "requestsPerMinute": 1000, "maxConcurrentTurns": 5}],
        },
        shadows=[
            {"name": f"demo/{name}", "policy": configs.merged(effective({}).wire(), {"budget": {"perDayUsd": usd}})}
            for name, usd in (("one", "1"), ("two", "2"))
        ],
    )
    body = b'{"messages": [{"role": "user", "content": "Hi"}]}'
    in_use = StateInUse(state, PodState(), StateError.DENY, lambda: None)
    return Stages(AgentConfig.model_validate(document), in_use, parse(body), TurnRecord())


async def taken(server: RedisServer) -> dict[str, int]:
    """What the agent's purses and slots hold, by their keys."""
    found = {key: await server.ask("GET", key) for key in await server.ask("KEYS", "*:purse:*")}
    slots = {key: await server.ask("ZCARD", key) for key in await server.ask("KEYS", "*:slots:*")}
    return {key: int(much) for key, much in (found | slots).items() if int(much)}


@pytest.mark.parametrize("stage", [Stages.budget, Stages.trials, Stages.room, Stages.rates])
async def test_what_was_waited_for_is_given_back(
    tmp_path: Path, stage: Callable[[Stages], AbstractAsyncContextManager[Any]]
) -> None:
    this, left = asyncio.current_task(), 0
    assert this is not None
    async with redis_server(tmp_path) as server:
        link = Leaving(Address.of(server.url), LOOPBACK)
        while link.asked >= link.leaves_at:
            link.asked, link.leaves_at = 0, link.leaves_at + 1
            try:
                async with stage(staged(RedisState(link, AGENT))):
                    held = await taken(server)
            except asyncio.CancelledError:
                this.uncancel()
                left += 1
            assert await taken(server) == {}, f"after leaving at command {link.leaves_at}"
        link.close()
    assert held, "a turn that stays holds something"
    assert left >= 2


async def test_who_leaves_while_a_bill_is_settled_leaves_it_settled(tmp_path: Path) -> None:
    this = asyncio.current_task()
    assert this is not None
    async with redis_server(tmp_path) as server:
        link = Leaving(Address.of(server.url), LOOPBACK)
        for link.leaves_at in (0, 2):  # the first has Redis know the scripts
            link.asked = 0
            with suppress(asyncio.CancelledError):
                async with staged(RedisState(link, AGENT)).budget() as sending:
                    pass
        assert this.uncancel() == 0
        assert (sending.bill.kept, await taken(server)) == (None, {})
        link.close()
