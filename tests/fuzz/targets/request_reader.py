"""Requests of callers in each dialect: read, or refused with a 400 that a caller can read."""

import json
from collections.abc import Callable
from typing import Any

from regent_runtime.dialect.chat_completions.dialect import ChatCompletions
from regent_runtime.dialect.dialect import Dialect
from regent_runtime.dialect.messages.dialect import Messages
from regent_runtime.refusals import Refused
from tests.fuzz.target import Target

DIALECTS: tuple[Callable[[], Dialect], ...] = (ChatCompletions, Messages)


def feed(data: bytes) -> None:
    read, statuses = [], set()
    for dialect in DIALECTS:
        spoken = dialect()
        try:
            read.append(spoken.read(data))
        except Refused as refused:
            statuses.add(refused.refusal.status)
            json.loads(spoken.error(refused, "t1"))
    assert statuses <= {400}
    assert all("".join(each.texts()) is not None for each in read)
    assert read[1:] in ([], read[:1]), "bytes that both take mean the same in both"


def body(**more: Any) -> bytes:
    return json.dumps({"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}).encode()


_CALL = {"type": "tool_use", "id": "x", "name": "f", "input": {"a": [1, {"b": "c"}]}}
_RESULT = {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "Sun."}], "is_error": True}
_SOURCE = {"type": "base64", "media_type": "image/gif", "data": "R0lGODlhAQABAAAAADs="}
_FUNCTION = {"name": "f", "arguments": '{"a":1}'}
TARGET = Target(
    feed,
    seeds=(
        body(temperature=0.5, top_p=0.5, top_k=3, stream=True, model="any"),
        body(
            system=[{"type": "text", "text": "Be kind."}],
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image", "source": _SOURCE}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Wait."}, _CALL]},
                {"role": "user", "content": [_RESULT, {"type": "text", "text": "And?"}]},
            ],
            tools=[{"name": "f", "input_schema": {"type": "object"}}],
            tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            stop_sequences=["END"],
        ),
        body(
            messages=[
                {"role": "system", "content": "Be kind."},
                {"role": "assistant", "tool_calls": [{"id": "x", "type": "function", "function": _FUNCTION}]},
                {"role": "tool", "tool_call_id": "x", "content": "Sun."},
            ],
            tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
            response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        ),
    ),
    words=(b"null", b'"type":', b'"tool_use"', b'"content":', b"[", b"{}", b"1e999", b"\\ud800", b"\\u0000", b"\xff"),
    longest=4096,
)
