"""Reading a caller's Chat Completions request."""

from typing import Any

import msgspec

from regent_runtime.dialect import settle
from regent_runtime.dialect.chat_completions import history
from regent_runtime.dialect.chat_completions.request_table import TABLE, Message, ResponseFormat, StreamOptions
from regent_runtime.dialect.table import required
from regent_runtime.refusals import INVALID_VALUE, MISSING_FIELD, Refused
from regent_runtime.wire.duplicates import refuse_duplicates
from regent_runtime.wire.request import ChatRequest


def parse(body: bytes) -> ChatRequest:
    """Raises Refused (400), naming the field; time and memory are linear in the body."""
    values = TABLE.understood(body)
    messages: list[Message] | None = values.pop("messages", None)
    if messages is None:
        raise required("messages")
    refuse_duplicates(body)
    _settle_format(values)
    settle.structured(values)
    options: StreamOptions = values.pop("stream_options", None) or StreamOptions()
    values.pop("model", None)
    caps = [cap for name in ("max_tokens", "max_completion_tokens") if (cap := values.pop(name, None)) is not None]
    read = history.read(messages)
    return ChatRequest(
        messages=read,
        stream=values.pop("stream", False),
        include_usage=options.include_usage or False,
        max_output_tokens=min(caps, default=None),
        temperature=values.pop("temperature", None),
        forwarded=values,
        images=settle.images(read),
    )


def _settle_format(values: dict[str, Any]) -> None:
    """A response_format as plain JSON. Raises Refused (400) for half of one."""
    asked: ResponseFormat | None = values.get("response_format")
    if asked is None:
        return
    wants, has = asked.type == "json_schema", asked.json_schema is not None
    if wants != has:
        param = "response_format.json_schema"
        words = f"`{param}` is required for that type." if wants else f"`{param}` is for the type json_schema."
        raise Refused(MISSING_FIELD if wants else INVALID_VALUE, words, param=param)
    values["response_format"] = msgspec.to_builtins(asked)
