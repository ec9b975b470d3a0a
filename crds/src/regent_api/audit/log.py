"""A log that is written: append-only segments, each append on disk when it returns. For the runtime and the collector.

Blocking: call it in a thread, from one at a time. One writer a folder, held by a lock that ends with the process.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from regent_api.audit import segment
from regent_api.audit.chain import Chain
from regent_api.audit.frame import RECORD, Damaged, frame
from regent_api.audit.record import Record

SEGMENT_BYTES = 8 * 1024 * 1024
"""A new segment begins with the first append beyond it."""
LOCK = "writer.lock"
TORN = "torn"
"""Folder of what recovery cut off, for whoever wants to look; the newest of each segment."""


class LogBusy(OSError):  # noqa: N818
    """Another process writes this log."""


class Log:
    """`chain` is what is on disk. An append that raises has added nothing that will be kept, and the next one recovers.

    Raises OSError (a full disk among them), LogBusy, Damaged for a log that was changed where no cut write explains it,
    ValueError for a folder that holds another log.
    """

    def __init__(self, folder: Path, log: str, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.chain = Chain(log)
        self.recovered = 0
        """Bytes of a torn tail that were cut off since the log was opened."""
        self.kept = 0
        """Bytes of all segments."""
        self._segment_bytes = segment_bytes
        self._file: int | None = None
        self._path: Path | None = None
        self._end = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise LogBusy(f"another process writes {folder.name}") from None
        try:
            self._recover()
        except BaseException:
            self.close()
            raise

    @property
    def first(self) -> int:
        """The sequence of the oldest record that is kept."""
        found = segment.segments(self.folder)
        return segment.first_of(found[0]) if found else self.chain.size

    def append(self, records: Iterable[Record]) -> list[bytes]:
        """Seal records as the next ones; their canonical bytes, on disk."""
        return self._write(lambda chain: [chain.seal(record) for record in records])

    def take(self, payloads: Sequence[bytes]) -> list[Record]:
        """Keep records that another writer has sealed. Raises MalformedRecord, BrokenChain and then keeps none."""
        records: list[Record] = []

        def followed(chain: Chain) -> list[bytes]:
            records.extend(chain.follow(payload) for payload in payloads)
            return list(payloads)

        self._write(followed)
        return records

    def let_go(self, before: int) -> int:
        """Delete the segments whose records all stand before a sequence; the last one stays. Gives `first`."""
        found = segment.segments(self.folder)
        for path, after in pairwise(found):
            if segment.first_of(after) > before:
                break
            self.kept -= path.stat().st_size
            path.unlink()
        _sync_folder(self.folder)
        return self.first

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        os.close(self._lock)

    def _write(self, seal: Callable[[Chain], list[bytes]]) -> list[bytes]:
        if self._file is None:
            self._recover()
        chain = self.chain.copy()
        begins = self._path is None or self._end >= self._segment_bytes
        start = [segment.header(chain)] if begins else []
        payloads = seal(chain)
        data = b"".join([*start, *(frame(RECORD, payload) for payload in payloads)])
        try:
            if begins:
                self._begin_segment()
            self._put(data)
        except OSError:
            self._give_up()
            raise
        self.chain = chain
        return payloads

    def _put(self, data: bytes) -> None:
        if self._file is None:
            raise OSError("the log is closed")
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)
        self._end += len(data)
        self.kept += len(data)

    def _begin_segment(self) -> None:
        path = self.folder / segment.name(self.chain.size)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._file is not None:
            os.close(self._file)
        self._file, self._path, self._end = file, path, 0
        _sync_folder(self.folder)

    def _give_up(self) -> None:
        """After a failed write nobody knows what the disk holds: cut back, and read it anew before the next append."""
        if self._file is None:
            return
        with suppress(OSError):  # recovery reads whatever is there
            os.ftruncate(self._file, self._end)
        os.close(self._file)
        self._file = None

    def _recover(self) -> None:
        """Continue where the last record ends. Only a torn end is cut, as an unfinished write leaves it.

        Raises Damaged, having changed nothing.
        """
        chain, path, end, rest = Chain(self.chain.log), None, 0, b""
        torn: list[tuple[Path, bytes]] = []
        for candidate in reversed(segment.segments(self.folder)):
            data = segment.read(candidate)
            found = segment.tail(data)
            if found is not None:
                chain, path, end, rest = found.chain, candidate, found.end, data[found.end :]
                break
            torn.append((candidate, data))
        if chain.log != self.chain.log:
            raise ValueError(f"the folder holds the log {chain.log}")
        if any(segment.first_of(each) != chain.size for each, _ in torn):
            raise Damaged(f"a segment that cannot be read does not begin with record {chain.size}, the next one")
        for each, data in torn:
            self._set_aside(each, data)
            each.unlink()
        self.chain, self._path, self._end = chain, path, end
        if path is not None:
            if rest:
                self._set_aside(path, rest)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(self._file, end)
            os.fdatasync(self._file)
        self.kept = sum(each.stat().st_size for each in segment.segments(self.folder))

    def _set_aside(self, path: Path, rest: bytes) -> None:
        self.recovered += len(rest)
        with suppress(OSError):  # a courtesy; the disk may be full
            (self.folder / TORN).mkdir(mode=0o700, exist_ok=True)
            (self.folder / TORN / path.with_suffix(".cut").name).write_bytes(rest)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
