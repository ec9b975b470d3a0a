"""The day on which each subject's key was last asked for: a file beside an agent's keys, by which they lapse.

One slot for each of the key file's: the start of the subject's digest, and the day. What has no day, or another
subject's (the keys are of an older version, or another process has erased one), counts as asked for when that is seen,
so a key lapses late and never early.
"""

import os
import struct
from pathlib import Path

FILE = "subjects.days"
DAY_SECONDS = 86_400
_SLOT = struct.Struct("<8sH")
"""The first bytes of the digest, and the days since 1970."""


class LastDays:
    """Blocking, for one thread at a time. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, slot: int, digest: bytes, day: int) -> None:
        """Unless a later day stands there: a clock may be set back. On the disk after `sync`."""
        last = self.last(slot, digest)
        if last is None or last < day:
            os.pwrite(self._file, _SLOT.pack(digest[:8], day), slot * _SLOT.size)

    def sync(self) -> None:
        os.fdatasync(self._file)

    def last(self, slot: int, digest: bytes) -> int | None:
        """None: nobody knows."""
        found = os.pread(self._file, _SLOT.size, slot * _SLOT.size)
        start, day = _SLOT.unpack(found) if len(found) == _SLOT.size else (b"", 0)
        return int(day) if start == digest[:8] else None

    def close(self) -> None:
        os.close(self._file)
