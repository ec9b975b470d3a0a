"""How far matches of a pattern reach: their longest length in bytes, the bytes that they can be made of, and what they
begin with. How those of parts make those of a whole; `patternreader` reads them off a pattern.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from operator import or_

MOST_CLASSES = 1024
"""Remembered as text: those of a config and of the next one, several times over."""
LONGEST_CHARACTER = 4
_LONGEST_HEAD = 8
_MOST_HEADS = 32


@dataclass(frozen=True)
class Extent:
    """Of every possible match. Sets of bytes are bit masks."""

    longest: int | None
    """Bytes; None: without bound."""
    shortest: int
    alphabet: int
    first: int
    """What a match may begin with; nothing that is empty."""
    heads: frozenset["Head"] = frozenset()
    """Each match begins with one of them."""

    def then(self, other: "Extent") -> "Extent":
        return Extent(
            None if self.longest is None or other.longest is None else self.longest + other.longest,
            self.shortest + other.shortest,
            self.alphabet | other.alphabet,
            self.first if self.shortest else self.first | other.first,
            _followed(self.heads, other.heads),
        )

    def either(self, other: "Extent") -> "Extent":
        return Extent(
            None if self.longest is None or other.longest is None else max(self.longest, other.longest),
            min(self.shortest, other.shortest),
            self.alphabet | other.alphabet,
            self.first | other.first,
            _few(self.heads | other.heads),
        )

    def times(self, least: int, most: int | None) -> "Extent":
        if most is None:
            longest = 0 if self.longest == 0 else None
        else:
            longest = None if self.longest is None else self.longest * most
        heads = _EMPTY
        for _ in range(min(least, _LONGEST_HEAD)):
            heads = _followed(heads, self.heads)
        if (least, most) == (0, 1):
            heads = _few(_EMPTY | self.heads)
        elif least != most or least > _LONGEST_HEAD:
            heads = _open(heads)
        return Extent(longest, self.shortest * least, self.alphabet, self.first, heads)


@dataclass(frozen=True)
class Head:
    """What the first bytes of some matches are, one by one, as far as that is told."""

    masks: tuple[int, ...]
    is_whole: bool
    """Whether such a match ends with it."""
    at_word: bool = False
    """Whether such a match begins at a word boundary."""

    def then(self, other: "Head") -> "Head":
        if not self.is_whole:
            return self
        masks = self.masks + other.masks
        is_whole = other.is_whole and len(masks) <= _LONGEST_HEAD
        return Head(masks[:_LONGEST_HEAD], is_whole, self.at_word or (not self.masks and other.at_word))


_EMPTY = frozenset({Head((), is_whole=True)})


def _followed(heads: frozenset[Head], others: frozenset[Head]) -> frozenset[Head]:
    """Of one after the other; where those would be too many, of the first alone."""
    whole = sum(each.is_whole for each in heads)
    if whole * len(others) + len(heads) - whole > _MOST_HEADS:
        return _open(heads)
    return frozenset(each.then(other) for each in heads for other in others)


def _open(heads: frozenset[Head]) -> frozenset[Head]:
    """Where nobody knows what follows."""
    return frozenset(replace(each, is_whole=False) for each in heads)


def _few(heads: frozenset[Head]) -> frozenset[Head]:
    """The same, or one that stands for all where there are too many."""
    if len(heads) <= _MOST_HEADS:
        return heads
    together = zip(*(each.masks for each in heads), strict=False)
    masks = tuple(reduce(or_, each) for each in together)
    return frozenset({Head(masks, is_whole=False, at_word=all(each.at_word for each in heads))})


NOTHING = Extent(0, 0, 0, 0, _EMPTY)
WORD_BOUNDARY = Extent(0, 0, 0, 0, frozenset({Head((), is_whole=True, at_word=True)}))


def one(mask: int, longest: int = 1) -> Extent:
    """A character of these bytes."""
    return Extent(longest, 1, mask, mask, frozenset({Head((mask,), is_whole=longest == 1)}))


def any_of(characters: Iterable[Extent]) -> Extent:
    """One of several characters."""
    found = list(characters)
    return one(reduce(or_, (each.alphabet for each in found)), max(each.longest or 0 for each in found))


@lru_cache(maxsize=MOST_CLASSES)
def byte_class(mask: int) -> str:
    """A set of bytes as an RE2 class, for patterns in Latin-1. Each new config asks for those of the one before."""
    return "[" + "".join(f"\\x{byte:02x}" for byte in range(256) if mask >> byte & 1) + "]"
