"""Sends the pod's log to the collector, in batches, for as long as it takes.

What is sent is on the pod's own disk already, so whatever ends the process can be sent again; the collector passes over
what it has. While one batch is under way the next gathers. A collector that has another log under this pod's name is
never written over, and nothing is acknowledged any more: `failing` says so, and turns end as `audit.onFailure` says.
Content that the collector does not take keeps no record from it.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from regent_api.audit import segment
from regent_api.audit.merkle import leaf_hash
from regent_runtime.audit.collector import Collector, CollectorAway, CollectorRefused, Kept
from regent_runtime.audit.contentshipping import AGAIN_SECONDS, ContentShipping

ACKNOWLEDGED_SECONDS = 5.0
BATCH_RECORDS = 512
BATCH_BYTES = 1_000_000
REMEMBERED_BYTES = 4 * 1024 * 1024
"""Of the newest records, so that they need not be read from the disk again."""
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
DRAIN_SECONDS = 5.0
FORK = "fork"


class ShipmentFailed(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The collector has not acknowledged in time. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Shipping:
    """Of one log, within one process. `run` sends until it is cancelled; `drain` after it, for the last records.

    `retention`: seconds that the policy in force wants records kept.
    """

    def __init__(
        self, folder: Path, collector: Collector, retention: Callable[[], float], contents: ContentShipping
    ) -> None:
        self.kept = 0
        self._failing = ""
        """Why the last call failed; empty while they succeed."""
        self._folder = folder
        self._collector = collector
        self._retention = retention
        self._contents = contents
        self._size = 0
        self._newest: deque[bytes] = deque()
        self._newest_bytes = 0
        self._placed = False
        """Whether what the collector has is known to be the beginning of this log."""
        self._work = asyncio.Event()
        self._waiting: dict[asyncio.Future[None], int] = {}

    @property
    def failing(self) -> str:
        """Why the last call failed, or why content waits; empty while all that is sent is taken."""
        return self._failing or self._contents.failing

    def offer(self, size: int, payloads: Sequence[bytes]) -> None:
        """The log has so many records on disk, the last of which are these."""
        if size - len(payloads) != self._size:
            self._newest.clear()
            self._newest_bytes = 0
        self._size = size
        self._newest.extend(payloads)
        self._newest_bytes += sum(map(len, payloads))
        while self._newest_bytes > REMEMBERED_BYTES:
            self._newest_bytes -= len(self._newest.popleft())
        self._work.set()

    async def acknowledged(self, size: int) -> None:
        """Returns when the collector has the first `size` records on disk. Raises ShipmentFailed."""
        if self._placed and self.kept >= size:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[done] = size
        try:
            async with asyncio.timeout(ACKNOWLEDGED_SECONDS):
                await done
        except TimeoutError:
            raise ShipmentFailed(f"collector_{self._failing or 'slow'}") from None
        finally:
            del self._waiting[done]

    async def run(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if self._contents.refused else None):
                    await self._work.wait()
            try:
                await self._send_all()
                wait = FIRST_WAIT_SECONDS
            except (CollectorAway, OSError) as away:
                self._failing = away.reason if isinstance(away, CollectorAway) else "disk_error"
                await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - pods that spread, not a secret
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def drain(self) -> bool:
        """Send what is left, within DRAIN_SECONDS; whether all of it is at the collector."""
        self._contents.try_all_again()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not (self._placed and self.kept >= self._size):
                    try:
                        await self._send_all()
                    except (CollectorAway, OSError):
                        await asyncio.sleep(FIRST_WAIT_SECONDS)
        except TimeoutError:
            return False
        return not self._contents.refused

    async def _send_all(self) -> None:
        """Raises CollectorAway, OSError."""
        if not self._placed:
            await self._place(await self._collector.kept())
        await self._contents.send_all()
        while self.kept < self._size:
            batch = await self._batch()
            try:
                said = await self._collector.send(batch, self._retention())
            except CollectorRefused as refused:
                if refused.reason == "gap":
                    self._placed = False
                raise
            if said.size != self.kept + len(batch) or said.head != leaf_hash(batch[-1]).hex():
                self._placed = False
                raise CollectorAway(FORK)
            self._advance(said.size)
        self._failing = ""
        self._work.clear()

    async def _place(self, said: Kept) -> None:
        """What the collector has must be the beginning of this log: as long at most, and with the same last record."""
        if said.size > self._size:
            raise CollectorAway(FORK)
        if said.size:
            found = await asyncio.to_thread(_payloads, self._folder, said.size - 1, 1)
            if not found or leaf_hash(found[0]).hex() != said.head:
                raise CollectorAway(FORK)
        self._placed = True
        self._advance(said.size)

    def _advance(self, size: int) -> None:
        self.kept = size
        for done, wanted in self._waiting.items():
            if wanted <= size and not done.done():
                done.set_result(None)

    async def _batch(self) -> list[bytes]:
        """The next records, at least one. Raises CollectorAway when the log no longer has them."""
        passed = self.kept - (self._size - len(self._newest))
        found = _bounded(islice(self._newest, passed, passed + BATCH_RECORDS)) if passed >= 0 else []
        if not found:
            found = await asyncio.to_thread(_payloads, self._folder, self.kept, BATCH_RECORDS)
        if not found:
            raise CollectorAway("records_let_go")
        return found


def _bounded(payloads: Iterable[bytes], most_bytes: int = BATCH_BYTES) -> list[bytes]:
    """Those that fit."""
    found, size = [], 0
    for payload in payloads:
        size += len(payload)
        if size > most_bytes:
            break
        found.append(payload)
    return found


def _payloads(folder: Path, start: int, most: int) -> list[bytes]:
    """Records of the log from `start` on; none when that one is not there. Raises OSError."""
    found = segment.payloads(folder, start)
    first = next(found, None)
    if first is None or first[0] != start:
        return []
    return [first[1], *_bounded((payload for _, payload in islice(found, most - 1)), BATCH_BYTES - len(first[1]))]
