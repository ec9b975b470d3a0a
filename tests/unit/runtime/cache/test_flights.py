"""Single flight: one asks, the others wait, and nobody waits for nobody."""

import asyncio
from collections.abc import Callable

import pytest

from regent_runtime.cache.entry import Entry
from regent_runtime.cache.flights import Flights

YES = Entry("yes", "one", "one-model", "0.5")
NAME = b"question"


class Turn:
    """Takes part in a flight, and asks where nobody else does."""

    def __init__(self, flights: Flights, got: Entry | Exception | None = YES, patience: float = 60.0) -> None:
        self.asked = False
        self.shared: Entry | None = None
        self.may_end = asyncio.Event()
        self._got = got
        self.task = asyncio.create_task(self._run(flights, patience))

    async def _run(self, flights: Flights, patience: float) -> None:
        with await flights.join(NAME, patience) as seat:
            self.shared = seat.entry
            if seat.entry is None:
                self.asked = True
                await self.may_end.wait()
                if isinstance(self._got, Exception):
                    raise self._got
                seat.land(self._got)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def begun(*make: Callable[[], Turn]) -> list[Turn]:
    turns = []
    for each in make:
        turns.append(each())
        await settle()
    return turns


async def test_a_turn_alone_asks() -> None:
    (turn,) = await begun(lambda: Turn(Flights()))
    turn.may_end.set()
    await turn.task
    assert turn.asked


async def test_of_many_equal_turns_one_asks_and_all_have_its_answer() -> None:
    flights = Flights()
    leader, *others = await begun(*[lambda: Turn(flights)] * 5)
    assert [each.asked for each in (leader, *others)] == [True, False, False, False, False]
    leader.may_end.set()
    await asyncio.gather(*(each.task for each in (leader, *others)))
    assert [each.shared for each in others] == [YES] * 4


async def test_after_a_flight_has_landed_the_next_turn_asks_anew() -> None:
    flights = Flights()
    for _ in range(2):
        (turn,) = await begun(lambda: Turn(flights))
        turn.may_end.set()
        await turn.task
        assert turn.asked


async def test_one_that_leaves_hands_over_to_the_next() -> None:
    flights = Flights()
    first, second, third = await begun(*[lambda: Turn(flights)] * 3)
    first.task.cancel()
    await settle()
    assert (second.asked, third.asked) == (True, False)
    second.may_end.set()
    await asyncio.gather(second.task, third.task)
    assert third.shared == YES


async def test_one_that_leaves_while_it_waits_is_passed_over() -> None:
    flights = Flights()
    first, second, third = await begun(*[lambda: Turn(flights)] * 3)
    second.task.cancel()
    await settle()
    first.task.cancel()
    await settle()
    assert third.asked
    third.may_end.set()
    await third.task


async def test_one_that_leaves_in_the_moment_in_which_it_would_take_over_hands_on() -> None:
    flights = Flights()
    first, second, third = await begun(*[lambda: Turn(flights)] * 3)
    first.task.cancel()
    await asyncio.sleep(0)  # it has handed over, and the second has not run yet
    second.task.cancel()
    await settle()
    assert (second.asked, third.asked) == (False, True)
    third.may_end.set()
    await third.task


@pytest.mark.parametrize("got", [None, ValueError()])
async def test_where_there_is_nothing_to_share_all_others_ask_at_once(got: Exception | None) -> None:
    flights = Flights()
    first, second, third = await begun(lambda: Turn(flights, got), *[lambda: Turn(flights)] * 2)
    first.may_end.set()
    await asyncio.gather(first.task, return_exceptions=True)
    await settle()
    assert (second.asked, third.asked) == (True, True)
    for each in (second, third):
        each.may_end.set()
        await each.task


async def test_nobody_waits_longer_than_it_may() -> None:
    flights = Flights()
    first, second = await begun(lambda: Turn(flights), lambda: Turn(flights, patience=0.0))
    async with asyncio.timeout(60):
        while not second.asked:  # noqa: ASYNC110 - it looks from outside
            await asyncio.sleep(0)
    await finished(first, second)


async def finished(*turns: Turn) -> None:
    for each in turns:
        each.may_end.set()
        await each.task


async def test_nothing_is_left_of_flights_that_have_ended() -> None:
    flights = Flights()
    turns = await begun(*[lambda: Turn(flights)] * 3)
    for each in turns:
        each.task.cancel()
    await asyncio.gather(*(each.task for each in turns), return_exceptions=True)
    assert flights._open == {}
