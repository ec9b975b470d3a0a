"""A request with its special tokens made harmless, a step at a time.

Texts are escaped in blocks that are cut where no token can be, so no text is escaped whole, however long it is.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from regent_runtime.guard import special_tokens
from regent_runtime.guard.normalise import normal
from regent_runtime.guard.pace import Pace
from regent_runtime.wire.request import STRUCTURED, ChatRequest

BLOCK = 1024
"""Characters that are escaped in one step, at least."""
LARGEST_BLOCK = 8192
"""Characters, as they stand and in normal form."""
CHARACTER = 4
"""Characters that are looked at in the time in which one is escaped."""


class Unbroken(Exception):  # noqa: N818
    """A text that holds special tokens goes on for more than a LARGEST_BLOCK with nothing that ends a word."""


async def escaped(request: ChatRequest) -> ChatRequest:
    """The request with its special tokens made harmless in every untrusted text. Raises Unbroken."""
    pace = Pace()
    messages = [await _message(message, pace) for message in request.messages]
    forwarded = dict(request.forwarded)
    for name in STRUCTURED:
        if name in forwarded:
            forwarded[name] = await _value(forwarded[name], pace)
    return dataclasses.replace(request, messages=messages, forwarded=forwarded)


async def _message(message: dict[str, Any], pace: Pace) -> dict[str, Any]:
    made = {**message, "content": await _value(message["content"], pace)}
    if "tool_calls" in message:
        made["tool_calls"] = [
            {**call, "arguments": await _value(call["arguments"], pace)} for call in message["tool_calls"]
        ]
    return made


async def _value(value: Any, pace: Pace) -> Any:
    if isinstance(value, str):
        return await _text(value, pace)
    if isinstance(value, list):
        return [await _value(entry, pace) for entry in value]
    if isinstance(value, dict):
        return {await _text(key, pace): await _value(entry, pace) for key, entry in value.items()}
    return value


async def _text(text: str, pace: Pace) -> str:
    parts = []
    for block in blocks(text):
        if not block.isascii() and len(normal("NFKC", block)) > LARGEST_BLOCK:
            raise Unbroken
        parts.append(special_tokens.escape(block))
        await pace.took(CHARACTER * len(block))
    return "".join(parts)


def blocks(text: str) -> Iterator[str]:
    """A text in blocks of a BLOCK and a little more, cut where no special token can be. Raises Unbroken."""
    begin = 0
    while begin + BLOCK < len(text):
        cut = special_tokens.BREAK.search(text, begin + BLOCK, begin + LARGEST_BLOCK)
        if cut is None and begin + LARGEST_BLOCK < len(text):
            raise Unbroken
        end = cut.end() if cut else len(text)
        yield text[begin:end]
        begin = end
    yield text[begin:]
