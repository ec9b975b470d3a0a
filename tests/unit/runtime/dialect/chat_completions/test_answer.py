import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.dialect.chat_completions.answer import AnswerWriter
from regent_runtime.wire.answer import Chunk, ToolCall, Usage


def said(event: bytes) -> Any:
    """The data of an event of one line."""
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    return json.loads(event[6:])


def test_chunks_are_written_as_openai_writes_them() -> None:
    writer = AnswerWriter("t1", 5, include_usage=True)
    assert said(writer.event("m", Chunk("Hi"), first=True)) == {
        "id": "chatcmpl-t1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "logprobs": None, "finish_reason": None}
        ],
        "usage": None,
    }
    figures, done = writer.end("m", Usage(5, 2, 7, cached_tokens=4, reasoning_tokens=1)).split(b"data: ")[1:]
    assert done == b"[DONE]\n\n"
    assert said(b"data: " + figures)["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.sampled_from(["m", "words", '"words"']))
def test_words_are_written_as_the_first_ones_are_but_for_the_role(texts: list[str], model: str) -> None:
    writer = AnswerWriter("t1", 5, include_usage=True)
    for text in texts:
        first, later = (said(writer.event(model, Chunk(text), first=first)) for first in (True, False))
        del first["choices"][0]["delta"]["role"]
        assert later == first


def test_calls_are_written_as_openai_writes_them() -> None:
    chunk = Chunk(finish_reason="tool_calls", tool_calls=(ToolCall("f", {"a": 1}), ToolCall("g", {})))
    writer = AnswerWriter("t1", 5, include_usage=False)
    calls = [
        {"id": "call_t1_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_t1_1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    whole = json.loads(writer.completion("m", chunk))["choices"][0]
    assert whole["message"] == {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}
    assert whole["finish_reason"] == "tool_calls"
    delta = said(writer.event("m", chunk, first=False))["choices"][0]["delta"]
    assert delta == {"tool_calls": [{**call, "index": index} for index, call in enumerate(calls)]}
