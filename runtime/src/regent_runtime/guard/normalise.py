"""One text, as a reader would take it: what is invisible gone, what looks like a letter that letter.

Two forms. `canonical` keeps the meaning: it is what a provider may make of a text (NFKC, invisible characters gone,
tag characters as the ASCII that they spell), so it can be sent. `fold` goes on to a skeleton in which look-alikes
and accents are gone; it is for matching only. ASCII is its own form in both, but for control characters in a skeleton.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Literal

import re2

from regent_runtime.guard import confusables

MOST_ROUNDS = 8
"""A canonical form is reached in two or three; more is a fault, and a fault denies."""
MOST_MARKS = 32
"""Of the combining characters in a row; Unicode's stream-safe text (annex 15) has at most 30."""
MOST_FOLDED = 4096
"""Characters of a part of a skeleton. One character may decompose to eighteen."""


def _invisible() -> dict[str, str]:
    """Format characters, variation selectors and fillers: they show nothing, and split words for a matcher."""
    single = (0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFEFF, 0xFFA0, 0xE0001, 0xE007F)
    ranges = (
        (0x180B, 0x180F),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xFE00, 0xFE0F),
        (0xFFF9, 0xFFFB),
        (0x1D173, 0x1D17A),
        (0xE0100, 0xE01EF),
    )
    return {
        chr(code): "" for first, last in (*zip(single, single, strict=True), *ranges) for code in range(first, last + 1)
    }


def _marks() -> dict[str, str]:
    """Accents that a compatibility decomposition leaves behind."""
    ranges = ((0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF))
    return {chr(code): "" for first, last in ranges for code in range(first, last + 1)}


def _controls() -> dict[str, str]:
    """But for those that stand for space."""
    return {chr(code): "" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


_TAGS = {chr(0xE0000 + code): chr(code) for code in range(0x20, 0x7F)}
"""Unicode's tag characters spell ASCII invisibly (block E0000)."""
_INVISIBLE = {**_invisible(), **_TAGS}
_SKELETON = {**confusables.TABLE, **_INVISIBLE, **_marks(), **_controls()}
_ASCII_CONTROLS = "".join(filter(str.isascii, _controls())).encode()


_SOME_MARKS = re2.compile(rb"[\p{M}\x{FF9E}\x{FF9F}]{8}")
"""What hardly any text has in a row, of all that combines or comes apart into what does."""


class NotCanonical(Exception):  # noqa: N818
    """A text has no canonical form within MOST_ROUNDS."""


def normal(form: Literal["NFKC", "NFKD"], text: str) -> str:
    """A normal form, in linear time.

    Of combining characters in a row only the first MOST_MARKS are kept: Python sorts them in the square of their
    number, which takes minutes for a text of nothing else.
    """
    if text.isascii():
        return text
    if _SOME_MARKS.search(text.encode("utf-8", "replace")):
        runs = groupby(text, _combines)
        text = "".join(each for combines, run in runs for each in islice(run, MOST_MARKS if combines else None))
    return unicodedata.normalize(form, text)


def _combines(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\uff9e\uff9f"


def canonical(text: str) -> str:
    """NFKC without invisible characters. Applied again, or NFKC applied to it, it stays as it is.

    Raises NotCanonical.
    """
    if text.isascii():
        return text
    for _ in range(MOST_ROUNDS):
        again = normal("NFKC", _mapped(text, _INVISIBLE))
        if again == text:
            return text
        text = again
    raise NotCanonical


def fold(text: str) -> str:
    """The skeleton: look-alikes as ASCII, no accents, nothing invisible. For matching, never for sending."""
    return "".join(folds(text))


def folds(text: str) -> Iterator[str]:
    """The same in parts of at most MOST_FOLDED characters, so that much need not be done at once."""
    if text.isascii():
        raw = text.encode()
        shown = raw.translate(None, _ASCII_CONTROLS)
        yield text if len(shown) == len(raw) else shown.decode()
        return
    decomposed = normal("NFKD", text)
    for begin in range(0, len(decomposed), MOST_FOLDED):
        yield _mapped(decomposed[begin : begin + MOST_FOLDED], _SKELETON)


def _mapped(text: str, table: Mapping[str, str]) -> str:
    """As str.translate, which raises and catches an error for each character that is not in its table."""
    if table.keys().isdisjoint(text):
        return text
    return "".join(map(table.get, text, text))
