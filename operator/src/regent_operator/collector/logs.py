"""The logs on the volume: one folder for each pod, FOLDER/NAMESPACE/AGENT/POD_UID, appended to and never rewritten.

What is taken follows on what is there, byte for byte as the pod sealed it, and is on the disk before it is
acknowledged. Records that are there already are compared and passed over, so a pod may send the same ones again; other
records in their place are a fork.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from stat import S_ISREG

from regent_api.audit import content, segment
from regent_api.audit.chain import BrokenChain, Chain
from regent_api.audit.frame import OVERHEAD, Damaged
from regent_api.audit.log import Log
from regent_api.audit.record import MalformedRecord, Record, decode
from regent_operator.collector.tokens import Origin

MOST_OPEN = 256
"""Logs whose files are held open; each costs two descriptors."""


class Refused(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """Records that are not kept. `size`: how many of the log are; None: nobody looked."""

    code = "refused"

    def __init__(self, words: str, size: int | None = None) -> None:
        super().__init__(words)
        self.size = size


class Malformed(Refused):
    code = "malformed"


class Gap(Refused):
    """Records are missing between what is kept and what was sent."""

    code = "gap"


class Fork(Refused):
    """Another record stands at that place, or the records do not follow on what is kept."""

    code = "fork"


class Foreign(Refused):
    """A record says that it is of another agent than the token's."""

    code = "foreign"


class Full(Refused):
    code = "full"


@dataclass(frozen=True)
class Taken:
    """`size` records of the log are on the disk, the last of which has the hash `head`; `fresh` came with this call."""

    size: int
    head: str
    fresh: int = 0


class Logs:
    """Blocking, for threads; a log is used by one at a time, which is the caller's to see to."""

    def __init__(self, folder: Path, most_bytes: int, most_open: int = MOST_OPEN) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._most_open = most_open
        self._guard = threading.Lock()
        self._idle: OrderedDict[Origin, Log] = OrderedDict()
        self._damaged: dict[Origin, str] = {}
        """What was found of logs on the volume: nothing mends them, and looking again costs a reading of a segment."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.bytes = 0
        self.weigh()

    def folder_of(self, origin: Origin) -> Path:
        return self.folder / origin.path

    def origins(self) -> list[Origin]:
        """Of every log on the volume; one of which checkpoints alone are left is for `verify` to tell."""
        found = (folder.relative_to(self.folder).parts for folder in segment.folders(self.folder))
        origins = [Origin(*parts) for parts in found if len(parts) == 3]
        return [origin for origin in origins if segment.segments(self.folder_of(origin))]

    def holders(self) -> list[Origin]:
        """Those, and where content came and no record of it did: the pod ended between both."""
        with_content = {path.parents[2].relative_to(self.folder).parts for path in content.files(self.folder)}
        lone = {Origin(*parts) for parts in with_content if len(parts) == 3}
        return [*dict.fromkeys([*self.origins(), *sorted(lone, key=str)])]

    def held(self, origin: Origin) -> Taken:
        """What is kept, what retention has let go among it; nothing is made of a log that is not known."""
        if not segment.segments(self.folder_of(origin)):
            return Taken(0, Chain(str(origin)).head.hex())
        with self.opened(origin) as log:
            return _taken(log)

    def take(self, origin: Origin, payloads: Sequence[bytes]) -> Taken:
        """Keep what is new of these consecutive records. Raises Refused (and keeps none), OSError."""
        records = _records(payloads)
        if not records:
            return self.held(origin)
        _check_agent(records, origin)
        with self.opened(origin) as log:
            size = log.chain.size
            start = records[0].sequence
            if start > size:
                raise Gap(f"record {start} was sent, and record {size} is the next", size)
            known = min(size - start, len(payloads))
            _compare(log, start, payloads[:known])
            fresh = payloads[known:]
            if not fresh:
                return _taken(log)
            with self.room(sum(len(payload) + OVERHEAD for payload in fresh), size):
                try:
                    log.take(fresh)
                except BrokenChain as broken:
                    raise Fork(str(broken), size) from None
            return _taken(log, len(fresh))

    def weigh(self) -> int:
        """Count the bytes on the volume anew; removals are seen only here."""
        self.bytes = sum(_size(path) for path in self.folder.rglob("*"))
        return self.bytes

    @contextmanager
    def opened(self, origin: Origin) -> Iterator[Log]:
        """The log, opened or of those that are open. Raises OSError, ValueError; Damaged, and then to whoever asks."""
        with self._guard:
            if origin in self._damaged:
                raise Damaged(self._damaged[origin])
            log = self._idle.pop(origin, None)
        try:
            log = log or Log(self.folder_of(origin), str(origin))
            yield log
        except Damaged as damaged:
            with self._guard:
                self._damaged[origin] = str(damaged)
            raise
        finally:
            if log is not None:
                self._put_back(origin, log)

    def _put_back(self, origin: Origin, log: Log) -> None:
        with self._guard:
            self._idle[origin] = log
            closing = self._idle.popitem(last=False)[1] if len(self._idle) > self._most_open else None
        if closing is not None:
            closing.close()

    def forget(self, origin: Origin) -> None:
        """Close the log: its folder is about to go."""
        with self._guard:
            self._damaged.pop(origin, None)
            log = self._idle.pop(origin, None)
        if log is not None:
            log.close()

    def close(self) -> None:
        with self._guard:
            while self._idle:
                self._idle.popitem()[1].close()

    @contextmanager
    def room(self, more: int, size: int) -> Iterator[None]:
        """Counts so many bytes that are written while it is open. Raises Full; `size`: what it tells of the log."""
        with self._guard:
            if self.bytes + more > self.most_bytes:
                raise Full(f"the logs have grown to {self.bytes} bytes, and may hold {self.most_bytes}", size)
            self.bytes += more
        try:
            yield
        except BaseException:
            with self._guard:
                self.bytes -= more
            raise


def _size(path: Path) -> int:
    """Bytes of a file; 0 for what is none, or none any more."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if S_ISREG(found.st_mode) else 0


def _taken(log: Log, fresh: int = 0) -> Taken:
    return Taken(log.chain.size, log.chain.head.hex(), fresh)


def _records(payloads: Sequence[bytes]) -> list[Record]:
    try:
        records = [decode(payload) for payload in payloads]
    except MalformedRecord as malformed:
        raise Malformed(str(malformed)) from None
    for before, after in pairwise(records):
        if after.sequence != before.sequence + 1:
            raise Malformed("the records are not consecutive")
    return records


def _check_agent(records: Sequence[Record], origin: Origin) -> None:
    agent = f"{origin.namespace}/{origin.agent}"
    for record in records:
        if record.agent != agent:
            raise Foreign(f"record {record.sequence} is not of the agent that the token names")


def _compare(log: Log, start: int, payloads: Sequence[bytes]) -> None:
    """Those that are kept already must be the same; what retention has let go can no longer differ."""
    kept = dict(islice(segment.payloads(log.folder, start), len(payloads)))
    for sequence, payload in enumerate(payloads, start):
        if sequence in kept and kept[sequence] != payload:
            raise Fork(f"another record {sequence} is kept", log.chain.size)
