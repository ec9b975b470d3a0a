import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer, ToolCall, Usage
from regent_runtime.wire.messages import Messages
from regent_runtime.wire.sse import EventParser

MESSAGES = Messages()
USAGE = {"input_tokens": 9, "output_tokens": 4}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def answer(*blocks: dict[str, Any], stop_reason: str | None = "end_turn", **more: Any) -> bytes:
    return json.dumps({"type": "message", "content": list(blocks), "stop_reason": stop_reason, **more}).encode()


def read(*events: dict[str, Any]) -> list[Chunk]:
    """What each event says for the caller."""
    reader = MESSAGES.stream()
    return [reader.read(json.dumps(event).encode()) for event in events]


def start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"type": "message", "content": [], "usage": usage or USAGE}}


def block(**content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": content}


def delta(**more: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": more}


def stop(reason: str | None = "end_turn", usage: Any = None) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def test_an_answer_is_read() -> None:
    whole = answer(
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        text("Hi "),
        {"type": "redacted_thinking", "data": "x"},
        text("there."),
        id="msg_1",
        usage={**USAGE, "service_tier": "standard"},
    )
    assert MESSAGES.whole(whole) == Chunk("Hi there.", "", "stop", Usage(9, 4, 13))


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", None),
        ("something_new", None),
        (None, None),
    ],
)
def test_stop_reasons_in_openais_words(given: str | None, read_as: str | None) -> None:
    assert MESSAGES.whole(answer(text("x"), stop_reason=given)).finish_reason == read_as
    assert read(stop(given))[0].finish_reason == read_as


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (USAGE, Usage(9, 4, 13)),
        (
            {
                **USAGE,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
                "output_tokens_details": {"thinking_tokens": 3},
            },
            Usage(129, 4, 133, cached_tokens=100, cache_write_tokens=20, reasoning_tokens=3),
        ),
        (
            {**USAGE, "cache_read_input_tokens": None, "output_tokens_details": {"thinking_tokens": 99}},
            Usage(9, 4, 13, reasoning_tokens=4),
        ),
        ({**USAGE, "output_tokens_details": [3], "cache_creation_input_tokens": "many"}, Usage(9, 4, 13)),
        ({"input_tokens": 9}, None),
        ({"output_tokens": 9}, None),
        ({"input_tokens": -1, "output_tokens": 4}, None),
        ({}, None),
        ([], None),
        ("many", None),
        (None, None),
    ],
)
def test_no_answer_is_lost_for_its_figures(reported: object, usage: Usage | None) -> None:
    assert MESSAGES.whole(answer(text("Hi"), usage=reported)) == Chunk("Hi", "", "stop", usage)
    assert read(stop(usage=reported))[0].usage == usage


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"content":[]}',
        b'{"type":"completion","content":[]}',
        b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}',
        answer({"type": "text", "text": None}),
        answer({"type": "tool_use", "id": "t", "input": {}}),
        answer({"type": "tool_use", "id": "t", "name": "f", "input": []}),
        answer(text("x"), {"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}}),
        answer({"type": "something_new"}),
        answer(text("x"), stop_reason="tool_use"),
    ],
)
def test_what_is_no_answer_in_text_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        MESSAGES.whole(raw)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "overloaded_error"),
        ({"type": "rate_limit_error", "message": "secret words", "details": None}, "rate_limit_error"),
        ({}, ""),
        (None, ""),
    ],
)
def test_an_error_in_an_answers_place_is_known_by_its_type(error: object, code: str) -> None:
    raw = json.dumps({"type": "error", "error": error}).encode()
    for reading in (MESSAGES.whole, MESSAGES.stream().read):
        with pytest.raises(ErrorInAnswer) as raised:
            reading(raw)
        assert raised.value.code == code


def test_a_stream_is_read() -> None:
    assert read(
        start(input_tokens=9, output_tokens=1),
        block(type="text", text=""),
        {"type": "ping"},
        delta(type="text_delta", text="Hi "),
        delta(type="text_delta", text="there."),
        {"type": "content_block_stop", "index": 0},
        stop(usage={"output_tokens": 4}),
        {"type": "message_stop"},
    ) == [
        *(Chunk(),) * 3,
        Chunk("Hi "),
        Chunk("there."),
        Chunk(),
        Chunk(finish_reason="stop", usage=Usage(9, 4, 13)),
        Chunk(),
    ]


def test_a_stream_is_over_with_message_stop() -> None:
    reader = MESSAGES.stream()
    reader.read(json.dumps(stop()).encode())
    assert not reader.over
    reader.read(b'{"type":"message_stop"}')
    assert reader.over


def test_thinking_stays_behind_and_says_that_the_model_is_at_work() -> None:
    assert read(
        block(type="thinking", thinking="", signature=""),
        delta(type="thinking_delta", thinking="Hm.", text="Hm."),
        delta(type="signature_delta", signature="x"),
        block(type="redacted_thinking", data="x", text="x"),
    ) == [Chunk(), *[Chunk(working=True)] * 3]


CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather"}
CALLED = (ToolCall("weather", {"city": "Rome"}), ToolCall("time", {}))


def test_calls_are_read() -> None:
    blocks = ({**CALL, "input": {"city": "Rome"}}, {**CALL, "id": "toolu_2", "name": "time", "input": {}})
    chunk = Chunk("Wait.", "", "tool_calls", Usage(9, 4, 13), CALLED)
    assert MESSAGES.whole(answer(text("Wait."), *blocks, stop_reason="tool_use", usage=USAGE)) == chunk


def test_calls_of_a_stream_come_whole_at_its_end() -> None:
    said = read(
        block(**CALL, input={}),
        delta(type="input_json_delta", partial_json=""),
        delta(type="input_json_delta", partial_json='{"city": "Ro'),
        delta(type="input_json_delta", partial_json='me"}'),
        {**block(**{**CALL, "id": "toolu_2", "name": "time"}, input={}), "index": 1},
        stop("tool_use"),
    )
    assert said[:-1] == [Chunk(working=True)] * 5
    assert said[-1] == Chunk(finish_reason="tool_calls", tool_calls=CALLED)


def test_an_answer_that_was_cut_calls_nothing() -> None:
    cut = read(block(**CALL, input={}), delta(type="input_json_delta", partial_json='{"ci'), stop("max_tokens"))
    assert cut[-1] == Chunk(finish_reason="length")


def test_text_that_a_block_begins_with_is_not_lost() -> None:
    assert read(block(type="text", text="Hi")) == [Chunk("Hi")]


def test_what_the_format_may_grow_is_read_over() -> None:
    assert not any(read({"type": "content_block_note", "delta": {"type": "note"}}, delta(type="citations_delta")))


def test_counts_of_a_stream_never_fall_and_those_of_its_start_are_none_of_the_answer() -> None:
    begun = start(input_tokens=9, cache_read_input_tokens=5, output_tokens=8)
    assert read(begun, stop(usage={"input_tokens": 0, "output_tokens": 3}))[1].usage == Usage(
        14, 3, 17, cached_tokens=5
    )
    assert read(begun, stop())[1].usage is None


def test_usage_may_follow_the_stop_reason() -> None:
    said = read(start(), stop(usage={"output_tokens": 3}), stop(None, {"output_tokens": 4}))
    assert [chunk.usage for chunk in said] == [None, Usage(9, 3, 12), Usage(9, 4, 13)]


@pytest.mark.parametrize(
    "events",
    [
        [block(type="server_tool_use", id="t", name="web_search", input={})],
        [block(type="tool_use", id="t", name="f", input={}), delta(type="input_json_delta", partial_json="{"), stop()],
        [block(type="something_new")],
        [{"type": "content_block_start", "index": 0}],
        [delta(type="input_json_delta", partial_json="{}"), stop("tool_use")],
        [{"type": "content_block_delta", "index": 0}],
        [stop("tool_use")],
        [stop(), delta(type="text_delta", text="more")],
        [stop(), stop()],
        [{"choices": []}],
    ],
)
def test_what_is_no_stream_of_text_is_malformed(events: Sequence[dict[str, Any]]) -> None:
    with pytest.raises(MalformedAnswer):
        read(*events)


WORDS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


@given(WORDS, st.booleans(), st.lists(st.integers(1, 40), min_size=1))
def test_the_text_is_the_same_however_the_events_are_cut(words: list[str], split: bool, sizes: list[int]) -> None:
    events = [start()]
    for word in words:
        if split or len(events) == 1:
            events.append(block(type="text", text=""))
        events += [{"type": "ping"}, delta(type="text_delta", text=word)]
    events += [stop(usage={"output_tokens": 4}), {"type": "message_stop"}]
    sent = b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)

    reader, parser, said, at = MESSAGES.stream(), EventParser(), list[Chunk](), 0
    while at < len(sent):
        size = sizes[at % len(sizes)]
        said += [reader.read(data) for data in parser.feed(sent[at : at + size])]
        at += size

    assert "".join(chunk.content for chunk in said) == "".join(words)
    assert [chunk.finish_reason for chunk in said if chunk.finish_reason] == ["stop"]
    assert reader.over
