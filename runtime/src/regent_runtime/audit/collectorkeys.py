"""The subjects' keys, while a collector holds them: asked for, and remembered for a minute.

So an erasure at the collector holds in every pod within a minute; who was erased is asked as often. While the collector
cannot be asked, a remembered key serves for an hour; a subject that is new then gets a key of the pod's own where the
policy's durability is Pod (what is written under it can be linked in this pod alone), and none where it is Collector.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from regent_api.audit.subjects import SubjectKey, SubjectKeys
from regent_runtime.audit.collector import Collector, CollectorAway

FRESH_SECONDS = 60.0
STALE_SECONDS = 3600.0
MOST_REMEMBERED = 16_384


@dataclass(frozen=True)
class _Remembered:
    key: SubjectKey
    at: float


class CollectorKeys:
    """`SubjectKeys`. `own` serves where the collector is away and `lenient()`."""

    def __init__(
        self,
        collector: Collector,
        own: SubjectKeys,
        lenient: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collector = collector
        self._own = own
        self._lenient = lenient
        self._now = now
        self._known: OrderedDict[str, _Remembered] = OrderedDict()
        self._heard: int | None = None
        self._asked_at = float("-inf")

    async def key(self, subject: str) -> SubjectKey:
        """Raises OSError: the collector is away, and nothing else may serve."""
        known = self._known.get(subject)
        if known is not None and self._now() - known.at < FRESH_SECONDS:
            return known.key
        try:
            key = await self._collector.key(subject)
        except CollectorAway as away:
            if known is not None and self._now() - known.at < STALE_SECONDS:
                return known.key
            if self._lenient():
                return await self._own.key(subject)
            raise OSError(f"collector_{away.reason}") from None
        self._remember(subject, key)
        return key

    async def erased(self) -> list[str]:
        """Asks the collector once a minute, and at once for the rest where it has told all that it tells at once."""
        if self._now() - self._asked_at < FRESH_SECONDS:
            return []
        try:
            told = await self._collector.erased(self._heard)
        except CollectorAway:
            return []
        self._heard = told.next
        if not told.subjects:
            self._asked_at = self._now()
        return told.subjects

    def _remember(self, subject: str, key: SubjectKey) -> None:
        self._known[subject] = _Remembered(key, self._now())
        self._known.move_to_end(subject)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
