"""The two states behind one contract, under a clock that a test holds: the pod's, and Redis' on a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from regent_api.config import AgentIdentity
from regent_runtime.addresses import InsideCluster
from regent_runtime.state.contract import State
from regent_runtime.state.link import Address, Link
from regent_runtime.state.pod import PodState
from regent_runtime.state.shared import RedisState
from regent_runtime.transport import PinnedResolver
from tests.contract.redis_server import RedisServer, redis_server

AGENT = AgentIdentity(namespace="demo", name="helper")
HELD_CLOCK = "local grace = 3600 * 1000000; local function clock() return tonumber(redis.call('GET', 'test:clock')) end"
LOOPBACK = PinnedResolver(InsideCluster(["127.0.0.0/8"]))


class World(Protocol):
    state: State

    async def advance(self, seconds: float) -> None: ...

    def another(self, **bounds: int) -> State:
        """Another replica of the same agent; the pod's is its only one."""


class PodWorld:
    def __init__(self, **bounds: int) -> None:
        self._now = 1000.0
        self.state: State = PodState(lambda: self._now, **bounds)

    async def advance(self, seconds: float) -> None:
        self._now += seconds

    def another(self, **bounds: int) -> State:
        return self.state


class RedisWorld:
    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self._now = 1_700_000_000_000_000
        self._made: list[State] = []
        self.state = self.another()

    async def advance(self, seconds: float) -> None:
        self._now += round(seconds * 1_000_000)
        await self.server.ask("SET", "test:clock", str(self._now))

    def another(self, **bounds: int) -> State:
        self._made.append(RedisState(link(self.server.url), AGENT, clock=HELD_CLOCK, **bounds))
        return self._made[-1]

    async def close(self) -> None:
        for state in self._made:
            await state.close()


@asynccontextmanager
async def redis_world(directory: Path) -> AsyncIterator[RedisWorld]:
    async with redis_server(directory) as server:
        world = RedisWorld(server)
        await world.advance(0)
        try:
            yield world
        finally:
            await world.close()


def link(url: str) -> Link:
    return Link(Address.of(url), LOOPBACK)
