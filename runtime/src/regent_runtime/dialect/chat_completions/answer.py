"""A turn's answer as Chat Completions."""

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from regent_runtime.wire import sse
from regent_runtime.wire.answer import Chunk, Usage


class _OutFunction(Struct):
    name: str
    arguments: str


class _OutCall(Struct, omit_defaults=True):
    id: str
    function: _OutFunction
    type: str = ""
    index: int | None = None


class _OutMessage(Struct):
    content: str | None
    refusal: str | None
    role: Literal["assistant"] = "assistant"
    tool_calls: list[_OutCall] | UnsetType = UNSET


class _OutDelta(Struct, omit_defaults=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_OutCall] | None = None


class _OutChoice(Struct):
    finish_reason: str | None
    delta: _OutDelta | UnsetType = UNSET
    message: _OutMessage | UnsetType = UNSET
    index: int = 0
    logprobs: None = None


class _PromptDetails(Struct):
    cached_tokens: int


class _CompletionDetails(Struct):
    reasoning_tokens: int


class _OutUsage(Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PromptDetails
    completion_tokens_details: _CompletionDetails


class _Out(Struct):
    id: str
    object: Literal["chat.completion", "chat.completion.chunk"]
    created: int
    model: str
    choices: list[_OutChoice]
    usage: _OutUsage | UnsetType | None = UNSET


_ENCODER = msgspec.json.Encoder()
_WORDS = "words"


class AnswerWriter:
    """dialect.Writer."""

    keep_alive = sse.KEEP_ALIVE

    def __init__(self, turn_id: str, created: int, *, include_usage: bool) -> None:
        self._id = f"chatcmpl-{turn_id}"
        self._turn_id = turn_id
        self._created = created
        self._include_usage = include_usage
        self._no_usage: UnsetType | None = None if include_usage else UNSET
        self._around = "", b"", b""
        """A model, and what is written before and behind words of its: all but the words is the same."""

    def completion(self, model: str, chunk: Chunk) -> bytes:
        silent = not chunk.content and (chunk.refusal or chunk.tool_calls)
        message = _OutMessage(None if silent else chunk.content, chunk.refusal or None)
        message.tool_calls = self._calls(chunk) or UNSET
        choice = _OutChoice(chunk.finish_reason, message=message)
        return _ENCODER.encode(_Out(self._id, "chat.completion", self._created, model, [choice], _written(chunk.usage)))

    def event(self, model: str, chunk: Chunk, *, first: bool) -> bytes:
        """Of a stream."""
        if first or not chunk.content or chunk.refusal or chunk.finish_reason or chunk.tool_calls:
            return self._event(model, chunk, first=first)
        if self._around[0] != model:
            before, behind = self._event(model, Chunk(_WORDS), first=False).rsplit(_ENCODER.encode(_WORDS), 1)
            self._around = model, before, behind
        return b"%b%b%b" % (self._around[1], _ENCODER.encode(chunk.content), self._around[2])

    def _event(self, model: str, chunk: Chunk, *, first: bool) -> bytes:
        delta = _OutDelta("assistant" if first else None, chunk.content or None, chunk.refusal or None)
        if chunk.tool_calls:
            delta.tool_calls = self._calls(chunk, indexed=True)
        choice = _OutChoice(chunk.finish_reason, delta=delta)
        out = _Out(self._id, "chat.completion.chunk", self._created, model, [choice], self._no_usage)
        return b"data: " + _ENCODER.encode(out) + b"\n\n"

    def end(self, model: str, usage: Usage | None) -> bytes:
        """The usage, for callers that set stream_options.include_usage, and [DONE]."""
        if not self._include_usage:
            return sse.DONE
        out = _Out(self._id, "chat.completion.chunk", self._created, model, [], _written(usage))
        return sse.event(_ENCODER.encode(out)) + sse.DONE

    def _calls(self, chunk: Chunk, *, indexed: bool = False) -> list[_OutCall]:
        return [
            _OutCall(
                f"call_{self._turn_id}_{number}",
                _OutFunction(call.name, _ENCODER.encode(call.arguments).decode()),
                "function",
                number if indexed else None,
            )
            for number, call in enumerate(chunk.tool_calls)
        ]


def _written(usage: Usage | None) -> _OutUsage | None:
    if usage is None:
        return None
    return _OutUsage(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        _PromptDetails(usage.cached_tokens),
        _CompletionDetails(usage.reasoning_tokens),
    )
