"""Kept answers of one process: bounded in bytes, the least recently used go first, and each ends in its time."""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, islice, takewhile

from regent_runtime.state.contract import MEANINGS_AT_ONCE, MOST_MEANINGS, Meaning, Meanings

MOST_BYTES = 32 * 1024 * 1024
OVERHEAD = 768
"""Bytes that an answer takes in the tables beside its content (tests/bench/cache.py), and its meaning less."""
_ENDED_AT_ONCE = 64


@dataclass(slots=True)
class _Kept:
    owner: str
    content: bytes
    ends: float
    meaning: Meaning | None
    number: int
    """In the log of its meaning."""

    @property
    def bytes(self) -> int:
        return _size(self.content, self.meaning)


class Answers:
    """The part of State that is about kept answers."""

    def __init__(
        self, now: Callable[[], float], *, most_bytes: int = MOST_BYTES, most_meanings: int = MOST_MEANINGS
    ) -> None:
        self.bytes = 0
        self._now = now
        self._most = most_bytes
        self._most_meanings = most_meanings
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """The one that was used least recently stands first."""
        self._owned: dict[str, set[str]] = {}
        self._ends: list[tuple[float, str]] = []
        """A heap; of answers that are gone too."""
        self._numbers = count(1)
        self._logs: dict[str, dict[int, str]] = {}
        """Of each its answers, the oldest first."""

    def keep(self, id_: str, owner: str, content: bytes, seconds: float, meaning: Meaning | None = None) -> bool:
        size = _size(content, meaning)
        if size > self._most:
            return False
        self._drop(id_)
        self._end_expired()
        log = self._logs.get(meaning.log, {}) if meaning else {}
        while len(log) >= self._most_meanings:
            self._drop(next(iter(log.values())))
        while self.bytes + size > self._most:
            self._drop(next(iter(self._kept)))
        ends = self._now() + seconds
        self._kept[id_] = kept = _Kept(owner, content, ends, meaning, next(self._numbers) if meaning else 0)
        if meaning is not None:
            self._logs.setdefault(meaning.log, {})[kept.number] = id_
        self._owned.setdefault(owner, set()).add(id_)
        heapq.heappush(self._ends, (ends, id_))
        self.bytes += size
        return True

    def kept(self, id_: str) -> bytes | None:
        self._end_expired()
        kept = self._kept.get(id_)
        if kept is None or kept.ends <= self._now():
            return None
        self._kept.move_to_end(id_)
        return kept.content

    def meanings(self, log: str, after: str = "") -> Meanings:
        self._end_expired()
        known, reached = self._logs.get(log, {}), int(after or 0)
        behind = sum(1 for _ in takewhile(lambda number: number > reached, reversed(known)))
        numbers = list(islice(known, len(known) - behind, len(known) - behind + MEANINGS_AT_ONCE))
        found = [self._kept[known[number]] for number in numbers]
        contents = [kept.meaning.content for kept in found if kept.meaning and kept.ends > self._now()]
        return Meanings(str(numbers[-1]) if numbers else after, contents, len(numbers) == MEANINGS_AT_ONCE)

    def discard(self, owner: str) -> int:
        self._end_expired()
        ids = list(self._owned.get(owner, ()))
        for id_ in ids:
            self._drop(id_)
        return len(ids)

    def _end_expired(self) -> None:
        now = self._now()
        for _ in range(_ENDED_AT_ONCE):
            if not self._ends or self._ends[0][0] > now:
                break
            ends, id_ = heapq.heappop(self._ends)
            if (kept := self._kept.get(id_)) is not None and kept.ends == ends:
                self._drop(id_)
        if len(self._ends) > 2 * len(self._kept) + _ENDED_AT_ONCE:
            self._ends = [(kept.ends, id_) for id_, kept in self._kept.items()]
            heapq.heapify(self._ends)

    def _drop(self, id_: str) -> None:
        kept = self._kept.pop(id_, None)
        if kept is None:
            return
        self.bytes -= kept.bytes
        if kept.meaning is not None:
            log = self._logs[kept.meaning.log]
            del log[kept.number]
            if not log:
                del self._logs[kept.meaning.log]
        owned = self._owned[kept.owner]
        owned.discard(id_)
        if not owned:
            del self._owned[kept.owner]


def _size(content: bytes, meaning: Meaning | None) -> int:
    return len(content) + OVERHEAD + (len(meaning.content) + OVERHEAD if meaning else 0)
