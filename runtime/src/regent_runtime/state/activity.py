"""At which pod each conversation is active, and until when: one pod at the most, and counted there alone."""

import heapq
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from regent_runtime.state.contract import Visit

MOST_STALE = 64
"""The heap holds at most so many entries beside two for each active conversation."""


class _Active(NamedTuple):
    until: float
    id: str
    pod: str


class Activity:
    """Counts in no time that depends on how many there are, since every turn asks.

    Bounded by the conversations that are kept: whoever lets one go calls `ended`.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._active: dict[str, _Active] = {}
        self._counts: Counter[str] = Counter()
        self._ends: list[_Active] = []
        """A heap, by when they end. One that is no longer what stands in `_active` means nothing."""

    def visited(self, id_: str, visit: Visit) -> None:
        self.ended(id_)
        active = _Active(self._now() + visit.seconds, id_, visit.pod)
        self._active[id_] = active
        self._counts[visit.pod] += 1
        heapq.heappush(self._ends, active)
        if len(self._ends) > 2 * len(self._active) + MOST_STALE:
            self._ends = list(self._active.values())
            heapq.heapify(self._ends)

    def goes_on(self, id_: str, visit: Visit) -> None:
        """At least for so long: no visit is cut short."""
        active = self._active.get(id_)
        if active is None or active.until < self._now() + visit.seconds:
            self.visited(id_, visit)

    def ended(self, id_: str) -> None:
        active = self._active.pop(id_, None)
        if active is not None:
            self._counts[active.pod] -= 1
            if not self._counts[active.pod]:
                del self._counts[active.pod]

    def count(self, pod: str) -> int:
        self._end_idle()
        return self._counts[pod]

    def _end_idle(self) -> None:
        now = self._now()
        while self._ends and self._ends[0].until <= now:
            active = heapq.heappop(self._ends)
            if self._active.get(active.id) is active:
                self.ended(active.id)
