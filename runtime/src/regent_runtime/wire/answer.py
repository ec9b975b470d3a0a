"""What a provider answered, reduced to what is known; and the same in OpenAI's shape for the caller.

Only the fields of these structures cross, whatever the provider's format: reasoning, fingerprints, tool calls nobody
asked for and whatever else a provider adds stay behind.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from regent_runtime.wire import sse

MOST_TOKENS = 2**53
"""More is no count: the integers that every reader of JSON holds exactly end here."""


class Usage(Struct, frozen=True):
    """Tokens as the provider counted them, in OpenAI's sense whatever its format: parts lie within their whole."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int = 0
    """Of the prompt: read from the provider's cache."""
    cache_write_tokens: int = 0
    """Of the prompt: written into the provider's cache."""
    reasoning_tokens: int = 0
    """Of the completion."""


class ToolCall(Struct, frozen=True):
    """A function of the caller's that the model asks it to call. Its id is ours: providers' may be missing or twice."""

    name: str
    arguments: dict[str, Any]


class Chunk(Struct, frozen=True):
    """A piece of an answer; a plain answer is a single one. `finish_reason` ends it, `usage` may follow."""

    content: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    """Whole, all of an answer's together, with the finish reason `tool_calls`."""
    working: bool = False
    """The provider has said something that is kept back: it is no sign of an answer, only of life."""
    size: int = 0
    """Bytes of the event that it came in, where it bears figures alone before an answer's end."""

    def __bool__(self) -> bool:
        return self.content != "" or bool(self.refusal or self.finish_reason or self.usage)


class ErrorInAnswer(Exception):  # noqa: N818
    """The provider reports an error where an answer was due. `code` is its word for the class, never its text.

    `status`: from 400 to 599, where it says which one the answer would have had.
    """

    def __init__(self, code: str, status: int | None = None) -> None:
        super().__init__("an error in place of an answer")
        self.code = code
        self.status = status


class MalformedAnswer(Exception):  # noqa: N818
    """The provider's answer is not one answer of its format."""


class MalformedCall(MalformedAnswer):
    """It is one, and what it calls a tool with is none."""


def count(value: Any) -> int | None:
    """A number of tokens as a provider reports it. None for what is none: no answer is lost for its figures."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return int(value) if whole and value == int(value) else None


def part(details: Any, name: str, whole: int) -> int:
    """A count among the details of another, within it; 0 for what is none."""
    if not details or not isinstance(details, dict):
        return 0
    return min(count(details.get(name)) or 0, whole)


def put_out(prompt: int, completion: int, total: int | None) -> tuple[int, int]:
    """Tokens of the completion, and in total: where that is more than both sides, the rest was put out as well.

    xAI counts reasoning beside the completion, in the total alone.
    """
    if total is None:
        return completion, prompt + completion
    return max(completion, total - prompt), total


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
    """Writes one turn's answer. `model` is the provider's model as the route names it."""

    def __init__(self, turn_id: str, created: int, *, include_usage: bool) -> None:
        self._id = f"chatcmpl-{turn_id}"
        self._turn_id = turn_id
        self._created = created
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

    def usage(self, model: str, usage: Usage | None) -> bytes:
        """The last event before [DONE], for callers that set stream_options.include_usage."""
        return sse.event(
            _ENCODER.encode(_Out(self._id, "chat.completion.chunk", self._created, model, [], _written(usage)))
        )

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
