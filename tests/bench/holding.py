"""How long the event loop is held: what other turns wait for while a text is screened."""

import asyncio
import time
from collections.abc import Awaitable, Callable

ROUNDS = 3


def longest_hold(work: Callable[[], Awaitable[object]]) -> float:
    """CPU milliseconds of the loop's thread between two of its turns, at most; of the best of some rounds."""
    return min(asyncio.run(_longest(work)) for _ in range(ROUNDS)) * 1e3


async def _longest(work: Callable[[], Awaitable[object]]) -> float:
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    beside = asyncio.create_task(others())
    await asyncio.sleep(0)
    await work()
    beside.cancel()
    return longest
