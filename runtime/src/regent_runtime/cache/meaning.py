"""What two questions must have in common beside being near each other, to have the same answer.

A sentence embedder puts "enable" next to "disable", 2023 next to 2024 and Berlin next to Munich. So nearness proposes,
and these rules decide: numbers, units, dates, names and quoted strings must be the same and in the same order,
negations must come to the same, nothing may stand where the other has its opposite, and what only one of both says must
be little, or near to what the other says instead. English is what they know; what they do not understand is a word that
both must have.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from regent_runtime.cache.vocabulary import (
    DATES,
    FILLERS,
    NEGATIONS,
    NUMBERS,
    OPPOSITES,
    PHRASES,
    QUESTION_WORDS,
    UNITS,
    root,
    stem,
    stems,
)

LEAST_NEARNESS_OF_REST = 0.7
"""Cosine of what is left of both when all that they share is taken away."""
MOST_CHARACTERS = 512
"""A longer question is not compared by its meaning."""
LEAST_SMALL_WORDS = 0.25
"""Share of the words."""
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|`([^`]+)`|(?<![\w])'([^']+)'(?![\w])")
_WORD = re.compile(r"0x[0-9a-fA-F]+|[$€£¥%]|\d+(?:[.:,/-]\d+)*|[^\W\d_]+(?:[-'/][^\W\d_]+)*|\w+")
_PREFIXES = ("un", "in", "im", "il", "ir", "non", "dis", "de", "mis", "non-")
_CAUSES = frozenset({"why", "reason", "cause", "make"})
_FILLER_STEMS = stems(FILLERS)
_KNOWN = {**NUMBERS, **UNITS, **DATES}


@dataclass(frozen=True)
class Wording:
    """A question and what the rules ask of it. Lists keep the order of the text."""

    text: str

    @cached_property
    def comparable(self) -> bool:
        """Whether it is short, and English as far as its small words tell."""
        small = sum(word in FILLERS for word in self.words)
        return len(self.text) <= MOST_CHARACTERS and small >= LEAST_SMALL_WORDS * max(len(self.words), 1)

    @cached_property
    def quoted(self) -> Sequence[str]:
        return [next(filter(None, found.groups())).strip() for found in _QUOTED.finditer(self.text)]

    @cached_property
    def words(self) -> Sequence[str]:
        plain = _plain(self.text).lower()
        for phrase, instead in PHRASES:
            plain = phrase.sub(instead, plain)
        return _WORD.findall(plain)

    @cached_property
    def figures(self) -> Sequence[str]:
        """Numbers, units and dates."""
        split = (part for word in self.words for part in re.findall(r"\d[\d.,:/-]*|[^\d]+", word) if part)
        return [_KNOWN.get(part, part.replace(",", "")) for part in split if part in _KNOWN or part[:1].isdecimal()]

    @cached_property
    def names(self) -> Sequence[str]:
        """Words that are written as names: in capitals within a sentence, or with a digit among their letters."""
        found = []
        begins = True
        for match in re.finditer(r"\S+", _plain(self.text)):
            for word in _WORD.findall(match[0]):
                plain = word.removesuffix("'s")
                if plain != "I" and not plain.startswith("I'") and _is_name(plain, begins=begins):
                    found.append(plain.lower())
                begins = False
            begins = match[0].endswith((".", "?", "!", ":"))
        return found

    @cached_property
    def negative(self) -> bool:
        count = sum(map(_negates, self.words))
        return count % 2 == 1

    @cached_property
    def asks(self) -> frozenset[str]:
        """Which of when, where, who, why."""
        bare = (word.partition("'")[0] for word in self.words)
        return frozenset(QUESTION_WORDS[word] for word in bare if word in QUESTION_WORDS)

    @cached_property
    def content(self) -> dict[str, str]:
        """Stem -> word of what is no filler, in the order of the text."""
        return {
            root(word): word
            for word in self.words
            if stem(word) not in _FILLER_STEMS and word not in _KNOWN and not _negates(word)
        }

    @cached_property
    def roots(self) -> frozenset[str]:
        return frozenset(map(root, self.words))

    @cached_property
    def all_stems(self) -> frozenset[str]:
        return stems(self.words)


def objection(one: Wording, other: Wording) -> str:
    """Why the two may have different answers, in a word; empty: no rule says so, if their `rest` is near, too."""
    rules: tuple[tuple[str, bool], ...] = (
        ("quoted", one.quoted != other.quoted),
        ("figures", one.figures != other.figures),
        ("names", not _same_names(one, other)),
        ("negation", one.negative != other.negative),
        ("question", _ask_differently(one, other)),
        ("opposites", _opposed(one, other)),
        ("order", one.words != other.words and sorted(one.words) == sorted(other.words)),
        ("more", not all(_only(one, other)) and any(_only(one, other))),
    )
    return next((word for word, breaks in rules if breaks), "")


def rest(one: Wording, other: Wording) -> tuple[str, str] | None:
    """What each says that the other does not; None: they say the same."""
    mine, theirs = _only(one, other)
    return (" ".join(mine), " ".join(theirs)) if mine or theirs else None


def _only(one: Wording, other: Wording) -> tuple[list[str], list[str]]:
    mine = [word for key, word in one.content.items() if key not in other.roots]
    theirs = [word for key, word in other.content.items() if key not in one.roots]
    return mine, theirs


def _negates(word: str) -> bool:
    return word in NEGATIONS or word.endswith("n't")


def _plain(text: str) -> str:
    """Without what is quoted."""
    return _QUOTED.sub(" ", text).replace("\u2019", "'")


def _is_name(word: str, *, begins: bool) -> bool:
    if any(letter.isdecimal() for letter in word):
        return any(letter.isalpha() for letter in word)
    return any(letter.isupper() for letter in (word if not begins else word[1:]))


def _same_names(one: Wording, other: Wording) -> bool:
    """Each name of one is a word of the other, and those that both write as names stand in the same order."""
    words = (frozenset(word.removesuffix("'s") for word in each.words) for each in (one, other))
    of_one, of_other = words
    if not (of_other.issuperset(one.names) and of_one.issuperset(other.names)):
        return False
    both = frozenset(one.names) & frozenset(other.names)
    return [name for name in one.names if name in both] == [name for name in other.names if name in both]


def _ask_differently(one: Wording, other: Wording) -> bool:
    if one.asks and other.asks:
        return one.asks != other.asks
    for asking, silent in ((one, other), (other, one)):
        if "why" in asking.asks and not silent.asks and _CAUSES.isdisjoint(silent.all_stems):
            return True
    return False


def _opposed(one: Wording, other: Wording) -> bool:
    """Whether a word of one stands against a word of the other that the first does not have."""
    only_one, only_other = one.all_stems - other.all_stems, other.all_stems - one.all_stems
    for left, right in _OPPOSITE_STEMS:
        if (only_one & left and only_other & right) or (only_one & right and only_other & left):
            return True
    return any(
        len(word) > 2 and (f"{prefix}{word}" in mine)
        for mine, theirs in ((only_one, only_other), (only_other, only_one))
        for word in theirs
        for prefix in _PREFIXES
    )


_OPPOSITE_STEMS = tuple((stems(left), stems(right)) for left, right in OPPOSITES)
