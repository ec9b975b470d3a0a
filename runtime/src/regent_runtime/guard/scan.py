"""Finds rules' matches in text that arrives in pieces: the same matches, however the text was cut.

Time is linear in the text and memory is bounded by the longest match. A match is told when nothing that may still come
could change it: it cannot grow, and none can begin before it. `Scanner.settled` is how far that is true.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import re2

from regent_runtime.guard.extent import Extent, byte_class
from regent_runtime.guard.patternreader import Unmeasured, extent
from regent_runtime.guard.patternset import MOST_STEPS
from regent_runtime.guard.pieces import SMALL
from regent_runtime.guard.searching import Ask, Finder, ask, finder, matcher

LONGEST_MATCH = 512
"""Bytes that a window may have to hold back; a rule that can match more is not scanned in pieces."""
_MOST_SURPLUS = 512
"""Bytes that are kept although they could go: a copy of the rest for every few bytes costs more."""
_MOST_TOGETHER = 6_000
"""Instructions of patterns that are searched for in one go: of more, RE2 has no room for all states that a text leads
to, and takes a hundred times as long."""
_TIERS = 32, 128, LONGEST_MATCH
"""Bytes that a match may have. As many as the first may wait although no rule that reaches so far asks for it: to find
out costs more."""
_CONTEXT = 4
"""Bytes kept in front of what is not settled: word boundaries look at one, and a character has at most four."""
KEPT = _MOST_SURPLUS + _CONTEXT
"""Bytes that have settled, of which none is dropped."""


class Judged(NamedTuple):
    """What of a candidate counts, as offsets into it, and where the search for the next candidate goes on."""

    spans: Sequence[tuple[int, int]]
    resume: int


def all_of_it(candidate: bytes) -> Judged:
    return Judged([(0, len(candidate))], len(candidate))


@dataclass(frozen=True, eq=False)
class Rule:
    """A pattern, and who judges its candidates: a function of the candidate's bytes alone."""

    name: str
    pattern: str = field(repr=False)
    """May be a secret's value."""
    judge: Callable[[bytes], Judged] = all_of_it
    is_utf8: bool = False
    """Whether the pattern is about characters (users') or about bytes (ours)."""
    opening: str | None = None
    """What the pattern begins with. It is searched for alone, and the rest only behind it: a search for a long bounded
    repetition keeps count from every byte where one may begin, which no automaton's cache holds."""

    @cached_property
    def extent(self) -> Extent:
        """Raises Unmeasured."""
        return extent(self.pattern, latin1=not self.is_utf8)

    @property
    def sought(self) -> str:
        """What is found wherever the pattern is."""
        return self.pattern if self.opening is None else self.opening

    def compiled(self) -> "re2._Regexp":
        """Raises re2.error."""
        return compiled(self.pattern, is_utf8=self.is_utf8)

    def finder(self) -> Finder:
        """Raises re2.error."""
        if self.opening is None:
            return finder(self.compiled())
        whole, opening = matcher(self.compiled()), finder(compiled(self.opening, is_utf8=self.is_utf8))

        def find(text: bytes, at: int) -> tuple[int, int] | None:
            while (begun := opening(text, at)) is not None:
                if (span := whole(text, begun[0])) is not None:
                    return span
                at = begun[0] + 1
            return None

        return find


def compiled(pattern: str, *, is_utf8: bool) -> "re2._Regexp":
    """A pattern for bytes. Raises re2.error."""
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    if is_utf8:
        return re2.compile(pattern.encode(), options)
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode("latin-1"), options)


@dataclass(frozen=True, slots=True)
class Match:
    """Offsets are bytes from the beginning of the text, at borders of characters."""

    rule: Rule
    start: int
    end: int


class RuleSet:
    """Rules compiled to be scanned for together. The order is the precedence of matches that begin together.

    `is_windowed`: every rule has a longest match of LONGEST_MATCH bytes at the most. Raises re2.error.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._rank = {rule: rank for rank, rule in enumerate(self.rules)}
        self.finders = tuple((rule, rule.finder()) for rule in self.rules)
        self.unbounded = tuple(rule.name for rule in self.rules if not _is_bounded(rule))
        self.is_windowed = not self.unbounded
        self._groups = tuple(_groups(self.rules))
        self._asked = tuple(
            (pattern and ask(pattern), self._shortest(indices), indices) for pattern, indices in self._groups
        )
        extents = [] if self.unbounded else [rule.extent for rule in self.rules]
        self._extents = extents
        self.longest = max((each.longest or 0 for each in extents), default=0)
        self._pending = _pending(extents)
        users = sum(rule.compiled().programsize for rule in self.rules if rule.is_utf8)
        self.is_quick = self.is_windowed and not users
        """Whether any piece may be scanned on the event loop."""
        self.at_once = MOST_STEPS // (1 + users) if self.is_windowed else SMALL
        """Bytes that may be scanned on the event loop. Rules of our own take no time to speak of, in pieces."""

    def precedence(self, match: Match) -> tuple[int, int]:
        """The order in which matches claim their bytes."""
        return match.start, self._rank[match.rule]

    def pending(self, text: bytes, begin: int) -> int:
        """Where the first match may begin that more text could still complete, lengthen or end; -1: nowhere.

        `begin`: where to look from.
        """
        end = len(text)
        if self._pending is None:
            return -1
        at = self._pending(text, max(begin, end - self.longest - 1), end)[0][0]
        if end - at <= _TIERS[0] or at < 0:
            return at
        found = [ask(text, max(begin, end - longest - 1), end)[0][0] for longest, ask in self._by_length]
        return min((at for at in found if at >= 0), default=-1)

    @cached_property
    def _by_length(self) -> Sequence[tuple[int, Ask]]:
        """What finds where a match may begin, by how far rules reach: short ones do not wait like long ones."""
        tiers: dict[int, list[Extent]] = {}
        for each in self._extents:
            tiers.setdefault(next(tier for tier in _TIERS if (each.longest or 0) <= tier), []).append(each)
        asks = ((max(each.longest or 0 for each in tier), _pending(tier)) for tier in tiers.values())
        return [(longest, pending) for longest, pending in asks if pending is not None]

    def worth_asking(self, text: bytes, begin: int, end: int) -> Sequence[int]:
        """Indices of the rules that may match in a text of that length; never one too few."""
        worth: Sequence[int] = ()
        for asked, shortest, indices in self._asked:
            if end - begin >= shortest and (asked is None or asked(text, begin, end)[0][0] >= 0):
                worth = [*worth, *indices]
        return worth

    def _shortest(self, indices: Sequence[int]) -> int:
        """Bytes that a match of one of those rules has at least, where all are known."""
        return min((self.rules[index].extent.shortest for index in indices), default=0) if self.is_windowed else 0


class Scanner:
    """One text, piece by piece. Without a windowed rule set nothing settles before the end."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self.text = b""
        """What was fed and not dropped; what waits for the end is not there before it."""
        self._waiting: list[bytes] = []
        self.dropped = 0
        """Bytes of the text that came before `text`."""
        self.settled = 0
        """All matches that begin before this offset have been told."""
        self.fed = 0
        """Bytes of the text that came."""
        self._resume = [0] * len(rules.rules)
        self._early: list[Match] = []
        """Found in a candidate that has settled, but behind what has."""

    def takes_long(self, piece: bytes, *, final: bool) -> bool:
        """Whether to feed a piece is more than the event loop should wait for."""
        if self._rules.is_windowed:
            return self.fed - self.settled + len(piece) > self._rules.at_once
        return final and sum(map(len, self._waiting)) > self._rules.at_once

    def feed(self, piece: bytes, *, final: bool = False) -> list[Match]:
        """The matches that settle now, by where they begin; `piece` ends at the border of a character."""
        if not self._rules.is_windowed:
            self._waiting.append(piece)
            if not final:
                return []
            piece = b"".join(self._waiting)
        self.text += piece
        self.fed += len(piece)
        until = self.fed if final else self._unsettled()
        if until <= self.settled and not final:
            return []
        worth = self._rules.worth_asking(self.text, self.settled - self.dropped, self.fed - self.dropped)
        found = self._matches(worth, until, final=final) if worth else []
        self.settled = until
        return self._in_order(found, final=final) if found or self._early else found

    def drop(self, before: int) -> None:
        """Forget what lies before an offset, but for the context that patterns look at."""
        surplus = (min(self.settled, before)) - _CONTEXT - self.dropped
        if surplus > _MOST_SURPLUS:
            self.text = self.text[surplus:]
            self.dropped += surplus

    def _in_order(self, found: list[Match], *, final: bool) -> list[Match]:
        """What settles, sorted; what begins behind that is kept for later."""
        found = [*self._early, *found]
        found.sort(key=self._rules.precedence)
        self._early = [] if final else [match for match in found if match.start >= self.settled]
        return found[: len(found) - len(self._early)]

    def _unsettled(self) -> int:
        at = self._rules.pending(self.text, self.settled - self.dropped)
        return self.fed if at < 0 else self.dropped + _border_before(self.text, at)

    def _matches(self, worth: Sequence[int], until: int, *, final: bool) -> list[Match]:
        """`worth`: indices of the rules to ask."""
        text, begin = self.text, self.settled - self.dropped
        end = len(text) if final else until - self.dropped
        matches: list[Match] = []
        for index in worth:
            rule, find = self._rules.finders[index]
            at = max(self._resume[index] - self.dropped, begin)
            while (found := find(text, at)) is not None and found[0] < end:
                start, stop = found
                judged = rule.judge(text[start:stop])
                for first, last in judged.spans:
                    if last > first:
                        borders = _border_before(text, start + first), _border_after(text, start + last)
                        matches.append(Match(rule, self.dropped + borders[0], self.dropped + borders[1]))
                at = max(start + judged.resume, start + 1)
            self._resume[index] = self.dropped + at if at > begin else self._resume[index]
        return matches


def _is_bounded(rule: Rule) -> bool:
    try:
        longest = rule.extent.longest
    except Unmeasured:
        return False
    return longest is not None and longest <= LONGEST_MATCH


def _groups(rules: Sequence[Rule]) -> Iterator[tuple["re2._Regexp | None", Sequence[int]]]:
    """Indices of rules, as many together as RE2 has room for, and what finds nothing only where none of them does.

    None where that would be too large.
    """
    for is_utf8 in (False, True):
        groups: list[list[int]] = []
        room = 0
        for index in (index for index, rule in enumerate(rules) if rule.is_utf8 is is_utf8):
            size = compiled(rules[index].sought, is_utf8=is_utf8).programsize
            if size > room:
                groups.append([])
                room = _MOST_TOGETHER
            groups[-1].append(index)
            room -= size
        for indices in groups:
            yield _any_of([rules[index].sought for index in indices], is_utf8=is_utf8), indices


def _any_of(patterns: Sequence[str], *, is_utf8: bool) -> "re2._Regexp | None":
    try:
        return compiled("|".join(f"(?:{pattern})" for pattern in patterns), is_utf8=is_utf8)
    except re2.error:
        return None


def _pending(extents: Sequence[Extent]) -> Ask | None:
    """What every rule's matches may begin with, up to the end of the text."""
    shapes = {shape for each in extents if each.alphabet for shape in _beginnings(each)}
    if not shapes:
        return None
    return ask(compiled(f"(?:{'|'.join(sorted(shapes))})\\z", is_utf8=False))


def _beginnings(of: Extent) -> Iterator[str]:
    """Each head as far as it is there, and then anything of the alphabet."""
    for head in of.heads:
        first, *others = head.masks or (of.first,)
        shape = byte_class(of.alphabet) + "*"
        for mask in reversed(others):
            shape = f"(?:{byte_class(mask)}{shape})?"
        boundary = r"\b" if head.at_word else ""
        yield boundary + byte_class(first) + shape


def _border_before(text: bytes, at: int) -> int:
    """The last border of a UTF-8 character at or before an offset."""
    while 0 < at < len(text) and text[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _border_after(text: bytes, at: int) -> int:
    while at < len(text) and text[at] & 0xC0 == 0x80:
        at += 1
    return at
