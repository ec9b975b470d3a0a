"""A search with RE2 is one call of its library.

The module `re2` makes nine of it, in Python, most of them for texts in characters; a streamed chunk needs two to four.
"""

from collections.abc import Callable, Sequence
from functools import partial

import re2

Finder = Callable[[bytes, int], tuple[int, int] | None]
"""Where a pattern first matches in a text, from an offset on."""
Ask = Callable[[bytes, int, int], Sequence[tuple[int, int]]]
"""Of a text, between two offsets: the first match comes first, and is (-1, -1) where there is none."""
_ANYWHERE = re2._re2.RE2.Anchor.UNANCHORED  # noqa: SLF001
_HERE = re2._re2.RE2.Anchor.ANCHOR_START  # noqa: SLF001


def finder(pattern: "re2._Regexp") -> Finder:
    """As the pattern's `search`."""
    return _asking(pattern, _ANYWHERE)


def matcher(pattern: "re2._Regexp") -> Finder:
    """As the pattern's `match`."""
    return _asking(pattern, _HERE)


def ask(pattern: "re2._Regexp", anchor: object = _ANYWHERE) -> Ask:
    return partial(pattern._regexp.Match, anchor)  # noqa: SLF001


def _asking(pattern: "re2._Regexp", anchor: object) -> Finder:
    asked = ask(pattern, anchor)

    def find(text: bytes, at: int) -> tuple[int, int] | None:
        span = asked(text, at, len(text))[0]
        return span if span[0] >= 0 else None

    return find
