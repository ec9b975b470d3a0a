"""What a provider answered, reduced to what is known.

Only the fields of these structures cross, whatever the provider's format: reasoning, fingerprints, tool calls nobody
asked for and whatever else a provider adds stay behind.
"""

from typing import Any

from msgspec import Struct

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
