"""`/livez` means progress: what the operator's own parts let it say over HTTP, and its figures of the queue beside it.

The clocks are the test's; the engine is whole, and nothing in it runs.
"""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.engine import Engine
from regent_operator.engine.lease import RENEW_SECONDS
from regent_operator.engine.queue import Priority
from regent_operator.engine.resources import AGENTS, POLICIES, ROUTES, Key
from regent_operator.settings import Settings
from regent_operator.signing import Signer
from tests.fakes.ports import held_port

FIRST, SECOND, THIRD = (Key(AGENTS.kind, "acme", name) for name in ("first", "second", "third"))


class Leader:
    """An engine that knows all that it needs, and leads."""

    def __init__(self) -> None:
        self.now = 1000.0
        settings = Settings("regent-system", "runtime:1", "/keys", metrics_host="127.0.0.1", metrics_port=0)
        self.engine = Engine(settings, ClusterAccess("http://127.0.0.1:1"), Signer.new())
        self.engine.queue._clock = self.engine.leadership._clock = lambda: self.now
        self.engine.reflectors = []
        for resource in (AGENTS, POLICIES, ROUTES):
            self.engine.store.took_list(resource)
        self.engine.facts.known.set()
        self.engine.leadership.held.set()
        self.passes(0.0)

    def passes(self, seconds: float, *, looked_at_the_lease: bool = True) -> None:
        self.now += seconds
        if looked_at_the_lease:
            self.engine.leadership._attempted_at = self.engine.leadership._renewed_at = self.now

    async def page(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.engine._health.port}{path}"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status, await answer.text()

    async def figure(self, name: str) -> float:
        lines = (await self.page("/metrics"))[1].splitlines()
        return next(float(line.removeprefix(f"{name} ")) for line in lines if line.startswith(f"{name} "))


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_probes_are_heard_from_both_families() -> None:
    with held_port() as port:
        settings = Settings("regent-system", "runtime:1", "/keys", metrics_port=port)
        made = Engine(settings, ClusterAccess("http://127.0.0.1:1"), Signer.new())
        async with made._health, aiohttp.ClientSession() as http:
            for host in ("127.0.0.1", "[::1]"):
                assert (await http.get(f"http://{host}:{made._health.port}/livez")).status in {200, 503}


@pytest.fixture
async def leader() -> AsyncIterator[Leader]:
    made = Leader()
    async with made.engine._health:
        yield made


async def test_a_key_that_is_held_and_not_let_go_is_no_progress(leader: Leader) -> None:
    leader.engine.queue.add(FIRST)
    assert leader.engine.queue.take() == FIRST
    leader.passes(180.0)
    assert await leader.page("/livez") == (200, "ok")
    leader.passes(1.0)
    assert await leader.page("/livez") == (503, "a reconcile has been running for 181 s")
    leader.engine.queue.done(FIRST)
    assert await leader.page("/livez") == (200, "ok")


async def test_a_key_that_is_due_and_nobody_takes_is_no_progress_of_a_leader(leader: Leader) -> None:
    leader.engine.queue.add(FIRST)
    leader.passes(300.0)
    assert await leader.page("/livez") == (200, "ok")
    leader.passes(1.0)
    assert await leader.page("/livez") == (503, "keys are due, and none was taken for 301 s")
    leader.engine.leadership.held.clear()
    assert await leader.page("/livez") == (200, "ok"), "a standby takes none"
    leader.engine.leadership.held.set()
    leader.engine.facts.known.clear()
    assert await leader.page("/livez") == (200, "ok"), "neither does a leader that does not know everything yet"


async def test_a_leader_that_has_more_to_do_than_it_can_is_alive(leader: Leader) -> None:
    """Ten thousand agents are looked at for the first time, in the time that 5,000 were measured to take."""
    queue = leader.engine.queue
    for number in range(10_000):
        queue.add(Key(AGENTS.kind, "acme", f"a{number}"))
    for _ in range(10_000):
        key = queue.take()
        assert key is not None
        leader.passes(202 / 5000)
        queue.done(key)
        if queue.oldest_seconds > 300.0:
            break
    assert queue.oldest_seconds > 300.0
    assert await leader.page("/livez") == (200, "ok")


async def test_a_lease_that_nobody_looks_at_is_no_progress(leader: Leader) -> None:
    leader.passes(60.0, looked_at_the_lease=False)
    assert await leader.page("/livez") == (200, "ok")
    leader.passes(1.0, looked_at_the_lease=False)
    assert await leader.page("/livez") == (503, "the lease was last looked at 61 s ago")


async def test_the_queues_figures_are_those_of_the_queue(leader: Leader) -> None:
    depth, oldest = "regent_operator_queue_depth", "regent_operator_queue_oldest_seconds"
    assert (await leader.figure(depth), await leader.figure(oldest)) == (0.0, 0.0)
    leader.engine.queue.add(FIRST)
    leader.passes(4.0)
    leader.engine.queue.add(SECOND)
    leader.engine.queue.add(THIRD, Priority.RESYNC, 3600.0)
    leader.passes(3.0)
    assert (await leader.figure(depth), await leader.figure(oldest)) == (2.0, 7.0)
    assert leader.engine.queue.take() == FIRST
    assert (await leader.figure(depth), await leader.figure(oldest)) == (1.0, 3.0)


async def test_who_leads_says_so_for_as_long_as_its_lease_is_its_own(leader: Leader) -> None:
    name = "regent_operator_leader"
    assert await leader.figure(name) == 1.0
    leader.passes(RENEW_SECONDS, looked_at_the_lease=False)
    assert await leader.figure(name) == 0.0, "it may not write any more"
    leader.passes(0.0)
    assert await leader.figure(name) == 1.0
    leader.engine.leadership.held.clear()
    assert await leader.figure(name) == 0.0
