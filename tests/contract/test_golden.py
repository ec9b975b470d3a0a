"""Answers, streams, errors and usage as OpenAI, Azure OpenAI, Anthropic and xAI document them, read to the last figure.

From which page each is: `golden/README.md`.
"""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.route.classify import failure_of_code, failure_of_reply
from regent_runtime.route.failure import Failure
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, ToolCall, Usage
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import WireFormat
from regent_runtime.wire.messages import Messages
from regent_runtime.wire.responses import Responses
from regent_runtime.wire.sse import EventParser
from regent_runtime.wire.tools_by_schema import ToolsBySchema

GOLDEN = Path(__file__).parent / "golden"
TOLD = b"""{"messages": [{"role": "user", "content": "Hi"}],
"tools": [{"type": "function", "function": {"name": "weather"}}]}"""
FORMATS: dict[str, WireFormat] = {
    "openai": ChatCompletions(),
    "azure": ChatCompletions(),
    "xai": ChatCompletions(),
    "responses": Responses(),
    "messages": Messages(),
    "local": ToolsBySchema(ChatCompletions(), parse(TOLD)),
}
HI = [Chunk(each) for each in ("Hi", " there", "!", " How", " can", " I", " assist", " you", " today", "?")]
COLOR = [Chunk("Color"), Chunk(" is")]

STREAMS = {
    "openai/stream.sse": [
        Chunk("Hello"),
        Chunk("!"),
        Chunk(finish_reason="stop"),
        Chunk(usage=Usage(2006, 300, 2306, cached_tokens=1920, reasoning_tokens=64)),
    ],
    "openai/calls.sse": [
        Chunk(
            finish_reason="tool_calls",
            tool_calls=(ToolCall("weather", {"city": "Paris"}), ToolCall("weather", {"city": "Rome", "days": 2})),
        ),
        Chunk(usage=Usage(82, 34, 116)),
    ],
    "azure/stream.sse": [*COLOR, Chunk(finish_reason="stop"), Chunk(usage=Usage(17, 3, 20))],
    "azure/asynchronous.sse": [*COLOR, Chunk(finish_reason="stop"), Chunk(usage=Usage(17, 3, 20))],
    "azure/cut.sse": [Chunk("Color"), Chunk(finish_reason="content_filter")],
    "local/answer.sse": [
        *(Chunk(each) for each in ("Hello", ",", " World", "!")),
        Chunk(finish_reason="stop"),
        Chunk(usage=Usage(143, 18, 161)),
    ],
    "local/calls.sse": [
        Chunk(
            finish_reason="tool_calls",
            tool_calls=(
                ToolCall("weather", {"city": "Paris", "days": 3}),
                ToolCall("weather", {"city": "Rome", "days": 3}),
            ),
        ),
        Chunk(usage=Usage(143, 74, 217, cached_tokens=55)),
    ],
    "responses/stream.sse": [*HI, Chunk(finish_reason="stop", usage=Usage(37, 11, 48))],
    "responses/refusal.sse": [
        Chunk(refusal="I'm sorry,"),
        Chunk(refusal=" I cannot assist with that request."),
        Chunk(finish_reason="stop", usage=Usage(37, 12, 49)),
    ],
    "responses/incomplete.sse": [*HI[:2], Chunk(finish_reason="length", usage=Usage(37, 2, 39))],
    "messages/stream.sse": [Chunk("Hello"), Chunk("!"), Chunk(finish_reason="stop", usage=Usage(25, 15, 40))],
    "messages/thinking.sse": [
        Chunk("The greatest common divisor is 21."),
        Chunk(finish_reason="stop", usage=Usage(40, 61, 101, reasoning_tokens=45)),
    ],
    "messages/refusal.sse": [Chunk("Hello."), Chunk(finish_reason="content_filter", usage=Usage(30, 22, 52))],
    "messages/calls.sse": [
        Chunk("Okay, let's check"),
        Chunk(" the weather:"),
        Chunk(
            finish_reason="tool_calls",
            usage=Usage(472, 89, 561),
            tool_calls=(
                ToolCall("weather", {"city": "San Francisco", "days": 2}),
                ToolCall("weather", {"city": "Oslo"}),
            ),
        ),
    ],
}
ANSWERS = {
    "openai/answer.json": Chunk(
        "Hello! How can I assist you today?",
        "",
        "stop",
        Usage(2006, 300, 2306, cached_tokens=1920, reasoning_tokens=64),
    ),
    "local/calls.json": Chunk(
        "",
        "",
        "tool_calls",
        Usage(147, 22, 169, cached_tokens=134),
        tool_calls=(ToolCall("weather", {"city": "Rome", "days": 1}),),
    ),
    "azure/answer.json": Chunk("Done.", "", "stop", Usage(20, 1843, 1863, reasoning_tokens=448)),
    "xai/answer.json": Chunk(
        "101 times 3 is 303.", "", "stop", Usage(32, 103, 135, cached_tokens=6, reasoning_tokens=94)
    ),
    "responses/answer.json": Chunk(
        "The capital of France is Paris.",
        "",
        "stop",
        Usage(2048, 1035, 3083, cached_tokens=1920, cache_write_tokens=128, reasoning_tokens=832),
    ),
    "messages/usage.json": Chunk(
        "Hi! My name is Claude.",
        "",
        "stop",
        Usage(100_298, 503, 100_801, cached_tokens=100_000, cache_write_tokens=248, reasoning_tokens=400),
    ),
}
STREAMED_ERRORS = {
    "responses/failed.sse": Failure.SERVER_ERROR,
    "responses/error.sse": Failure.RATE_LIMITED,
    "messages/error.sse": Failure.OVERLOADED,
}
ERRORS = {
    "openai/400-context.json": Failure.CONTEXT_WINDOW,
    "openai/401-key.json": Failure.UNAUTHENTICATED,
    "openai/404-model.json": Failure.NOT_FOUND,
    "openai/429-quota.json": Failure.QUOTA_EXHAUSTED,
    "openai/429-rate.json": Failure.RATE_LIMITED,
    "openai/503-overloaded.json": Failure.SERVER_ERROR,
    "azure/400-content-filter.json": Failure.CONTENT_FILTER,
    "azure/401-key.json": Failure.UNAUTHENTICATED,
    "azure/404-deployment.json": Failure.NOT_FOUND,
    "azure/429-rate.json": Failure.RATE_LIMITED,
    "responses/400-flagged.json": Failure.CONTENT_FILTER,
    "responses/400-max-output-tokens.json": Failure.REJECTED,
    "messages/400-credit.json": Failure.QUOTA_EXHAUSTED,
    "messages/400-invalid.json": Failure.REJECTED,
    "messages/400-too-long.json": Failure.CONTEXT_WINDOW,
    "messages/401-key.json": Failure.UNAUTHENTICATED,
    "messages/404-resource.json": Failure.NOT_FOUND,
    "messages/429-rate.json": Failure.RATE_LIMITED,
    "messages/529-overloaded.json": Failure.OVERLOADED,
}
"""The name begins with the status."""


def raw(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def format_of(name: str) -> WireFormat:
    return FORMATS[name.partition("/")[0]]


def chunks(name: str, cuts: list[int]) -> list[Chunk]:
    """What the stream says when its bytes arrive cut at these places; it must be over at its end."""
    data, reader, parser, said = raw(name), format_of(name).stream(), EventParser(), []
    bounds = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    for start, end in pairwise(bounds):
        said += [reader.read(event) for event in parser.feed(data[start:end])]
    assert reader.over
    return [chunk for chunk in said if chunk]


@pytest.mark.parametrize("name", STREAMS)
@given(cuts=st.lists(st.integers(min_value=0, max_value=100_000), max_size=12))
def test_a_stream_says_the_same_however_its_bytes_arrive(name: str, cuts: list[int]) -> None:
    assert chunks(name, cuts) == STREAMS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_plain_answer(name: str) -> None:
    assert format_of(name).whole(raw(name)) == ANSWERS[name]


@pytest.mark.parametrize("name", STREAMED_ERRORS)
def test_an_error_in_a_stream(name: str) -> None:
    with pytest.raises(ErrorInAnswer) as raised:
        chunks(name, [])
    assert failure_of_code(raised.value.code) is STREAMED_ERRORS[name]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_in_the_place_of_an_answer(name: str) -> None:
    status = int(Path(name).name.partition("-")[0])
    assert failure_of_reply(status, raw(name)) is ERRORS[name]


@pytest.mark.parametrize("name", [name for name in ERRORS if name.startswith("messages/")])
def test_an_error_in_the_place_of_an_answer_is_no_answer(name: str) -> None:
    """Whatever status it comes with."""
    with pytest.raises(ErrorInAnswer) as raised:
        format_of(name).whole(raw(name))
    assert raised.value.code == json.loads(raw(name))["error"]["type"]


def test_every_golden_file_is_read() -> None:
    there = {f"{file.parent.name}/{file.name}" for file in GOLDEN.glob("*/*")}
    assert there == {*STREAMS, *ANSWERS, *STREAMED_ERRORS, *ERRORS}
