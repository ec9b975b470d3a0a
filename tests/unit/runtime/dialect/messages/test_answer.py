import json
from typing import Any

import pytest

from regent_runtime.dialect.messages.answer import MessageWriter
from regent_runtime.wire.answer import Chunk, ToolCall, Usage

CALLS = (ToolCall("f", {"a": 1}), ToolCall("g", {}))
USAGE = Usage(9, 2, 11, cached_tokens=4, cache_write_tokens=3)
COUNTED = {
    "input_tokens": 2,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 4,
    "output_tokens": 2,
}


def whole(chunk: Chunk) -> Any:
    return json.loads(MessageWriter("t1").completion("m", chunk))


def streamed(*chunks: Chunk, usage: Usage | None = None) -> list[Any]:
    """The data of each event; its name is the type."""
    writer = MessageWriter("t1")
    said = b"".join(writer.event("m", chunk, first=not at) for at, chunk in enumerate(chunks)) + writer.end("m", usage)
    *events, rest = said.decode().split("\n\n")
    assert rest == ""
    found = []
    for each in events:
        name, data = each.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_a_whole_answer() -> None:
    assert whole(Chunk("Hi.", finish_reason="stop", usage=USAGE)) == {
        "id": "msg_t1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hi."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": COUNTED,
    }


def test_calls_are_blocks_behind_the_text() -> None:
    found = whole(Chunk("Wait.", finish_reason="tool_calls", tool_calls=CALLS))
    assert (found["stop_reason"], found["content"]) == (
        "tool_use",
        [
            {"type": "text", "text": "Wait."},
            {"type": "tool_use", "id": "toolu_t1_0", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_t1_1", "name": "g", "input": {}},
        ],
    )


def test_an_answer_of_nothing_has_no_block() -> None:
    found = whole(Chunk(finish_reason="content_filter"))
    assert (found["content"], found["stop_reason"]) == ([], "refusal")
    assert set(found["usage"].values()) == {None}


def test_a_refusal_of_the_model_is_its_text() -> None:
    found = whole(Chunk(refusal="No.", finish_reason="stop"))
    assert (found["content"], found["stop_reason"]) == ([{"type": "text", "text": "No."}], "refusal")
    *_, last, _ = streamed(Chunk(refusal="No."), Chunk(finish_reason="stop"))
    assert last["delta"]["stop_reason"] == "refusal"


def test_the_events_of_a_text() -> None:
    text = [Chunk("He"), Chunk('l"l'), Chunk("o", finish_reason="length")]
    start, begin, *deltas, stop, last, over = streamed(*text, usage=USAGE)
    assert start["message"] == {
        **whole(Chunk(finish_reason="stop", usage=Usage(0, 0, 0))),
        "stop_reason": None,
    }
    assert begin == {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    assert deltas == [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}}
        for each in ("He", 'l"l', "o")
    ]
    assert stop == {"type": "content_block_stop", "index": 0}
    assert last == {
        "type": "message_delta",
        "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
        "usage": COUNTED,
    }
    assert over == {"type": "message_stop"}


@pytest.mark.parametrize("words", ["", "Wait."])
def test_the_events_of_calls(words: str) -> None:
    end = Chunk(finish_reason="tool_calls", tool_calls=CALLS)
    _, *blocks, last, _ = streamed(*([Chunk(words)] if words else []), end)
    first = 1 if words else 0
    calls = blocks[3:] if words else blocks
    assert [(each["type"], each["index"]) for each in calls] == [
        (kind, first + number)
        for number in (0, 1)
        for kind in ("content_block_start", "content_block_delta", "content_block_stop")
    ]
    assert calls[0]["content_block"] == {"type": "tool_use", "id": "toolu_t1_0", "name": "f", "input": {}}
    assert calls[1]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":1}'}
    assert last["delta"]["stop_reason"] == "tool_use"


def test_a_stream_that_bears_figures_first_begins_with_them() -> None:
    kinds = [each["type"] for each in streamed(Chunk(usage=USAGE), Chunk(finish_reason="stop"))]
    assert kinds == ["message_start", "message_delta", "message_stop"]


def test_parts_that_come_to_more_than_their_whole_are_not_told() -> None:
    usage = Usage(10, 5, 15, cached_tokens=8, cache_write_tokens=8)
    *_, last, _ = streamed(Chunk("Hi"), Chunk(finish_reason="stop"), usage=usage)
    assert last["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 5,
    }
