"""Calls that run at the same time and end together."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. When one fails, the others are cancelled and have ended before its error is raised."""
    several = list(calls)
    if len(several) < 2:  # most often there is none, and a group of tasks costs more than one call
        return [await call for call in several]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in several]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
