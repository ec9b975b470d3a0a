"""Kept answers of one process: bounded in bytes, the least recently used go first, and each ends in its time."""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_BYTES = 32 * 1024 * 1024
OVERHEAD = 768
"""Bytes that an answer takes in the tables beside its content (tests/bench/cache.py)."""
_ENDED_AT_ONCE = 64


@dataclass(slots=True)
class _Kept:
    owner: str
    content: bytes
    ends: float


class Answers:
    """The part of State that is about kept answers."""

    def __init__(self, now: Callable[[], float], *, most_bytes: int = MOST_BYTES) -> None:
        self.bytes = 0
        self._now = now
        self._most = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """The one that was used least recently stands first."""
        self._owned: dict[str, set[str]] = {}
        self._ends: list[tuple[float, str]] = []
        """A heap; of answers that are gone too."""

    def keep(self, id_: str, owner: str, content: bytes, seconds: float) -> bool:
        size = len(content) + OVERHEAD
        if size > self._most:
            return False
        self._drop(id_)
        self._end_expired()
        while self.bytes + size > self._most:
            self._drop(next(iter(self._kept)))
        ends = self._now() + seconds
        self._kept[id_] = _Kept(owner, content, ends)
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
        self.bytes -= len(kept.content) + OVERHEAD
        owned = self._owned[kept.owner]
        owned.discard(id_)
        if not owned:
            del self._owned[kept.owner]
