"""The files of a log: DIR/00000000000000000000.log and so on, each named by the sequence of its first record.

A segment is a header frame, then record frames. The header repeats the state of the chain where it begins, so one
segment can be read and continued without those before it, and those before it can be let go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from regent_api.audit.chain import BrokenChain, Chain
from regent_api.audit.frame import HEADER, RECORD, BadFrame, Damaged, Frame, frame, frame_follows, frames
from regent_api.audit.merkle import Tree
from regent_api.audit.record import MalformedRecord

SUFFIX = ".log"
CHECKPOINTS = "checkpoints"
"""File beside the segments: K frames, each a signed checkpoint, in the order in which they were made."""
LARGEST_SEGMENT = 64 * 1024 * 1024
"""Bytes that a reader takes. Writers begin a new segment long before."""
_DIGITS = 20


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    log: str
    first: int
    previous: str
    range: list[str]


class BadSegment(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """The file is no segment: it has no header, one that cannot be, or another name than its header says."""


@dataclass(frozen=True)
class Tail:
    """The readable end of a segment: `chain` after its last good record, which ends at byte `end`; `cut` bytes more."""

    chain: Chain
    end: int
    cut: int


def name(first: int) -> str:
    return f"{first:0{_DIGITS}d}{SUFFIX}"


def segments(folder: Path) -> list[Path]:
    """The log's files, the oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if is_segment(path))


def is_segment(path: Path) -> bool:
    stem = path.name.removesuffix(SUFFIX)
    return path.suffix == SUFFIX and len(stem) == _DIGITS and stem.isascii() and stem.isdigit() and path.is_file()


def first_of(path: Path) -> int:
    """The sequence of a segment's first record."""
    return int(path.name.removesuffix(SUFFIX))


def folders(root: Path) -> list[Path]:
    """Every folder at or below `root` that holds a log, or checkpoints of one, by name."""
    found = {path.parent for path in root.rglob(f"*{SUFFIX}") if is_segment(path)}
    return sorted(found | {path.parent for path in root.rglob(CHECKPOINTS) if path.is_file()})


def header(chain: Chain) -> bytes:
    """The frame that begins a segment at the end of this chain."""
    stated = _Header(chain.log, chain.size, chain.head.hex(), [each.hex() for each in chain.tree.hashes])
    return frame(HEADER, msgspec.json.encode(stated))


def read(path: Path) -> bytes:
    """Raises OSError, BadSegment for one that is larger than any writer makes."""
    with path.open("rb") as file:
        data = file.read(LARGEST_SEGMENT + 1)
    if len(data) > LARGEST_SEGMENT:
        raise BadSegment("larger than a segment may be")
    return data


def opened(data: bytes) -> tuple[Chain, Iterator[Frame]]:
    """The chain where the segment begins, and the frames behind the header. Raises BadSegment."""
    found = frames(data)
    try:
        first = next(found, None)
        if first is None or first.kind != HEADER:
            raise BadSegment("the segment has no header")
        stated = msgspec.json.decode(first.payload, type=_Header)
        head = bytes.fromhex(stated.previous)
        tree = Tree(stated.first, [bytes.fromhex(each) for each in stated.range])
    except BadFrame as bad:
        raise BadSegment(f"the header is not whole: {bad}") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise error if isinstance(error, BadSegment) else BadSegment("the header is malformed") from None
    chain = Chain(stated.log, head, tree)
    if len(head) != 32 or header(chain) != data[: first.end]:
        raise BadSegment("the header is malformed")
    return chain, found


def tail(data: bytes) -> Tail | None:
    """How far the last segment of a log can be read, up to a torn end; None: its very first write was cut.

    Raises Damaged where a record does not follow on the one before it, or one that cannot be read is not the end.
    """
    try:
        chain, found = opened(data)
    except BadSegment as bad:
        if frame_follows(data, -1):
            raise Damaged(f"{bad}, and records stand behind it") from None
        return None
    end = len(header(chain))
    try:
        for each in found:
            if each.kind != RECORD:
                raise Damaged(f"a frame that is no record stands where record {chain.size} belongs")
            chain.follow(each.payload)
            end = each.end
    except BadFrame as bad:
        if frame_follows(data, bad.at):
            raise Damaged(f"record {chain.size} cannot be read, and others stand behind it") from None
    except (MalformedRecord, BrokenChain) as bad:
        raise Damaged(f"record {chain.size}: {bad}") from None
    return Tail(chain, end, len(data) - end)


def payloads(folder: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """The records at and after `start` in order, as (sequence, canonical bytes); those that cannot be read end it.

    Raises OSError. A file that retention removes meanwhile is passed over.
    """
    files = segments(folder)
    begin = max((index for index, path in enumerate(files) if first_of(path) <= start), default=0)
    for path in files[begin:]:
        try:
            sequence, found = first_of(path), opened(read(path))[1]
            for each in found:
                if sequence >= start:
                    yield sequence, bytes(each.payload)
                sequence += 1
        except FileNotFoundError:
            continue
        except (BadSegment, BadFrame):
            return
