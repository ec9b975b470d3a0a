"""Which tests enter which functions of some files."""

import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

AT_IMPORT = ""
"""The function of what runs when a module is imported, and the test of what is entered before any runs."""


class Entries:
    """Watches this process; what the tests enter in other processes is not seen."""

    def __init__(self, files: set[str]) -> None:
        self._files = files
        self._test = AT_IMPORT
        self._entered: dict[str, set[str]] = defaultdict(set)

    @contextmanager
    def by(self, test: str) -> Iterator[None]:
        self._test = test
        _trace(self._enter)
        try:
            yield
        finally:
            _trace(None)

    def found(self) -> Mapping[str, list[str]]:
        """Place -> the tests that enter it."""
        return {place: sorted(tests) for place, tests in self._entered.items()}

    def _enter(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename in self._files:
            self._entered[place(code.co_filename, code.co_qualname.partition(".<locals>")[0])].add(self._test)


def place(file: str, function: str) -> str:
    """`function`: the outermost, by its qualified name."""
    return f"{file} {function}"


def _trace(enter: Any) -> None:
    sys.settrace(enter)
    threading.settrace(enter)
