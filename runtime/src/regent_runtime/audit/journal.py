"""The pod's log: records of concurrent turns are written together, and one fdatasync is all of theirs.

While a commit is on its way to the disk the next records gather, so the disk sets the pace and no timer does. What
cannot be written is counted by kind, and the count is the first record once writing works again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from regent_api.audit.content import Sealed
from regent_api.audit.frame import Damaged
from regent_api.audit.record import Record
from regent_runtime.audit import entry
from regent_runtime.audit.disk import Disk
from regent_runtime.audit.worker import Worker

MOST_TOGETHER = 512
"""Records of one commit."""
MOST_WAITING = 8192
"""Records that wait for the disk; one more is lost, and counted."""
COMMIT_SECONDS = 10.0
"""A disk that takes longer has failed."""
DISK_TOO_SLOW = "disk_too_slow"
"""The records may come to be on disk yet."""
LOG_DAMAGED = "log_damaged"
TIDY_SECONDS = 600.0

_NOTHING_UNTOLD: Counter[str] = Counter()


class AuditFailed(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The records are not on disk, nor will be but for DISK_TOO_SLOW. `reason` is a word for the log and /statusz."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Entry:
    records: Sequence[Record]
    sealed: Sequence[Sealed]
    done: asyncio.Future[int] | None = None
    """The size of the log once they are on disk; None: nobody waits."""


class Journal:
    """One log, begun when its name is known. `run` writes until it is cancelled, and then writes the rest.

    `committed` is told of the records of each commit, as canonical bytes, and of the log's size after it.
    """

    def __init__(self, disk: Disk, committed: Callable[[int, Sequence[bytes]], None]) -> None:
        self.disk = disk
        self.failing = ""
        """Why the last commit failed; empty while they succeed."""
        self.lost = 0
        """Records that could not be written since the process began."""
        self._untold: Counter[str] = Counter()
        self._started = False
        self._committed = committed
        self._writer: entry.Writer | None = None
        self._name = ""
        self._waiting: list[_Entry] = []
        self._woken: asyncio.Future[None] | None = None
        """Done when something waits; while it is not, nobody writes."""
        self._thread = Worker("audit")
        self._tidied = float("-inf")

    @property
    def size(self) -> int:
        """Records on disk."""
        return self.disk.log.chain.size if self.disk.log else 0

    def begin(self, name: str, writer: entry.Writer) -> None:
        """From now on records are written, to the log of that name. A second call changes who writes, not where."""
        if not self._name:
            self._name = name
            self.note([])  # opens the log: a disk that cannot be written is told before the first turn
        self._writer = writer

    async def write(self, records: Sequence[Record], sealed: Sequence[Sealed] = ()) -> int:
        """The size of the log when all of it is on disk. Raises AuditFailed."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        put = _Entry(records, sealed, done)
        too_slow = loop.call_later(COMMIT_SECONDS, _fail, put, DISK_TOO_SLOW)
        self._put(put)
        try:
            return await done
        finally:
            too_slow.cancel()

    def note(self, records: Sequence[Record], sealed: Sequence[Sealed] = ()) -> None:
        """Write soon; nobody waits."""
        self._put(_Entry(records, sealed, None))

    async def run(self) -> None:
        try:
            while True:
                while self._waiting and self._name:
                    await self._commit_some()
                self._woken = asyncio.get_running_loop().create_future()
                await self._woken
        finally:
            try:
                if self._name:
                    await asyncio.shield(self._finish())
            finally:
                self._thread.stop()

    async def _finish(self) -> None:
        while self._waiting:
            await self._commit_some()
        if self._writer is not None and self.disk.log is not None:
            self._put(_Entry([self._writer.stopped()], (), None))
            await self._commit_some()
        await self._thread.run(self.disk.close)

    def _put(self, put: _Entry) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._count_lost(put.records)
            _fail(put, "too_many_wait")
            return
        self._waiting.append(put)
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _commit_some(self) -> None:
        together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        try:
            untold = Counter(self._untold) if self._untold else _NOTHING_UNTOLD
            size, payloads = await self._thread.run(partial(self._commit, together, untold))
        except (OSError, ValueError) as error:
            self.failing = _reason(error)
            for each in together:
                self._count_lost(each.records)
                _fail(each, self.failing)
            return
        self.failing, self._started = "", True
        if untold:
            self._untold -= untold
        for each in together:
            if each.done is not None and not each.done.done():
                each.done.set_result(size)
        self._committed(size, payloads)

    def _commit(self, together: Sequence[_Entry], untold: Counter[str]) -> tuple[int, list[bytes]]:
        """In the thread."""
        writer = self._writer
        if writer is None:
            raise OSError("nobody writes yet")
        if self.failing == LOG_DAMAGED:
            raise Damaged("it was found before: nothing mends it, and looking again costs a reading of the segment")
        log = self.disk.open(self._name)
        records = [] if self._started else [writer.started(log.recovered)]
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            self.disk.tidy(datetime.now(UTC))
        if untold:
            records.append(writer.lost(untold))
        for each in together:
            records += each.records
        payloads = self.disk.commit(records, [sealed for each in together for sealed in each.sealed])
        return log.chain.size, payloads

    def _count_lost(self, records: Sequence[Record]) -> None:
        self.lost += len(records)
        self._untold.update(str(each.kind) for each in records)


def _fail(put: _Entry, reason: str) -> None:
    if put.done is not None and not put.done.done():
        put.done.set_exception(AuditFailed(reason))


def _reason(error: OSError | ValueError) -> str:
    """A word: never the path."""
    if isinstance(error, OSError) and error.errno is not None:
        return {28: "disk_full", 122: "disk_full", 27: "disk_full", 30: "disk_read_only"}.get(error.errno, "disk_error")
    return LOG_DAMAGED if isinstance(error, Damaged) else "log_unusable"
