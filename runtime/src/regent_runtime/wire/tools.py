"""Tool calls of an answer, put together from the pieces that they come in."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from regent_runtime.wire.answer import Chunk, MalformedAnswer, MalformedCall, ToolCall
from regent_runtime.wire.strings import too_deep

MOST_CALLS = 128
"""Of one answer."""
_OBJECT = msgspec.json.Decoder(dict[str, Any])


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    """Of its arguments."""

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def may_be_whole(self) -> bool:
        """As far as the last piece that says something tells."""
        last = next((piece for piece in reversed(self.pieces) if not piece.isspace()), "")
        return last.rstrip().endswith("}")


class Calls:
    """One answer's. A piece belongs to the call of its id, else to that of its index.

    Servers are not strict: ids may be missing, come only once or be the same for several calls, indexes may be missing
    or all zero, and pieces of several calls may come in turns.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, index: int | None, identity: str | None, name: str | None, arguments: str | None) -> None:
        """Raises MalformedAnswer for more calls than an answer may have."""
        place = 0 if index is None else index
        call = self._of(identity or "", place)
        elsewhere = place not in self._at
        if call is None or _begins(call, identity or "", name or "", elsewhere=elsewhere):
            call = _Call()
            self._calls.append(call)
            if len(self._calls) > MOST_CALLS:
                raise MalformedAnswer
        self._at[place] = call
        call.id = call.id or identity or ""
        call.name = call.name or name or ""
        if arguments:
            call.pieces.append(arguments)

    def _of(self, identity: str, place: int) -> _Call | None:
        at = self._at.get(place)
        if not identity or (at is not None and at.id == identity):
            return at
        return next((each for each in self._calls if each.id == identity), at)

    def whole(self) -> tuple[ToolCall, ...]:
        """In the order of their first pieces. Raises MalformedAnswer for one without a name or without an object."""
        if not all(call.name for call in self._calls):
            raise MalformedAnswer
        return tuple(ToolCall(call.name, arguments(call.arguments)) for call in self._calls)


def _begins(call: _Call, identity: str, name: str, *, elsewhere: bool) -> bool:
    """Whether a piece for this call is the first of another one. `elsewhere`: no piece bore its index before."""
    if identity and call.id and identity != call.id:
        return True
    if identity and call.id and not elsewhere:
        return False
    if not name or not call.name:
        return False
    return name != call.name or (call.may_be_whole() and _is_object(call.arguments))


def _is_object(text: str) -> bool:
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def arguments(text: str) -> dict[str, Any]:
    """The object that is meant; nothing at all means an empty one. Raises MalformedCall."""
    if not text.strip():
        return {}
    try:
        value = _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise MalformedCall from None
    if too_deep(value):
        raise MalformedCall
    return value


def calling(chunk: Chunk, calls: Calls) -> Chunk:
    """The chunk with the calls, where it ends an answer that makes some: servers differ in how they name that end.

    An answer that was cut makes none: its last call may be half of one. Raises MalformedAnswer.
    """
    if chunk.finish_reason is None:
        return chunk
    if chunk.finish_reason == "tool_calls" and not calls:
        raise MalformedAnswer
    if chunk.finish_reason not in {"stop", "tool_calls"} or not calls:
        return chunk
    return msgspec.structs.replace(chunk, finish_reason="tool_calls", tool_calls=calls.whole())


def object_text(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
