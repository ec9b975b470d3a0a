"""What Redis alone can get wrong: its keys, its clock, its scripts, and several replicas at once."""

import asyncio
from pathlib import Path

from regent_api.types import Sensitivity
from regent_runtime.state.contract import (
    MOST_MEANING_BYTES,
    Approval,
    Conversation,
    Meaning,
    Period,
    Purse,
    Slots,
    Visit,
    Window,
)
from regent_runtime.state.shared import RedisState
from tests.contract.redis_server import redis_server
from tests.contract.states import AGENT, link, redis_world
from tests.rows import row

HOUR = Window("caller", 1000, 3600.0)


async def test_every_key_expires(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        await state.take([HOUR, Slots("caller", 5, 60.0)], "t")
        await state.keep_answer("q", "ann", b"yes", 60, Meaning("log", b"meant"))
        await state.begin(Conversation("c-1", "ann", Sensitivity.PUBLIC, "n"), Visit("one", 120.0))
        await state.propose(Approval("a-1", "x", "ann", b"asked"), 60)
        await state.reserve([Purse("agent", 10, Period.DAY)], "h", 1, 1, 60)
        for key in await server.ask("KEYS", "*"):
            assert key.startswith("regent:{demo/helper}:")
            assert int(await server.ask("TTL", key)) > 0
        await state.close()


async def test_three_replicas_at_100_requests_a_second_let_in_what_one_would(tmp_path: Path) -> None:
    """Each of three limiters is asked 100 times a second for four seconds; the limit is 100 a second for all."""
    window = Window("caller", 100, 1.0)
    async with redis_world(tmp_path) as world:
        replicas = [world.another() for _ in range(3)]
        let_in: list[int] = []
        for tick in range(400):
            waits = await asyncio.gather(*(replica.take([window], "t") for replica in replicas))
            let_in += [tick] * waits.count((0.0,))
            await world.advance(0.01)
        busiest = max(sum(start <= moment < start + 100 for moment in let_in) for start in let_in)
    assert abs(len(let_in) - 400) <= 1
    assert busiest <= 101


async def test_three_replicas_asked_at_once_let_in_what_one_would(tmp_path: Path) -> None:
    """Of 600 requests on a window of 100, on the server's own clock, exactly 100 are let in."""
    async with redis_server(tmp_path) as server:
        replicas = [RedisState(link(server.url), AGENT) for _ in range(3)]
        window = Window("caller", 100, 3600.0)
        waits = await asyncio.gather(*(replicas[n % 3].take([window], f"t{n}") for n in range(600)))
        assert waits.count((0.0,)) == 100
        for replica in replicas:
            await replica.close()


@row("it is told to forget its scripts")
async def test_a_server_that_forgot_the_scripts_is_told_them_again(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        assert await state.take([HOUR], "t") == (0.0,)
        await server.ask("SCRIPT", "FLUSH")
        assert await state.take([HOUR], "t") == (0.0,)
        await state.close()


async def test_a_clock_that_is_set_back_lets_nobody_in_sooner(tmp_path: Path) -> None:
    minute = Window("caller", 2, 60.0)
    async with redis_world(tmp_path) as world:
        await world.state.take([minute], "t")
        await world.advance(10)
        await world.state.take([minute], "t")
        await world.advance(-500)
        assert await world.state.take([minute], "t") == (50.0,)
        await world.advance(540)
        assert await world.state.take([minute], "t") == (10.0,)
        await world.advance(10)
        assert await world.state.take([minute], "t") == (0.0,)


async def test_a_conversation_that_another_callers_pushes_out_counts_for_its_owner_no_more(tmp_path: Path) -> None:
    async with redis_world(tmp_path) as world:
        state = world.another(most_conversations=2, most_of_an_owner=2)
        for name in ("a-1", "b-1", "b-2"):
            await state.begin(Conversation(name, name[0], Sensitivity.PUBLIC, "n"), Visit("one", 120.0))
            await world.advance(1)
        assert int(await world.server.ask("ZCARD", "regent:{demo/helper}:owned:a")) == 0
        assert int(await world.server.ask("ZCARD", "regent:{demo/helper}:owned:b")) == 2


async def test_a_conversation_is_in_the_server_no_longer_than_it_was_given(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        await state.begin(Conversation("c-1", "ann", Sensitivity.PUBLIC, "n"), Visit("one", 120.0))
        await state.shorten("c-1", "ann", 60)
        assert 0 < int(await server.ask("PTTL", "regent:{demo/helper}:conversation:c-1")) <= 60_000
        await state.close()


async def test_approvals_that_were_discarded_leave_their_places_to_others(tmp_path: Path) -> None:
    async with redis_world(tmp_path) as world:
        state = world.another(most_approvals=1)
        await state.propose(Approval("a-1", "x", "ann", b""), 60)
        assert await state.discard_approvals("ann") == 1
        assert await state.propose(Approval("b-1", "x", "bob", b""), 60)


async def test_where_there_is_no_room_for_a_conversation_the_least_recently_used_goes(tmp_path: Path) -> None:
    async with redis_world(tmp_path) as world:
        state = world.another(most_conversations=3, most_of_an_owner=2)
        for name in ("a-1", "b-1", "c-1"):
            await state.begin(Conversation(name, name[0], Sensitivity.PUBLIC, "n"), Visit("one", 120.0))
            await world.advance(1)
        await state.recall("a-1", "a")
        await state.begin(Conversation("d-1", "d", Sensitivity.PUBLIC, "n"), Visit("one", 120.0))
        left = [await state.recall(name, name[0]) is not None for name in ("a-1", "b-1", "c-1", "d-1")]
        assert left == [True, False, True, True]
        assert int(await world.server.ask("ZCARD", "regent:{demo/helper}:conversations")) == 3


async def test_what_an_answer_means_lives_no_longer_than_the_answer(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        await state.keep_answer("q", "ann", b"yes", 60, Meaning("log", b"meant"))
        for key in ("answer:q", "answer:q:meaning"):
            assert 0 < int(await server.ask("PTTL", f"regent:{{demo/helper}}:{key}")) <= 60_000
        await state.discard_answers("ann")
        assert await server.ask("KEYS", "*") == ["regent:{demo/helper}:answers:sizes"]
        assert await server.ask("HKEYS", "regent:{demo/helper}:answers:sizes") == ["all"]
        await state.close()


async def test_a_new_meaning_comes_after_what_was_read_also_when_the_clock_is_set_back(tmp_path: Path) -> None:
    async with redis_world(tmp_path) as world:
        await world.state.keep_answer("q", "ann", b"yes", 60, Meaning("log", b"one"))
        read = await world.state.meanings("log")
        await world.advance(-10)
        await world.state.keep_answer("r", "ann", b"yes", 60, Meaning("log", b"two"))
        assert (await world.state.meanings("log", read.reached)).contents == [b"two"]


async def test_what_somebody_else_wrote_into_a_log_is_read_within_bounds_or_not_at_all(tmp_path: Path) -> None:
    async with redis_world(tmp_path) as world:
        await world.state.keep_answer("q", "ann", b"yes", 60, Meaning("log", b"one"))
        await world.server.ask("SET", "regent:{demo/helper}:answer:q:meaning", "x" * 1_000_000)
        await world.server.ask("ZADD", "regent:{demo/helper}:answer:log:meanings", "inf", "nobody's")
        read = await world.state.meanings("log")
        assert read.contents == [b"x" * MOST_MEANING_BYTES]
        assert (await world.state.meanings("log", read.reached)).contents == []
        await world.state.keep_answer("r", "ann", b"yes", 60, Meaning("log", b"two"))
        assert (await world.state.meanings("log")).contents == [b"x" * MOST_MEANING_BYTES, b"two"]
