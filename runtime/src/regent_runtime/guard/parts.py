"""Cuts a text into parts that are folded and looked at one at a time, each character once.

Parts end between words, so no word is read in two. What may begin in one part and go on in the next is matched with
the end of what came before: of the folded text, so nothing that shows nothing can push an attack out of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from regent_runtime.guard.normalise import MOST_FOLDED, folds

STEP = MOST_FOLDED
"""Characters of a text that are folded in one step."""
OVERLAP = 512
"""Characters that are matched with what follows too: no pattern of the house matches more."""
LONGEST_WORD = 512
"""Characters; a longer one may be cut."""
_BLANKS = re.compile(r"([ \t\n\r]{3})[ \t\n\r]+")
"""No pattern of the house tells three from more."""
_MANY_BLANKS = b" " * 16
"""With fewer in each gap a match still fits into OVERLAP."""
_SHAPE = bytes(b"x "[chr(byte) in " \t\n\r"] for byte in range(256))


@dataclass(frozen=True, slots=True)
class Part:
    folded: str
    """At most STEP + LONGEST_WORD characters; may be empty."""
    matched: str
    """The same behind what is matched with it."""
    end: int
    """How many characters of the text came before the step of folding in which the part was cut."""


def parts(text: str) -> Iterator[Part]:
    """One after each step of folding, and the rest: joined, what the text folds to."""
    rest, matched = "", ""
    for begin in range(0, len(text), STEP):
        for folded in folds(text[begin : begin + STEP]):
            end = _end_of_words(rest)
            matched = _ending(matched) + rest[:end]
            yield Part(rest[:end], matched, begin)
            rest = rest[end:] + folded
    yield Part(rest, _ending(matched) + rest, len(text))


def _end_of_words(text: str) -> int:
    end = max(text.rfind(" "), text.rfind("\n")) + 1
    return end if len(text) - end <= LONGEST_WORD else len(text)


def _ending(matched: str) -> str:
    ending = matched[-OVERLAP:]
    many = _MANY_BLANKS in ending.encode("utf-8", "replace").translate(_SHAPE)
    return _BLANKS.sub(r"\1", matched)[-OVERLAP:] if many else ending
