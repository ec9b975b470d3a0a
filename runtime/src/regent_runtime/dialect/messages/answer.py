"""A turn's answer as Messages, whole or as its events (https://platform.claude.com/docs/en/build-with-claude/streaming).

Text is the first block, calls of tools are the others. They come whole, since guards have read them so.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from regent_runtime.wire.answer import Chunk, ToolCall, Usage

_ENCODER = msgspec.json.Encoder()
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class MessageWriter:
    """dialect.Writer."""

    keep_alive = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, turn_id: str) -> None:
        self._turn_id = turn_id
        self._in_text = False
        """Of a stream: whether the block of text has begun, and has not ended."""
        self._stop_reason: str | None = None

    def completion(self, model: str, chunk: Chunk) -> bytes:
        text = chunk.content + chunk.refusal
        content = [_text(text)] if text else []
        content += [{**each, "input": call.arguments} for each, call in self._calls(chunk)]
        return _ENCODER.encode(self._message(model, content, _stop_reason(chunk), _usage(chunk.usage)))

    def event(self, model: str, chunk: Chunk, *, first: bool) -> bytes:
        if self._in_text and not (chunk.refusal or chunk.finish_reason):
            return _TEXT[0] + _ENCODER.encode(chunk.content) + _TEXT[1]
        return b"".join(self._events(model, chunk, first=first))

    def end(self, model: str, usage: Usage | None) -> bytes:
        del model
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        return event("message_delta", delta=delta, usage=_usage(usage)) + event("message_stop")

    def _events(self, model: str, chunk: Chunk, *, first: bool) -> Iterator[bytes]:
        if first:
            yield event("message_start", message=self._message(model, [], None, _NOTHING_COUNTED))
        if text := chunk.content + chunk.refusal:
            if not self._in_text:
                yield event("content_block_start", index=0, content_block=_text(""))
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
            self._in_text = True
        if chunk.refusal:
            self._stop_reason = "refusal"
        if chunk.finish_reason:
            self._stop_reason = self._stop_reason or _stop_reason(chunk)
            yield from self._ended(chunk)

    def _ended(self, chunk: Chunk) -> Iterator[bytes]:
        """The end of the text, and the calls."""
        index = int(self._in_text)
        if self._in_text:
            yield event("content_block_stop", index=0)
            self._in_text = False
        for at, (block, call) in enumerate(self._calls(chunk), start=index):
            delta = {"type": "input_json_delta", "partial_json": _ENCODER.encode(call.arguments).decode()}
            yield event("content_block_start", index=at, content_block={**block, "input": {}})
            yield event("content_block_delta", index=at, delta=delta)
            yield event("content_block_stop", index=at)

    def _calls(self, chunk: Chunk) -> Iterator[tuple[dict[str, Any], ToolCall]]:
        """A block of each, without its input."""
        for number, call in enumerate(chunk.tool_calls):
            yield {"type": "tool_use", "id": f"toolu_{self._turn_id}_{number}", "name": call.name}, call

    def _message(
        self, model: str, content: list[dict[str, Any]], stop_reason: str | None, usage: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{self._turn_id}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": usage,
        }


def event(kind: str, **more: Any) -> bytes:
    """Of a stream: its type is told twice."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _ENCODER.encode({"type": kind, **more}))


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _stop_reason(chunk: Chunk) -> str | None:
    return "refusal" if chunk.refusal else _STOP_REASONS.get(chunk.finish_reason or "")


def _usage(usage: Usage | None) -> dict[str, Any]:
    """What the cache held is no part of `input_tokens` here. Null where nobody counted; parts that come to more than
    their whole are not told.
    """
    if usage is None:
        return dict.fromkeys(_NOTHING_COUNTED)
    written, read = usage.cache_write_tokens, usage.cached_tokens
    if written + read > usage.prompt_tokens:
        written = read = 0
    counts = (usage.prompt_tokens - written - read, written, read, usage.completion_tokens)
    return dict(zip(_NOTHING_COUNTED, counts, strict=True))


_NOTHING_COUNTED = dict.fromkeys(
    ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"), 0
)
_WORDS = "words"
_TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": _WORDS}).split(
    _ENCODER.encode(_WORDS)
)
"""What is written before and behind words."""
