"""Waiting for what a test cannot be told of."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
WAIT_SECONDS = 60


async def eventually(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool] = bool) -> T:
    """What `look` finds, once it holds."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds(found := await look()):  # noqa: ASYNC110 - it looks from outside
            await asyncio.sleep(0.02)
    return found
