"""The subjects' keys, while a collector holds them: asked for, and remembered for a minute.

So an erasure at the collector holds in every pod within a minute; who was erased is asked as often. While the collector
cannot be asked, a remembered key serves for an hour; a subject that is new then gets a key of the pod's own where the
policy's durability is Pod (what is written under it can be linked in this pod alone), and none where it is Collector.
Where such a key serves, turns do not wait for a collector that gave no answer a moment ago.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from regent_api.audit.subjects import SubjectKey, subject_digest
from regent_runtime.audit.collector import Collector, CollectorAway, CollectorRefused
from regent_runtime.audit.keys import PodKeys

FRESH_SECONDS = 60.0
STALE_SECONDS = 3600.0
AWAY_SECONDS = 60.0
"""How long a collector that gave no answer is not waited for, unless it answers a question about erasures before."""
MOST_REMEMBERED = 16_384
T = TypeVar("T", SubjectKey, SubjectKey | None)
_Ask = Callable[[str], Awaitable[T]]


@dataclass(frozen=True)
class _Remembered:
    key: SubjectKey
    at: float


class CollectorKeys:
    """`SubjectKeys`. `own` serves where the collector is away and `lenient()`."""

    def __init__(
        self,
        collector: Collector,
        own: PodKeys,
        lenient: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collector = collector
        self._own = own
        self._lenient = lenient
        self._now = now
        self._known: OrderedDict[str, _Remembered] = OrderedDict()
        self._heard: int | None = None
        self._asked_at = -math.inf
        self._away_until = 0.0
        """0: the collector is not known to be away."""

    async def key(self, subject: str) -> SubjectKey:
        """Raises OSError: the collector is away, and nothing else may serve."""
        return await self._found(subject, self._collector.key, self._own.key)

    async def known(self, subject: str) -> SubjectKey | None:
        """Raises OSError as `key` does."""
        return await self._found(subject, self._collector.known_key, self._own.known)

    async def _found(self, subject: str, at_collector: _Ask[T], own: _Ask[T]) -> SubjectKey | T:
        known = self._known.get(subject)
        age = self._now() - known.at if known is not None else math.inf
        if known is not None and age < FRESH_SECONDS:
            return known.key
        stale = known.key if known is not None and age < STALE_SECONDS else None
        another_serves = stale is not None or self._lenient()
        if not another_serves or self._now() >= self._away_until:
            if self._away_until > 0:  # one turn looks whether it is back, the others do not wait
                self._away_until = self._now() + AWAY_SECONDS
            try:
                return await self._asked(subject, at_collector)
            except CollectorAway as away:
                if not another_serves:
                    raise OSError(f"collector_{away.reason}") from None
        return stale or await own(subject)

    async def _asked(self, subject: str, at_collector: _Ask[T]) -> T:
        """Raises CollectorAway."""
        try:
            key = await at_collector(subject)
        except CollectorRefused:
            raise
        except CollectorAway:
            self._away_until = self._now() + AWAY_SECONDS
            raise
        self._away_until = 0.0
        if key is not None:
            self._remember(subject, key)
        return key

    async def erased(self) -> list[str]:
        """Asks the collector once a minute; at once where it was away, or has told all that it tells at once.

        A key of the pod's own, and one that is remembered, ends with the collector's. Raises OSError, ValueError.
        """
        if not self._away_until and self._now() - self._asked_at < FRESH_SECONDS:
            return []
        try:
            told = await self._collector.erased(self._heard)
        except CollectorAway:
            return []
        self._away_until = 0.0
        if told.subjects:
            await self._own.erase(told.subjects)
            gone = frozenset(told.subjects)
            for subject in [each for each in self._known if subject_digest(each) in gone]:
                del self._known[subject]
        else:
            self._asked_at = self._now()
        self._heard = told.next
        return told.subjects

    def _remember(self, subject: str, key: SubjectKey) -> None:
        self._known[subject] = _Remembered(key, self._now())
        self._known.move_to_end(subject)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
