"""What messages are made of, whatever the dialect: texts and images in their order, and calls of tools with results."""

from collections.abc import Iterable
from itertools import groupby

from regent_runtime.refusals import INVALID_VALUE, Refused
from regent_runtime.wire.images import Content, Image, words

MOST_MESSAGES = 2048
"""Of a turn: results of tools are some."""
MOST_TOOLS = 128
"""That a request offers, and that a message calls."""


def joined(parts: Iterable[str | Image]) -> Content:
    """The text; neighbouring texts become lines. With images: the lines before, between and after them."""
    found: list[str | Image] = []
    for of_text, group in groupby(parts, key=lambda part: isinstance(part, str)):
        neighbours = list(group)
        found += ["\n".join(map(str, neighbours))] if of_text else neighbours
    return found[0] if len(found) == 1 and isinstance(found[0], str) else found


def check_text(param: str, content: Content) -> None:
    """Raises Refused (400) for a character that ends a text where C is spoken."""
    if "\0" in (content if isinstance(content, str) else words(content)):
        raise Refused(INVALID_VALUE, f"`{param}` must not hold U+0000.", param=param)


class OpenCalls:
    """Calls that still lack a result."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._count = 0

    def add(self, param: str, identity: str) -> str:
        """The id that the call has from here on. Raises Refused (400)."""
        if identity in self._given:
            raise Refused(INVALID_VALUE, f"`{param}` stands twice in the message; give each call its own.", param=param)
        self._given[identity] = f"call_{self._count}"
        self._count += 1
        return self._given[identity]

    def close(self, param: str, identity: str | None) -> str:
        """The id of the call that has its result now. Raises Refused (400)."""
        given = self._given.pop(identity or "", None)
        if given is None:
            words = f"`{param}` must be the id of a call of the assistant's message before it."
            raise Refused(INVALID_VALUE, words, param=param)
        return given

    def check(self, at: str) -> None:
        """Raises Refused (400) where the message at this place comes before all calls have their results."""
        if self._given:
            words = f"`{at}`: each of the tool calls before it needs its result first."
            raise Refused(INVALID_VALUE, words, param=at)
