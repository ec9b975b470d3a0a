"""Many RE2 patterns matched in one pass over a text.

RE2 has no backtracking: time is linear in the text whatever the pattern. A set that runs out of memory would report
no match at all, so each holds one pattern that every text matches: when even that is missing, the scan has failed.
"""

from collections.abc import Sequence
from typing import Any

import re2

MOST_MEMORY = 16 * 1024 * 1024
"""Bytes that the automaton of a set may take."""
MOST_STEPS = 100_000
"""Instructions times bytes that a scan may take on the event loop: where RE2 makes a new state at each byte, it looks
at every instruction of every pattern, 10 to 25 ns each."""
_CANARY = r"\z"
"""Matches at the end alone: a scan stops to write down every match, and one at each byte would take half its time."""


class ScanFailed(Exception):  # noqa: N818
    """The automaton found no room; nothing is known of the text."""


class PatternSet:
    """As RE2 reads them. Raises ValueError when one is no RE2 pattern, or too large by itself.

    Patterns that are too large together are several automata: each policy's were accepted without the others'.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        options = re2.Options()
        options.max_mem = MOST_MEMORY
        options.log_errors = False
        try:
            self.at_once = MOST_STEPS // (1 + sum(re2.compile(each, options).programsize for each in patterns))
            """Bytes that may be matched on the event loop."""
            self._automata = _automata(patterns, options)
        except re2.error:
            raise ValueError("a pattern cannot be compiled by RE2") from None

    def match(self, text: bytes) -> list[int]:
        """Indices of the patterns that the text (UTF-8) holds, ascending. Releases the GIL. Raises ScanFailed."""
        found: list[int] = []
        first = 0
        for automaton, canary in self._automata:
            hits: list[int] = automaton.Match(text)
            if canary not in hits:
                raise ScanFailed
            found += sorted(first + hit for hit in hits if hit != canary)
            first += canary
        return found


def _automata(patterns: Sequence[str], options: Any) -> list[tuple[Any, int]]:
    """Each with the index of its canary, the number of its patterns. Raises re2.error."""
    made = re2.Set.SearchSet(options)
    try:
        for pattern in (*patterns, _CANARY):
            made.Add(pattern)
        made.Compile()
    except re2.error:
        if len(patterns) < 2:
            raise
        half = len(patterns) // 2
        return [*_automata(patterns[:half], options), *_automata(patterns[half:], options)]
    return [(made, len(patterns))]
