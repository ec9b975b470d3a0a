"""What a model wrote into the schema of tools_by_schema, read back: words as they come, calls at the end."""

import json
import re
from typing import Any

import msgspec

from regent_runtime.wire.answer import Chunk, MalformedAnswer, ToolCall
from regent_runtime.wire.strings import too_deep

_BEGINS = re.compile(r'\s*\{\s*"answer"\s*:\s*"')
_LONGEST_BEGINNING = 64
"""Characters in which an answer of words must have begun; later ones come at the end, whole."""
_LONGEST_ESCAPE = 12
"""Of a pair. So many characters, of which none can be read, never can be."""
_READABLE = re.compile(
    r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u(?!d[89a-f])[0-9a-f]{4}|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})*',
    re.IGNORECASE,
)
"""Of the inside of a JSON string, what is whole: no half of an escape, no half of a pair."""
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class Reply:
    """One answer. `must_call`: words are none; `of_words`: they are a text, not the JSON that the caller asks for."""

    def __init__(self, *, must_call: bool, of_words: bool, most_calls: int) -> None:
        self._must_call = must_call
        self._of_words = of_words
        self._most_calls = most_calls
        self._pieces: list[str] = []
        self._length = 0
        """Of them together."""
        self._unread: str | None = None
        """What has come of the words and cannot be read yet; None before they begin."""
        self._said: list[str] = []
        self._refused = False
        self._ended = False

    def read(self, chunk: Chunk) -> Chunk:
        """The chunk as the caller is to see it. Raises MalformedAnswer for what the schema does not let."""
        if chunk.tool_calls or (self._ended and chunk.content):
            raise MalformedAnswer
        self._refused = self._refused or bool(chunk.refusal)
        words = self._more(chunk.content)
        if chunk.finish_reason is None:
            kept_back = bool(chunk.content) and not words
            return msgspec.structs.replace(chunk, content=words, working=chunk.working or kept_back)
        self._ended = True
        if chunk.finish_reason != "stop" or (self._refused and not self._length):
            return msgspec.structs.replace(chunk, content=words)
        rest, calls = self._whole()
        reason = "tool_calls" if calls else "stop"
        return msgspec.structs.replace(chunk, content=words + rest, finish_reason=reason, tool_calls=calls)

    def _more(self, text: str) -> str:
        """The words of an answer that have become readable."""
        if not text:
            return ""
        before, self._length = self._length, self._length + len(text)
        self._pieces.append(text)
        if self._unread is None:
            if self._must_call or not self._of_words or before > _LONGEST_BEGINNING:
                return ""
            came = "".join(self._pieces)
            begun = _BEGINS.match(came)
            if begun is None:
                return ""
            self._unread = came[begun.end() :]
        elif len(self._unread) < _LONGEST_ESCAPE:
            self._unread += text
        match = _READABLE.match(self._unread)
        if match is None or not match[0]:
            return ""
        self._unread = self._unread[match.end() :]
        words = str(json.loads(f'"{match[0]}"'))
        self._said.append(words)
        return words

    def _whole(self) -> tuple[str, tuple[ToolCall, ...]]:
        """The rest of the words, or the calls."""
        try:
            value = _OBJECT.decode("".join(self._pieces))
        except (msgspec.DecodeError, RecursionError):
            raise MalformedAnswer from None
        match value:
            case {"answer": answer, **rest} if not rest and not self._must_call:
                return self._rest(answer), ()
            case {"calls": [_, *_] as calls, **rest} if not rest and len(calls) <= self._most_calls:
                return "", tuple(map(_call, calls))
            case _:
                raise MalformedAnswer

    def _rest(self, answer: Any) -> str:
        if not self._of_words:
            return msgspec.json.encode(answer).decode()
        said = "".join(self._said)
        if not isinstance(answer, str) or not answer.startswith(said):  # as where the key stands twice
            raise MalformedAnswer
        return answer.removeprefix(said)


def _call(value: Any) -> ToolCall:
    match value:
        case {"name": str() as name, "arguments": dict() as arguments, **rest} if not rest and not too_deep(arguments):
            return ToolCall(name, arguments)
        case _:
            raise MalformedAnswer
