"""Events for people: few, and one that repeats is counted, not written again.

Bounded on every side: what does not fit into the queue is dropped, and an event is written at most once in ten
minutes. An Event that cannot be written is logged and forgotten: the truth stands in the status.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError, NotLeadingError
from regent_operator.engine.resources import EVENTS, REGENT, Key

log = logging.getLogger(__name__)
Object = dict[str, Any]
MOST_WAITING = 512
MOST_REMEMBERED = 4096
REPEAT_SECONDS = 600.0
MOST_NOTE_BYTES = 1024
"""Of its UTF-8: the API server refuses a longer note."""
CONTROLLER = "regent.dev/operator"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to an object. `uid` makes it appear in `kubectl describe`."""

    regarding: Key
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


@dataclass(slots=True)
class _Series:
    name: str
    count: int
    written_at: float


class Recorder:
    def __init__(
        self,
        client: ApiClient,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._identity = identity[:128]
        self._clock = clock
        self._now = now
        self._waiting: asyncio.Queue[Occurrence] = asyncio.Queue(MOST_WAITING)
        self._series: OrderedDict[Occurrence, _Series] = OrderedDict()

    def record(self, occurrence: Occurrence) -> None:
        """Never waits. A note is cut to what an Event may bear."""
        if not self._waiting.full():
            note = occurrence.note.encode()[:MOST_NOTE_BYTES].decode(errors="ignore")
            self._waiting.put_nowait(replace(occurrence, note=note))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            occurrence = await self._waiting.get()
            try:
                await self._write(occurrence)
            except (ApiError, NotLeadingError) as error:
                log.warning("an Event on %s was not written: %s", occurrence.regarding, error)

    async def _write(self, occurrence: Occurrence) -> None:
        known = self._series.get(occurrence)
        if known is None:
            name = f"{occurrence.regarding.name}.{uuid4().hex[:16]}"
            await self._client.create(EVENTS, self._body(occurrence, name))
            self._series[occurrence] = _Series(name, 1, self._clock())
            if len(self._series) > MOST_REMEMBERED:
                self._series.popitem(last=False)
            return
        known.count += 1
        self._series.move_to_end(occurrence)
        if self._clock() - known.written_at < REPEAT_SECONDS:
            return
        series = {"series": {"count": known.count, "lastObservedTime": self._time()}}
        try:
            await self._client.merge(EVENTS, occurrence.regarding.namespace, known.name, series)
        except ApiError as error:
            if not error.not_found:
                raise
            del self._series[occurrence]
        known.written_at = self._clock()

    def _body(self, occurrence: Occurrence, name: str) -> Object:
        key = occurrence.regarding
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": key.namespace, "name": name},
            "regarding": {
                "apiVersion": REGENT,
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "uid": occurrence.uid,
            },
            "type": occurrence.type,
            "reason": occurrence.reason,
            "action": occurrence.action,
            "note": occurrence.note,
            "eventTime": self._time(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._identity,
        }

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
