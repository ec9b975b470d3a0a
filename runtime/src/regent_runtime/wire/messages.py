"""Messages as Anthropic, and some local servers, speak it.

Its requests have fewer words than Chat Completions. What it cannot say is never dropped or reworded in silence:
`inexpressible` names it, and the request goes to another provider, or back to the caller.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.wire import messages_request
from regent_runtime.wire.answer import Chunk, MalformedAnswer, Usage, count
from regent_runtime.wire.format import Outbound, told
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.tools import Calls, calling, object_text

T = TypeVar("T")

VERSION = "2023-06-01"
"""Of the API, not of its clients: from 2026-10-21 on it takes no temperature and no top_p from anybody."""


class Messages:
    """format.WireFormat."""

    def outbound(self, request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> Outbound:
        body = messages_request.body(request, config, provider)
        return Outbound("/messages", msgspec.json.encode(body), {"anthropic-version": VERSION})

    def inexpressible(self, request: ChatRequest, provider: ProviderConfig) -> str | None:
        """The same for every provider."""
        del provider
        return messages_request.inexpressible(request)

    def whole(self, body: bytes) -> Chunk:
        answer = _decoded(_ANSWER, body)
        if answer.type == "error":
            raise told(answer.error)
        if answer.type != "message":
            raise MalformedAnswer
        calls = Calls()
        text = "".join(_said(block) for block in answer.content)
        for number, block in enumerate(answer.content):
            if block.type == _CALL:
                calls.add(number, None, block.name, object_text(block.input))
        return calling(Chunk(text, "", _finish_reason(answer.stop_reason), _usage(_counts(answer.usage))), calls)

    def stream(self) -> "_Stream":
        return _Stream()


class _Stream:
    """format.StreamReader."""

    def __init__(self) -> None:
        self.over = False
        self._finished = False
        self._counts: dict[str, int] = {}
        self._calls = Calls()

    def read(self, data: bytes) -> Chunk:
        chunk = self._read(_decoded(_EVENT, data))
        if self._finished and (chunk.content or chunk.finish_reason):
            raise MalformedAnswer
        self._finished = self._finished or chunk.finish_reason is not None
        return chunk

    def _read(self, event: "_Event") -> Chunk:
        delta = event.delta or _Delta()
        match event.type:
            case "message_start":
                self._note(event.message.usage if event.message else None)
                # What it has put out by now is no count of the answer.
                self._counts.pop("output_tokens", None)
            case "content_block_start":
                return self._begun(event.index, event.content_block or _Block(""))
            case "content_block_delta":
                if delta.type == "input_json_delta":
                    self._calls.add(event.index, None, None, delta.partial_json)
                return Chunk(_added(delta), working=delta.type != "text_delta")
            case "message_delta":
                self._note(event.usage)
                reason = _finish_reason(delta.stop_reason)
                usage = _usage(self._counts) if reason or self._finished else None
                return calling(Chunk(finish_reason=reason, usage=usage), self._calls)
            case "message_stop":
                self.over = True
            case "error":
                raise told(event.error)
        # Pings, ends of blocks, and what the format may grow: its documentation asks readers to read over the last.
        return Chunk()

    def _begun(self, index: int, block: "_Block") -> Chunk:
        if block.type == _CALL:
            self._calls.add(index, block.id, block.name, object_text(block.input) if block.input else None)
        return Chunk(_said(block), working=block.type not in {"text", "thinking"})

    def _note(self, usage: Any) -> None:
        """Counts are of the whole stream so far, so they never fall."""
        for name, tokens in _counts(usage).items():
            self._counts[name] = max(tokens, self._counts.get(name, 0))


_CALL = "tool_use"


class _Block(Struct):
    type: str
    text: str = ""
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] = {}


class _Answer(Struct):
    type: str
    content: list[_Block] = []
    stop_reason: str | None = None
    usage: Any = None
    error: Any = None


class _Delta(Struct):
    """Of a block, with a type; of the message, without one."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Started(Struct):
    usage: Any = None


class _Event(Struct):
    type: str
    index: int = 0
    message: _Started | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None
    error: Any = None


_ANSWER = msgspec.json.Decoder(_Answer)
_EVENT = msgspec.json.Decoder(_Event)


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer from None


def _said(block: _Block) -> str:
    """Thinking stays behind. Raises MalformedAnswer for a block that nobody asked for, such as a server's tool."""
    if block.type not in {"text", "thinking", "redacted_thinking", _CALL}:
        raise MalformedAnswer
    return block.text if block.type == "text" else ""


def _added(delta: _Delta) -> str:
    """As _said, of a piece of a block."""
    if delta.type not in {"text_delta", "citations_delta", "thinking_delta", "signature_delta", "input_json_delta"}:
        raise MalformedAnswer
    return delta.text if delta.type == "text_delta" else ""


_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}


def _finish_reason(reason: str | None) -> str | None:
    """In OpenAI's words. None for one that is not known, as for `pause_turn`: what is there may not be the whole."""
    return _FINISH_REASONS.get(reason) if reason else None


_CACHE_READ, _CACHE_WRITE = "cache_read_input_tokens", "cache_creation_input_tokens"
_THINKING = "thinking_tokens"


def _counts(reported: Any) -> dict[str, int]:
    """What a provider counted, by its names, as far as it can be read."""
    if not isinstance(reported, dict):
        return {}
    details = reported.get("output_tokens_details")
    thought = details.get(_THINKING) if isinstance(details, dict) else None
    named = {name: reported.get(name) for name in ("input_tokens", _CACHE_READ, _CACHE_WRITE, "output_tokens")}
    counted = {name: count(value) for name, value in {**named, _THINKING: thought}.items()}
    return {name: tokens for name, tokens in counted.items() if tokens is not None}


def _usage(counts: dict[str, int]) -> Usage | None:
    """None where one of both sides was not counted. What the cache held is no part of `input_tokens`."""
    if "input_tokens" not in counts or "output_tokens" not in counts:
        return None
    read, written, completion = counts.get(_CACHE_READ, 0), counts.get(_CACHE_WRITE, 0), counts["output_tokens"]
    prompt = counts["input_tokens"] + read + written
    return Usage(
        prompt,
        completion,
        prompt + completion,
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=min(counts.get(_THINKING, 0), completion),
    )
