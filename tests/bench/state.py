"""What limits cost a turn: two windows and a set of slots, taken and given back, beside a bare PING of the same Redis."""

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from regent_runtime.state.contract import Slots, State, Window
from regent_runtime.state.pod import PodState
from regent_runtime.state.shared import RedisState
from tests.contract.redis_server import redis_server
from tests.contract.states import AGENT, link

TURNS = 5000
AT_ONCE = 64
CALLERS = 50


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with redis_server(Path(folder)) as server:
            connection = link(server.url)
            redis = RedisState(connection, AGENT)

            async def ping(_: int) -> None:
                await connection.call("PING")
                await connection.call("PING")

            rows = [
                ("bare PING, twice", ping),
                ("pod", lambda number: turn(PODS, number)),
                ("Redis", lambda number: turn(redis, number)),
            ]
            print("us a turn        wall, one at a time   wall, 64 at once   CPU of this process")  # noqa: T201
            for name, run in rows:
                alone, _ = await measured(run, 1)
                together, cpu = await measured(run, AT_ONCE)
                print(f"{name:16} {alone:20.0f} {together:18.0f} {cpu:21.0f}")  # noqa: T201
            await redis.close()


PODS: State = PodState()


async def turn(state: State, number: int) -> None:
    caller = f"caller-{number % CALLERS}"
    wants = [Window(caller, 100, 60.0), Window(caller, 1000, 3600.0), Slots(caller, 1000, 60.0)]
    await state.take(wants, f"turn-{number}")
    await state.give_back([caller], f"turn-{number}")


async def measured(run: Callable[[int], Awaitable[None]], at_once: int) -> tuple[float, float]:
    """Microseconds a turn: wall time, and CPU of this process."""

    async def worker(first: int) -> None:
        for number in range(first, TURNS, at_once):
            await run(number)

    began, used = time.perf_counter(), _cpu()
    await asyncio.gather(*(worker(first) for first in range(at_once)))
    return (time.perf_counter() - began) / TURNS * 1e6, (_cpu() - used) / TURNS * 1e6


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asyncio.run(main())
