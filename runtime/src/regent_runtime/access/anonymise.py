"""Personal data out of a request, placeholders in: pure, and exact both ways.

Every occurrence of what was found anywhere in the request is replaced, also where the detectors did not see it (in a
longer word, say), so no found value goes to a provider. Equal values get equal placeholders. A label is never lowered
by it: a placeholder says that something stood there, and of what kind.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import re2

from regent_runtime.access.placeholders import MOST_OF_A_KIND, QUOTED, SHAPE, is_placeholder, placeholder
from regent_runtime.refusals import TOO_MUCH_PERSONAL_DATA, Refused
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.strings import replaced

MOST_VALUES = 1000
"""Distinct values a turn."""
_LARGEST_PROGRAM = 67_108_864


@dataclass(frozen=True)
class Anonymised:
    """A request as the model may see it. `originals`: placeholder -> what stood in its place."""

    request: ChatRequest
    originals: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Anonymised({len(self.originals)} values)"


def anonymise(request: ChatRequest, values: Mapping[str, str], nonce: str) -> Anonymised:
    """`values`: all that was found. Raises Refused (422) where there are more than MOST_VALUES, or of one kind more
    than placeholders can be told apart.
    """
    if len(values) > MOST_VALUES:
        raise _too_much(MOST_VALUES)
    exchange = _Exchange(values, nonce)
    messages = [exchange.message(message) for message in request.messages]
    forwarded = {name: replaced(value, exchange.text, numbers=True) for name, value in request.forwarded.items()}
    return Anonymised(replace(request, messages=messages, forwarded=forwarded), exchange.originals)


class _Exchange:
    """Replaces the values of one request, and remembers what stands for what."""

    def __init__(self, values: Mapping[str, str], nonce: str) -> None:
        self.originals: dict[str, str] = {}
        self._kinds = values
        self._nonce = nonce
        self._given: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()
        self._pattern = _pattern(values)

    def message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A name that holds a value is left out: providers take no brackets in names."""
        changed = {**message, "content": replaced(message["content"], self.text)}
        if "tool_calls" in message:
            changed["tool_calls"] = replaced(message["tool_calls"], self.text, numbers=True)
        if "name" in changed and self.text(changed["name"]) != changed["name"]:
            del changed["name"]
        return changed

    def text(self, text: str) -> str:
        raw = text.encode()
        parts: list[bytes] = []
        at = 0
        for match in self._pattern.finditer(raw):
            parts += (raw[at : match.start()], self._placeholder(match.group().decode()).encode())
            at = match.end()
        return b"".join((*parts, raw[at:])).decode()

    def _placeholder(self, original: str) -> str:
        given = self._given.get(original)
        if given is None:
            kind = QUOTED if is_placeholder(original) else self._kinds[original]
            self._numbers[kind] += 1
            if self._numbers[kind] > MOST_OF_A_KIND:
                raise _too_much(MOST_OF_A_KIND)
            given = placeholder(kind, self._numbers[kind], self._nonce)
            self._given[original] = given
            self.originals[given] = original
        return given


def _too_much(most: int) -> Refused:
    words = f"The input holds more than {most} different items of personal data; send less at once."
    return Refused(TOO_MUCH_PERSONAL_DATA, words, param="messages")


def _pattern(values: Iterable[str]) -> Any:
    """Every value, and all that has the shape of a placeholder; the leftmost and of those the longest. Linear."""
    options = re2.Options()
    options.longest_match = True
    options.max_mem = _LARGEST_PROGRAM
    options.log_errors = False
    return re2.compile("|".join((SHAPE, *map(re2.escape, values))).encode(), options)
