"""Purses: one contract, two implementations, and the laws of money on both: nothing is ever spent beyond a purse."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regent_runtime.state.contract import CONVERSATION_SECONDS, Period, Purse, Reservation
from regent_runtime.state.shared import RedisState
from tests.contract.redis_server import redis_server
from tests.contract.states import AGENT, PodWorld, World, link

TALK = Purse("talk", 100, Period.CONVERSATION)
DAY = Purse("agent", 1000, Period.DAY)
MONTH = Purse("agent", 5000, Period.MONTH)
LEASE = 60.0


async def left(world: World, *purses: Purse) -> tuple[int, ...]:
    """What each purse has, without taking anything."""
    beyond = 10**15
    return (await world.state.reserve(purses, "looks", beyond, beyond, LEASE)).left


async def test_what_is_reserved_is_gone_until_it_is_settled(world: World) -> None:
    assert await world.state.reserve([TALK], "a", 60, 60, LEASE) == Reservation(60, (100,))
    assert await left(world, TALK) == (40,)
    assert await world.state.settle("a", 25)
    assert await left(world, TALK) == (75,)


async def test_a_reservation_shrinks_to_what_is_left_and_no_further_than_it_may(world: World) -> None:
    await world.state.reserve([TALK], "a", 60, 60, LEASE)
    assert await world.state.reserve([TALK], "b", 10, 60, LEASE) == Reservation(40, (40,))
    assert await world.state.reserve([TALK], "c", 1, 60, LEASE) == Reservation(None, (0,))


async def test_out_of_all_purses_or_out_of_none(world: World) -> None:
    small = Purse("other", 30, Period.CONVERSATION)
    assert await world.state.reserve([TALK, small, DAY], "a", 31, 50, LEASE) == Reservation(None, (100, 30, 1000))
    assert await left(world, TALK, small, DAY) == (100, 30, 1000)
    assert await world.state.reserve([TALK, small, DAY], "b", 30, 50, LEASE) == Reservation(30, (100, 30, 1000))
    assert await left(world, TALK, small, DAY) == (70, 0, 970)
    assert await world.state.settle("b", 0)
    assert await left(world, TALK, small, DAY) == (100, 30, 1000)


async def test_nothing_may_be_reserved_where_nothing_is_needed(world: World) -> None:
    assert await world.state.reserve([Purse("empty", 0, Period.DAY)], "a", 0, 0, LEASE) == Reservation(0, (0,))


async def test_a_reservation_is_settled_once(world: World) -> None:
    await world.state.reserve([TALK], "a", 60, 60, LEASE)
    assert await world.state.settle("a", 10)
    assert not await world.state.settle("a", 10)
    assert not await world.state.settle("unknown", 0)
    assert await left(world, TALK) == (90,)


async def test_what_is_not_settled_in_time_stays_spent(world: World) -> None:
    await world.state.reserve([TALK], "a", 60, 60, LEASE)
    await world.advance(LEASE)
    assert not await world.state.settle("a", 10)
    assert await left(world, TALK) == (40,)


async def test_a_cost_beyond_the_reservation_is_spent_too(world: World) -> None:
    await world.state.reserve([TALK], "a", 60, 60, LEASE)
    assert await world.state.settle("a", 130)
    assert await left(world, TALK) == (-30,), "by how much is told"
    assert await world.state.reserve([TALK], "b", 0, 0, LEASE) == Reservation(0, (-30,)), "what is free is paid"
    assert await world.state.reserve([TALK], "c", 1, 1, LEASE) == Reservation(None, (-30,))


async def test_a_minute_begins_anew_with_the_next_one(world: World) -> None:
    minute = Purse("provider", 100, Period.MINUTE)
    await world.state.reserve([minute], "a", 60, 60, LEASE)
    await world.advance(60)
    assert await left(world, minute) == (100,)
    await world.state.reserve([minute], "b", 100, 100, LEASE)
    assert await left(world, minute) == (0,)
    assert await world.state.settle("b", 30)
    assert await left(world, minute) == (70,)


async def test_a_lower_cap_counts_what_was_spent_under_the_higher_one(world: World) -> None:
    await world.state.reserve([TALK], "a", 60, 60, LEASE)
    assert await left(world, Purse("talk", 70, Period.CONVERSATION), Purse("talk", 50, Period.CONVERSATION)) == (
        10,
        -10,
    )


async def test_a_conversation_is_forgotten_a_day_after_it_was_last_spent_from(world: World) -> None:
    await world.state.reserve([TALK], "a", 60, 60, LEASE)
    await world.advance(CONVERSATION_SECONDS / 2)
    await world.state.reserve([TALK], "b", 10, 10, LEASE)
    await world.advance(CONVERSATION_SECONDS / 2)
    assert await left(world, TALK) == (30,)


async def test_in_a_redis_the_purse_of_a_turn_lives_no_longer_than_the_turn_may(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        await state.reserve([Purse("turn", 100, Period.TURN)], "a", 10, 10, 200.0)
        (key,) = await server.ask("KEYS", "*:purse:*")
        assert 200 <= int(await server.ask("TTL", key)) <= 300
        await state.close()


def began(world: World) -> float:
    """Seconds since 1970 on the clock of a world in which no time has passed."""
    return 1000.0 if isinstance(world, PodWorld) else 1_700_000_000.0


@pytest.mark.parametrize(("period", "seconds"), [(Period.MINUTE, 60), (Period.DAY, 86_400)])
async def test_minutes_and_days_are_those_of_the_clock(world: World, period: Period, seconds: int) -> None:
    purse = Purse("agent", 100, period)
    await world.state.reserve([purse], "a", 60, 60, LEASE)
    await world.advance(seconds - began(world) % seconds - 1)
    assert await left(world, purse) == (40,)
    await world.advance(1)
    assert await left(world, purse) == (100,)


async def test_a_day_begins_anew_at_midnight_and_the_month_goes_on(world: World) -> None:
    await world.state.reserve([DAY, MONTH], "a", 700, 700, LEASE)
    await world.advance(86_400)
    assert await left(world, DAY, MONTH) == (1000, 4300)


async def test_what_is_settled_after_midnight_comes_back_to_the_day_that_it_was_taken_from(world: World) -> None:
    await world.state.reserve([DAY], "a", 700, 700, 2 * 86_400.0)
    await world.advance(86_400)
    await world.state.reserve([DAY], "b", 100, 100, LEASE)
    assert await world.state.settle("a", 0)
    assert await left(world, DAY) == (900,)


async def test_a_month_is_the_calendars(world: World) -> None:
    """Over five years, a day at a time: spent on each day, whole again on each first."""
    purse = Purse("agent", 31, Period.MONTH)
    for day in range(5 * 366):
        today = datetime.fromtimestamp(began(world) + day * 86_400, UTC)
        granted = await world.state.reserve([purse], f"d{day}", 1, 1, 1.0)
        so_far = today.day - 1 if day >= 31 else None
        if so_far is not None:
            assert granted.left == (31 - so_far,), today
        await world.advance(86_400)


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_nothing_is_spent_beyond_a_purse(world: World, seed: int) -> None:
    """Three replicas, many turns: reserve, and then settle, settle twice, or never."""
    chance = random.Random(seed)
    replicas = [world.state, world.another(), world.another()]
    spent = {"talk-0": 0, "talk-1": 0, "agent": 0}

    async def attempt(number: int) -> None:
        state, talk = chance.choice(replicas), f"talk-{number % 2}"
        purses = [Purse(talk, 2000, Period.CONVERSATION), Purse("agent", 3000, Period.DAY)]
        most = chance.randint(1, 200)
        granted = (await state.reserve(purses, f"{seed}-{number}", chance.randint(1, most), most, LEASE)).granted
        if granted is None:
            return
        cost = chance.randint(0, granted)
        fate = chance.random()
        if fate < 0.8:
            assert await chance.choice(replicas).settle(f"{seed}-{number}", cost)
        if fate < 0.1:
            await state.settle(f"{seed}-{number}", 0)
        booked = cost if fate < 0.8 else granted
        for bucket in (talk, "agent"):
            spent[bucket] += booked

    for wave in range(4):
        await asyncio.gather(*(attempt(wave * 64 + number) for number in range(64)))
    for talk in ("talk-0", "talk-1"):
        assert spent[talk] <= 2000
    assert spent["agent"] <= 3000
    talks = [Purse("talk-0", 2000, Period.CONVERSATION), Purse("talk-1", 2000, Period.CONVERSATION)]
    assert await left(world, *talks, Purse("agent", 3000, Period.DAY)) == (
        2000 - spent["talk-0"],
        2000 - spent["talk-1"],
        3000 - spent["agent"],
    )
