"""One attempt over a channel that a test holds."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from regent_api.config import TimeoutsConfig
from regent_runtime.route.attempt import BYTES_PER_TOKEN, LARGEST_PLAIN_ANSWER, attempt
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import Outbound
from tests.fakes import virtual_time
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


def attempted(held: Held, timeouts: TimeoutsConfig = PATIENT) -> AsyncGenerator[Chunk]:
    return attempt(
        held,  # the part of it that is used
        ChatCompletions(),
        Outbound("/chat/completions", b"{}"),
        key=None,
        stream=True,
        output_cap=10,
        offered=(),
        timeouts=timeouts,
    )


async def test_a_plain_answer_has_a_ceiling_that_does_not_grow_with_its_cap() -> None:
    asked: list[int] = []

    class Plain:
        status, content_type, encoding = 200, "application/json", "identity"

        async def post(self, *_: Any) -> Any:
            return self

        async def whole(self, most_bytes: int) -> bytes:
            asked.append(most_bytes)
            return b'{"choices": [{"index": 0, "message": {"content": "Hi."}, "finish_reason": "stop"}]}'

        async def close(self) -> None:
            pass

    for cap in (10, 20, 10**6, 10**7):
        outbound = Outbound("/chat/completions", b"{}", echoed=500)
        plain = {"key": None, "stream": False, "output_cap": cap, "offered": (), "timeouts": PATIENT}
        assert [chunk.content async for chunk in attempt(Plain(), ChatCompletions(), outbound, **plain)] == ["Hi."]
    assert asked[1] - asked[0] == 10 * BYTES_PER_TOKEN
    assert asked[2:] == [LARGEST_PLAIN_ANSWER + 500] * 2


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


WORD = chunk({"content": "word "})
COUNTED = {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}


async def chunks_of(part: bytes) -> list[Chunk]:
    """Of an answer that comes in one read."""
    held = Held()
    held.head.set()
    held.parts.put_nowait(part)
    return [each async for each in attempted(held)]


async def test_words_of_one_read_are_one_chunk() -> None:
    spoken, whole = await chunks_of(chunk({"role": "assistant"}) + WORD * 3 + END)
    assert (spoken.content, whole.finish_reason) == ("word " * 3, "stop")


async def test_of_figures_that_come_with_words_the_last_count() -> None:
    more = {"usage": {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}}
    spoken, _ = await chunks_of(chunk({"content": "a"}, **COUNTED) + chunk({"content": "b"}, **more) + WORD + END)
    assert spoken.content == "abword "
    assert spoken.usage is not None
    assert spoken.usage.completion_tokens == 9


async def test_what_is_no_word_keeps_its_place_between_words() -> None:
    thought, figures = chunk({"reasoning": "Hm"}), chunk({"role": "assistant"}, **COUNTED)
    found = await chunks_of(WORD * 2 + thought + WORD + figures + WORD * 2 + chunk({"refusal": "No"}) + WORD + END)
    assert [(each.content, each.refusal, each.working, each.usage is not None) for each in found[:-1]] == [
        ("word word ", "", False, False),
        ("", "", True, False),
        ("word ", "", False, False),
        ("", "", False, True),
        ("word word ", "", False, False),
        ("", "No", False, False),
        ("word ", "", False, False),
    ]


@pytest.mark.parametrize("fails", [b"data: {\n\n", b'data: {"error": {"code": "overloaded"}}\n\n'])
async def test_words_before_a_failure_in_the_same_read_are_heard(fails: bytes) -> None:
    held = Held()
    held.head.set()
    held.parts.put_nowait(WORD * 2 + fails)
    answer = attempted(held)
    assert (await anext(answer)).content == "word word "
    with pytest.raises(ProviderError):
        await anext(answer)


HURRIED = TimeoutsConfig(connect=2, first_token=20, idle=15, attempt=60, total=600)
END = chunk({}, "stop") + b"data: [DONE]\n\n"


async def read(*parts: tuple[float, bytes], reading: float = 0) -> list[str]:
    """What is said of parts that come so many seconds after each other, by a caller who takes so long to read a word."""
    held, said = Held(), []
    held.head.set()

    async def send() -> None:
        for after, part in parts:
            await asyncio.sleep(after)
            held.parts.put_nowait(part)

    sending = asyncio.create_task(send())
    try:
        async for each in attempted(held, HURRIED):
            if each.content:
                said.append(each.content)
                await asyncio.sleep(reading)
    finally:
        sending.cancel()
    return said


def test_what_a_caller_takes_to_read_is_no_time_of_the_attempt() -> None:
    words = [(11, chunk({"content": f"{number} "})) for number in range(20)]
    assert len(virtual_time.run(read(*words, (1, END), reading=10))) == 20


@pytest.mark.parametrize(
    ("parts", "failure"),
    [
        ([(14, chunk({"content": "Hi"}))] * 5, Failure.ATTEMPT_TIMEOUT),
        ([(21, chunk({"content": "Hi"}))], Failure.FIRST_TOKEN_TIMEOUT),
        ([(1, chunk({"content": "Hi"})), (16, END)], Failure.IDLE_TIMEOUT),
        ([(14, chunk({"reasoning": "Hm"}))] * 5, Failure.ATTEMPT_TIMEOUT),
        (
            [(5, chunk({"role": "assistant"}, usage={"prompt_tokens": 1, "completion_tokens": 0}))] * 5,
            Failure.FIRST_TOKEN_TIMEOUT,
        ),
    ],
)
def test_what_a_provider_takes_is(parts: list[tuple[float, bytes]], failure: Failure) -> None:
    with pytest.raises(ProviderError) as raised:
        virtual_time.run(read(*parts))
    assert raised.value.failure is failure


def test_a_model_may_think_for_longer_than_its_first_token_may_take() -> None:
    thoughts = [(5, chunk({"reasoning_content": "Hm"}))] * 8
    assert virtual_time.run(read(*thoughts, (5, chunk({"content": "Hi"})), (1, END))) == ["Hi"]
