"""A text on its way out, with what rules find in it rewritten or held back, and the same result however it was cut.

Only what may still become a match waits (LONGEST_MATCH bytes at the most); the rest goes on at once. Matches that
overlap are one: the replacement of the first stands for all of them.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from regent_runtime.guard.scan import KEPT, Match, Rule, RuleSet, Scanner


@dataclass(frozen=True)
class While:
    """The match goes on over these bytes, however many: the rest of a token."""

    members: bytes


@dataclass(frozen=True)
class Until:
    """The match goes on up to and with this word, or to the end of the text: the body of a key."""

    word: bytes


@dataclass(frozen=True, eq=False)
class Treatment:
    """What a rule's matches lead to."""

    rule: Rule
    field: str
    """Path of the policy field behind it."""
    reason: str
    """A word for records and metrics."""
    actions: tuple[str, ...]
    replacement: bytes | None
    """None: the text stays."""
    tail: While | Until | None = None
    policies: tuple[str, ...] | None = None
    """Behind this very rule; None: those behind the field."""


class Window:
    """One text. `seen` is told of every match before anything of it is rewritten; what it raises ends the text."""

    def __init__(self, rules: RuleSet, treatments: Mapping[Rule, Treatment], seen: Callable[[Treatment], None]) -> None:
        self._scanner = Scanner(rules)
        self._treatments = treatments
        self._seen = seen
        self._gone = 0
        """Bytes of the text that were let out, rewritten or swallowed."""
        self._tail: While | Until | None = None
        self._tail_begins = 0

    async def pass_on(self, piece: bytes, *, final: bool) -> bytes:
        """As `feed`; in a thread where that takes long."""
        if self._scanner.takes_long(piece, final=final):
            return await asyncio.to_thread(self.feed, piece, final=final)
        return self.feed(piece, final=final)

    def feed(self, piece: bytes, *, final: bool = False) -> bytes:
        """What may go out now; `piece` ends at the border of a character."""
        scanner = self._scanner
        matches = scanner.feed(piece, final=final)
        if not matches and self._tail is None:
            return self._rest()
        out: list[bytes] = []
        if self._tail is not None:
            self._swallow()
        for match in matches:
            treatment = self._treatments[match.rule]
            self._seen(treatment)
            if treatment.replacement is not None:
                self._rewrite(match, treatment, treatment.replacement, out)
        out.append(self._rest())
        return b"".join(out)

    def _rest(self) -> bytes:
        """What has settled and is part of no match."""
        scanner, gone = self._scanner, self._gone
        text = b""
        if scanner.settled > gone:
            text = scanner.text[gone - scanner.dropped : scanner.settled - scanner.dropped]
            self._gone = scanner.settled
        if self._gone - scanner.dropped > KEPT:
            scanner.drop(self._gone - len(self._tail.word) if isinstance(self._tail, Until) else self._gone)
        return text

    def _rewrite(self, match: Match, treatment: Treatment, replacement: bytes, out: list[bytes]) -> None:
        if match.end <= self._gone:
            return
        if match.start >= self._gone:
            out += [self._between(self._gone, match.start), replacement]
        self._gone = match.end
        self._tail, self._tail_begins = treatment.tail, match.end
        if self._tail is not None:
            self._swallow()

    def _swallow(self) -> None:
        """Follow the tail of the last match over what is there of it."""
        scanner = self._scanner
        if isinstance(self._tail, While):
            rest = scanner.text[self._gone - scanner.dropped :]
            left = len(rest.lstrip(self._tail.members))
            self._gone = scanner.fed - left
            if left:
                self._tail = None
        elif isinstance(self._tail, Until):
            begin = max(self._tail_begins, self._gone - len(self._tail.word) + 1)
            at = scanner.text.find(self._tail.word, begin - scanner.dropped)
            if at < 0:
                self._gone = scanner.fed
            else:
                self._gone = scanner.dropped + at + len(self._tail.word)
                self._tail = None

    def _between(self, start: int, end: int) -> bytes:
        dropped = self._scanner.dropped
        return self._scanner.text[start - dropped : end - dropped]
