"""Whether an answer repeats the agent's instructions, word by word or nearly so.

Words are compared without case and punctuation (a character each, where a script writes no spaces), four in a row. A
run counts up with every four that stand in the instructions and have not been counted in it, and falls by half as much
with every four that do not: a changed word here and there does not end it, a sentence of one's own does.
"""

import re

from regent_runtime.guard.normalise import normal

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
IN_A_ROW = 4
LONG_RUN = 10
"""Fours in a row of a run that is a leak: thirteen words."""
LEAST = 4
"""Instructions with fewer fours than these are not looked for: seven words may be anybody's."""
_FALL = 0.5

Four = tuple[str, ...]


class Instructions:
    """What is looked for; shared by all turns."""

    def __init__(self, text: str) -> None:
        words = _words(text)
        self.fours = frozenset(tuple(words[at : at + IN_A_ROW]) for at in range(len(words) - IN_A_ROW + 1))
        self.enough = min(LONG_RUN, len(self.fours))

    @property
    def are_looked_for(self) -> bool:
        return len(self.fours) >= LEAST


class Repetition:
    """One answer, piece by piece."""

    def __init__(self, instructions: Instructions) -> None:
        self._instructions = instructions
        self._rest = ""
        self._last: list[str] = []
        self._run = 0.0
        self._counted: set[Four] = set()

    def feed(self, piece: str, *, final: bool = False) -> bool:
        """Whether a run is long enough by now; a word that the piece may have cut waits for the next."""
        text = self._rest + piece
        end = len(text) if final else _end_of_words(text)
        self._rest = text[end:]
        return any(self._read(word) for word in _words(text[:end]))

    def _read(self, word: str) -> bool:
        self._last = [*self._last[-IN_A_ROW + 1 :], word]
        if len(self._last) < IN_A_ROW:
            return False
        four = tuple(self._last)
        if four not in self._instructions.fours:
            self._run = max(0.0, self._run - _FALL)
            if not self._run:
                self._counted.clear()
        elif four not in self._counted:
            self._counted.add(four)
            self._run += 1
        return self._run >= self._instructions.enough


_LONGEST_WORD = 1024
"""Characters that wait for the end of a word; a longer one is none of the instructions'."""


def _end_of_words(text: str) -> int:
    """Where the last word that may go on begins."""
    end = len(text)
    while end and text[end - 1].isalnum() and len(text) - end < _LONGEST_WORD:
        end -= 1
    return end if len(text) - end < _LONGEST_WORD else len(text)


def _words(text: str) -> list[str]:
    return _WORD.findall(normal("NFKC", text).casefold())
