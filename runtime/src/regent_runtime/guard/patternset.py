"""Many RE2 patterns matched in one pass over a text.

RE2 has no backtracking: time is linear in the text whatever the pattern. A set that runs out of memory would report
no match at all, so each holds one pattern that every text matches: when even that is missing, the scan has failed.
"""

from collections.abc import Sequence

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
    """As RE2 reads them. Raises ValueError when one is no RE2 pattern, or all together are too large."""

    def __init__(self, patterns: Sequence[str]) -> None:
        options = re2.Options()
        options.max_mem = MOST_MEMORY
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._canary = len(patterns)
        try:
            for pattern in (*patterns, _CANARY):
                self._set.Add(pattern)
            self._set.Compile()
            self.at_once = MOST_STEPS // (1 + sum(re2.compile(each, options).programsize for each in patterns))
            """Bytes that may be matched on the event loop."""
        except re2.error:
            raise ValueError("a pattern cannot be compiled by RE2") from None

    def match(self, text: bytes) -> list[int]:
        """Indices of the patterns that the text (UTF-8) holds, ascending. Releases the GIL. Raises ScanFailed."""
        found: list[int] = self._set.Match(text)
        if self._canary not in found:
            raise ScanFailed
        return sorted(index for index in found if index != self._canary)
