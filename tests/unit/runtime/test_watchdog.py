"""Waits that end in time, on a loop whose time a test holds."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from regent_runtime.watchdog import Watchdog, Within


class Loop(asyncio.SelectorEventLoop):
    """Where nothing is left to do, its time goes on to the next timer."""

    now = 100.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        own: Any = self
        if not own._ready and own._scheduled:
            self.now = max(self.now, own._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]  # asyncio's own, and in no stub


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(coroutine)


async def waited(watchdog: Watchdog, seconds: float, until: float) -> str:
    watchdog.begin(until)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if watchdog.bit():
            return f"bitten at {asyncio.get_running_loop().time():g}"
        raise
    finally:
        watchdog.until = float("inf")
    return f"whole at {asyncio.get_running_loop().time():g}"


def test_a_wait_ends_at_its_moment_and_no_other_wait_of_the_task_before_its_own() -> None:
    async def turn() -> list[str]:
        with Watchdog() as watchdog:
            return [
                await waited(watchdog, 5, 110),
                await waited(watchdog, 20, 130),
                await waited(watchdog, 20, 128),
                await waited(watchdog, 3, 140),
            ]

    assert run(turn()) == ["whole at 105", "whole at 125", "bitten at 128", "whole at 131"]


def test_between_waits_nobody_is_bitten() -> None:
    async def turn() -> str:
        with Watchdog() as watchdog:
            await waited(watchdog, 1, 105)
            await asyncio.sleep(50)
            return await waited(watchdog, 1, 160)

    assert run(turn()) == "whole at 152"


def test_who_ends_the_task_meanwhile_is_not_taken_for_the_watchdog() -> None:
    async def turn() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_at(104, task.cancel)
        with Watchdog() as watchdog:
            await waited(watchdog, 20, 110)

    with pytest.raises(asyncio.CancelledError):
        run(turn())


def test_a_block_ends_at_its_moment_and_the_task_goes_on() -> None:
    async def turn() -> tuple[float, int]:
        with pytest.raises(TimeoutError), Within(7):
            await asyncio.sleep(20)
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time(), task.cancelling()

    assert run(turn()) == (108, 0)


def test_of_two_blocks_whose_moment_is_the_same_the_outer_one_tells() -> None:
    class Outer(Within):
        def over(self) -> Exception:
            return LookupError("outer")

    async def turn() -> int:
        with pytest.raises(LookupError), Outer(5), Within(5):
            await asyncio.sleep(20)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run(turn()) == 0


def test_an_error_of_the_block_is_its_own_and_no_timer_is_left() -> None:
    async def turn() -> float:
        with pytest.raises(KeyError), Within(5):
            raise KeyError
        await asyncio.sleep(20)
        return asyncio.get_running_loop().time()

    assert run(turn()) == 120
