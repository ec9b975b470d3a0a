"""Many RE2 patterns matched in one pass over a text.

RE2 has no backtracking: time is linear in the text whatever the pattern. A set that runs out of memory would report
no match at all, so each holds one pattern that always matches: when even that is missing, the scan has failed.
"""

from collections.abc import Sequence

import re2

MOST_MEMORY = 16 * 1024 * 1024
"""Bytes that the automaton of a set may take."""


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
            for pattern in (*patterns, ""):
                self._set.Add(pattern)
            self._set.Compile()
        except re2.error:
            raise ValueError("a pattern cannot be compiled by RE2") from None

    def match(self, text: bytes) -> list[int]:
        """Indices of the patterns that the text (UTF-8) holds, ascending. Releases the GIL. Raises ScanFailed."""
        found: list[int] = self._set.Match(text)
        if self._canary not in found:
            raise ScanFailed
        return sorted(index for index in found if index != self._canary)
