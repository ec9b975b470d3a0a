"""One attempt over a channel that a test holds."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from regent_api.config import TimeoutsConfig
from regent_runtime.route.attempt import attempt
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import Outbound
from tests.fakes.provider import chunk

PATIENT = TimeoutsConfig(connect=60, first_token=60, idle=60, attempt=60, total=60)
MOST_STEPS = 8


class Held:
    """transport.Channel: `head` and each part come when the test says so."""

    def __init__(self) -> None:
        self.head = asyncio.Event()
        self.parts: asyncio.Queue[bytes] = asyncio.Queue()
        self.opened = self.closed = False

    async def post(self, outbound: Outbound, accept: str, key: object) -> Any:
        self.opened = True
        try:
            await self.head.wait()
        except asyncio.CancelledError:
            self.closed = True
            raise
        return _Reply(self)


class _Reply:
    status, content_type, encoding = 200, "text/event-stream", "identity"

    def __init__(self, held: Held) -> None:
        self._held = held

    async def part(self) -> bytes:
        return await self._held.parts.get()

    async def close(self) -> None:
        self._held.closed = True


def attempted(held: Held) -> AsyncGenerator[Chunk]:
    return attempt(
        held,  # the part of it that is used
        ChatCompletions(),
        Outbound("/chat/completions", b"{}"),
        key=None,
        stream=True,
        output_cap=10,
        offered=(),
        timeouts=PATIENT,
    )


async def steps_until(holds: Any) -> int:
    """Rounds of the event loop; what needs none of time takes only few."""
    for step in range(MOST_STEPS + 1):
        if holds():
            return step
        await asyncio.sleep(0)
    return MOST_STEPS + 1


@pytest.mark.parametrize("where", ["before the head", "before the first word", "after a word"])
async def test_a_turn_that_ends_closes_the_connection_at_once(where: str) -> None:
    held, got = Held(), []

    async def read() -> None:
        got.extend([each.content async for each in attempted(held)])

    reading = asyncio.create_task(read())
    assert await steps_until(lambda: held.opened) <= MOST_STEPS
    if where != "before the head":
        held.head.set()
    if where == "after a word":
        held.parts.put_nowait(chunk({"content": "Hi"}))
    await steps_until(lambda: False)
    assert not held.closed
    reading.cancel()
    assert await steps_until(lambda: held.closed) <= MOST_STEPS
    assert await steps_until(reading.done) <= MOST_STEPS


async def test_a_stream_that_waits_holds_nothing_of_what_has_come() -> None:
    """A provider may send much at once, and then nothing for minutes, on a thousand connections."""
    held, got, part = Held(), [], chunk({"content": "Hi"}) * 20
    alone = sys.getrefcount(part)

    async def read() -> None:
        got.extend([each.content async for each in attempted(held)])

    held.head.set()
    reading = asyncio.create_task(read())
    held.parts.put_nowait(part)
    await steps_until(held.parts.empty)
    await steps_until(lambda: False)
    assert not reading.done()
    assert sys.getrefcount(part) == alone
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
