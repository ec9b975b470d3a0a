import asyncio

import pytest

from regent_runtime.lifecycle import CallerGone, RunningTurn
from tests.fakes import configs

SNAPSHOT = configs.config()


async def test_a_turn_that_is_ended_raises_what_it_was_ended_with() -> None:
    turn = RunningTurn(SNAPSHOT)  # held, and not looked at

    async def run() -> None:
        with turn:
            turn.end(CallerGone())
            await asyncio.sleep(60)

    with pytest.raises(CallerGone):
        await run()
    assert asyncio.current_task().cancelling() == 0


async def test_ending_a_turn_that_has_ended_does_nothing_to_its_task() -> None:
    turn = RunningTurn(SNAPSHOT)  # as above
    with turn:
        pass
    turn.end(CallerGone())
    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0
