"""The blocking half of the journal: the log's files and the encrypted content beside them, within a bound of the disk.

All of it runs in the journal's one thread.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from regent_api.audit import content, segment
from regent_api.audit.content import Sealed
from regent_api.audit.contents import FILE_BYTES, Contents
from regent_api.audit.frame import OVERHEAD
from regent_api.audit.log import SEGMENT_BYTES, Log
from regent_api.audit.record import Record, decode, encode
from regent_api.types import Sensitivity
from regent_runtime.audit import fitting

MOST_BYTES = 768 * 1024 * 1024
"""Of log and content; the pod's volume is a third larger, because the kubelet ends a pod that fills its volume."""


@dataclass(frozen=True)
class Keeping:
    """How long what is written stays, and what goes when the room is used up."""

    retention_seconds: float
    content_seconds: Mapping[Sensitivity, float] = field(default_factory=dict)
    """Of labels whose class bounds it; the others' content stays as long as records."""
    drops_oldest: bool = False
    """Otherwise a full log takes no record."""


class Disk:
    """`commit` opens the log when it must. Raises OSError, Damaged, ValueError (the folder holds another log)."""

    def __init__(
        self,
        folder: Path,
        most_bytes: int = MOST_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        content_bytes: int = FILE_BYTES,
    ) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.keeping = Keeping(retention_seconds=float("inf"))
        self.kept_elsewhere: Callable[[], int] = lambda: 0
        """Records, from the first on, that a collector has."""
        self.content_elsewhere: Callable[[Path], bool] = lambda _: False
        """Whether a collector has all of a file of content."""
        self.log: Log | None = None
        self.contents: Contents | None = None
        self.dropped = 0
        """Records that were let go before their retention ended, for room."""
        self._segment_bytes = segment_bytes
        self._content_bytes = content_bytes

    @property
    def kept(self) -> int:
        """Bytes."""
        return (self.log.kept if self.log else 0) + (self.contents.kept if self.contents else 0)

    def open(self, name: str) -> Log:
        """The log of that name, recovered; once."""
        if self.log is None:
            self.contents = Contents(self.folder, self._content_bytes)
            self.log = Log(self.folder, name, segment_bytes=self._segment_bytes)
        return self.log

    def commit(self, records: Sequence[Record], sealed: Sequence[Sealed]) -> list[bytes]:
        """All of it on disk, content first. The records' canonical bytes, sealed into the chain."""
        if self.log is None or self.contents is None:
            raise OSError("the log is not open")
        sizes = [len(encode(each)) for each in records]
        if max(sizes, default=0) > fitting.MOST_BYTES:
            records = [fitting.fitted(each) for each in records]
        needed = sum(len(each.data) for each in sealed) + sum(size + OVERHEAD + fitting.LINK_BYTES for size in sizes)
        self._make_room(self.log, self.contents, needed)
        if sealed:
            self.contents.add(sealed)
        return self.log.append(records)

    def tidy(self, now: datetime) -> None:
        """Let go what its retention, or a collector, no longer keeps here."""
        if self.log is None or self.contents is None:
            return
        self.log.let_go(self._expired(now))
        for label in Sensitivity:
            seconds = min(self.keeping.content_seconds.get(label, float("inf")), self.keeping.retention_seconds)
            for path in content.expired(self.folder, label, _day(now, seconds)):
                self.contents.delete(path)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
        if self.contents is not None:
            self.contents.close()

    def _make_room(self, log: Log, contents: Contents, needed: int) -> None:
        """First goes what a collector has, then the oldest content, then the oldest records.

        Raises OSError (ENOSPC) when nothing may go, or not enough: then no record went.
        """
        if self._fits(needed):
            return
        log.let_go(self.kept_elsewhere())
        for path in sorted(contents.ended(), key=self.content_elsewhere, reverse=True):
            if not self._fits(needed) and (self.keeping.drops_oldest or self.content_elsewhere(path)):
                contents.delete(path)
        files = segment.segments(self.folder) if self.keeping.drops_oldest else []
        if not self._fits(needed - sum(path.stat().st_size for path in files[:-1])):
            raise OSError(errno.ENOSPC, "the audit log has its bound")
        for path, after in pairwise(files):
            if not self._fits(needed):
                self.dropped += segment.first_of(after) - segment.first_of(path)
                log.let_go(segment.first_of(after))

    def _fits(self, needed: int) -> bool:
        return self.kept + needed <= self.most_bytes

    def _expired(self, now: datetime) -> int:
        """The first record of the first segment that may not go: whatever stands before it is older than retention."""
        files = segment.segments(self.folder)
        keep = segment.first_of(files[0]) if files else 0
        for path in files[1:]:
            if _began(path) >= _moment(now, self.keeping.retention_seconds):
                break
            keep = segment.first_of(path)
        return keep


def _began(path: Path) -> str:
    """The time of a segment's first record; beyond all times where it cannot be read."""
    try:
        _, found = segment.opened(segment.read(path))
        return decode(next(found).payload).time
    except (OSError, ValueError, StopIteration):
        return "~"


def _moment(now: datetime, seconds: float) -> str:
    return stamp(now - timedelta(seconds=min(seconds, 1e10)))


def _day(now: datetime, seconds: float) -> str:
    """Content of a day may go when all of the day is older."""
    return (now - timedelta(seconds=min(seconds, 1e10))).strftime("%Y-%m-%d")


def stamp(moment: datetime) -> str:
    """RFC 3339, UTC, microseconds: times of one form have the order of their texts."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"
