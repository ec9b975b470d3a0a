"""One pass over the segments of a log: how far its chain holds, and the roots at the sizes that checkpoints name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from regent_api.audit import segment
from regent_api.audit.chain import BrokenChain, Chain, OtherPrevious
from regent_api.audit.frame import RECORD, BadFrame, Frame, frame_follows
from regent_api.audit.merkle import leaf_hash
from regent_api.audit.record import MalformedRecord, Record, decode


@dataclass(frozen=True)
class Problem:
    """`sequence`: the first bad record, or the first that may be bad; `at`: its file and the byte where it begins."""

    sequence: int
    at: str
    what: str

    def __str__(self) -> str:
        return f"record {self.sequence} ({self.at}): {self.what}"


class _Found(Exception):  # noqa: N818
    def __init__(self, sequence: int, at: str, what: str) -> None:
        super().__init__(what)
        self.problem = Problem(sequence, at, what)


class Walk:
    """`through` reads until the first problem. `roots`: size -> root, for the sizes that were asked for."""

    def __init__(self, sizes: frozenset[int], each: Callable[[Record], None]) -> None:
        self.log = ""
        self.first = self.size = self.torn = 0
        self.roots: dict[int, bytes] = {}
        self.problem: Problem | None = None
        self._sizes = sizes
        self._each = each

    def through(self, files: Sequence[Path]) -> None:
        chain: Chain | None = None
        try:
            for number, path in enumerate(files):
                chain = self._segment(path, chain, last=number == len(files) - 1)
        except _Found as found:
            self.problem = found.problem

    def _segment(self, path: Path, before: Chain | None, *, last: bool) -> Chain:
        due = before.size if before is not None else segment.first_of(path)
        try:
            data = segment.read(path)
            chain, found = segment.opened(data)
        except segment.BadSegment as bad:
            raise _Found(due, path.name, str(bad)) from None
        if before is None:
            self.log, self.first = chain.log, chain.size
            _check_beginning(path, chain)
        else:
            _check_join(path, chain, before)
        self._reached(chain)
        try:
            self._records(path.name, chain, found)
        except BadFrame as bad:
            if not (last and bad.torn) or frame_follows(data, bad.at):
                raise _Found(chain.size, f"{path.name}:{bad.at}", str(bad)) from None
            self.torn = len(data) - bad.at
        return chain

    def _records(self, name: str, chain: Chain, found: Iterator[Frame]) -> None:
        """Raises BadFrame, _Found."""
        for each in found:
            at = f"{name}:{each.start}"
            if each.kind != RECORD:
                raise _Found(chain.size, at, "a frame that is no record stands here")
            try:
                record = chain.follow(each.payload)
            except OtherPrevious:
                raise _altered(chain.size, at, each, next(found, None)) from None
            except (MalformedRecord, BrokenChain) as bad:
                raise _Found(chain.size, at, str(bad)) from None
            self._each(record)
            self._reached(chain)

    def _reached(self, chain: Chain) -> None:
        self.size = chain.size
        if chain.size in self._sizes:
            self.roots[chain.size] = chain.tree.root()


def _altered(sequence: int, at: str, found: Frame, after: Frame | None) -> _Found:
    """A record names another one before it. Which of the two was altered, the record after them tells."""
    try:
        vouched = after is not None and decode(after.payload).previous == leaf_hash(found.payload).hex()
    except MalformedRecord:
        vouched = False
    if sequence and (vouched or after is None):
        return _Found(sequence - 1, f"before {at}", f"the record is altered: record {sequence} follows on another one")
    return _Found(sequence, at, "the record is altered: it follows on another one than the one before it")


def _check_beginning(path: Path, chain: Chain) -> None:
    if segment.first_of(path) != chain.size:
        raise _Found(segment.first_of(path), path.name, "the file bears another name than its header says")
    if chain.size == 0 and chain.head != Chain(chain.log).head:
        raise _Found(0, path.name, "the header does not begin this log")


def _check_join(path: Path, chain: Chain, before: Chain) -> None:
    if chain.log != before.log:
        raise _Found(before.size, path.name, f"the segment is of another log: {chain.log}")
    if chain.size != before.size or segment.first_of(path) != chain.size:
        words = f"the segment begins with record {chain.size}, not {before.size}"
        raise _Found(min(chain.size, before.size), path.name, words)
    if (chain.head, chain.tree.hashes) != (before.head, before.tree.hashes):
        raise _Found(max(0, chain.size - 1), path.name, "the segment continues another chain than the one before it")
