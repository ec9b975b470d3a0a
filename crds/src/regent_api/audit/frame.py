"""Frames: a length and a checksum around each payload, so that a reader sees where a write was cut.

    length   4 bytes, big-endian: of the payload
    crc      4 bytes, big-endian: CRC-32 of length, kind and payload
    kind     1 byte: H segment header, R record, C encrypted content, K signed checkpoint
    payload

The checksum is against accidents. Against people there are the chain and the checkpoints.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

HEADER, RECORD, CONTENT, CHECKPOINT = b"H", b"R", b"C", b"K"
LARGEST_PAYLOAD = 32 * 1024 * 1024
"""Bytes; of content. A record has a bound of its own."""
OVERHEAD = 9
_KINDS = frozenset((HEADER, RECORD, CONTENT, CHECKPOINT))
_HEAD = struct.Struct(">II")
_LARGEST = {RECORD: 65_536, CONTENT: 1024 * 1024, CHECKPOINT: 65_536}
"""Bytes of a payload that a writer makes; by it a head is told from what only looks like one."""
_MOST_TRIES = 1000


@dataclass(frozen=True, slots=True)
class Frame:
    """Where it begins and ends in what was scanned, in bytes."""

    start: int
    end: int
    kind: bytes
    payload: memoryview


class BadFrame(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """No whole frame begins at `at`. `torn`: the file ends within it, as after a write that was cut."""

    def __init__(self, at: int, why: str, *, torn: bool = False) -> None:
        super().__init__(why)
        self.at = at
        self.torn = torn


class Damaged(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """A file was changed where no cut write explains it. Nothing of it may be cut off, and nothing appended."""


def frame(kind: bytes, payload: bytes) -> bytes:
    length = struct.pack(">I", len(payload))
    return b"".join((length, struct.pack(">I", zlib.crc32(payload, zlib.crc32(length + kind))), kind, payload))


def frames(data: bytes | memoryview, start: int = 0) -> Iterator[Frame]:
    """Every frame from `start` to the end. Raises BadFrame at the first that is not whole."""
    view = memoryview(data)
    at = start
    while at < len(view):
        found = frame_at(view, at)
        yield found
        at = found.end


def frame_at(view: memoryview, at: int) -> Frame:
    """Raises BadFrame."""
    if len(view) - at < OVERHEAD:
        raise BadFrame(at, "the file ends within a frame's head", torn=True)
    length, crc = _HEAD.unpack_from(view, at)
    kind = bytes(view[at + 8 : at + OVERHEAD])
    if kind not in _KINDS or length > LARGEST_PAYLOAD:
        raise BadFrame(at, "no frame begins here")
    end = at + OVERHEAD + length
    if end > len(view):
        raise BadFrame(at, "the file ends within a frame", torn=True)
    payload = view[at + OVERHEAD : end]
    if zlib.crc32(payload, zlib.crc32(bytes(view[at : at + 4]) + kind)) != crc:
        raise BadFrame(at, "the checksum does not match")
    return Frame(at, end, kind, payload)


def frame_follows(data: bytes | memoryview, at: int, kind: bytes = RECORD) -> bool:
    """Whether a whole frame of a kind stands anywhere behind `at`: then what begins there is no torn end.

    Bounded in work: it looks at a thousand places that look like such a frame's head, and takes more for damage.
    """
    view, tries = memoryview(data), 0
    whole = bytes(view[at + 1 :])
    place = whole.find(kind)
    while place >= 0 and tries < _MOST_TRIES:
        start = at + 1 + place - 8
        if start > at and _HEAD.unpack_from(view, start)[0] <= _LARGEST[kind]:
            tries += 1
            try:
                frame_at(view, start)
            except BadFrame:
                pass
            else:
                return True
        place = whole.find(kind, place + 1)
    return place >= 0


def whole_frames(data: bytes, kind: bytes) -> int:
    """Bytes of the frames of a kind at the beginning; what stands behind them is a torn end. Raises Damaged."""
    end = 0
    try:
        for each in frames(data):
            if each.kind != kind:
                raise Damaged(f"a frame of another kind stands at byte {end}")
            end = each.end
    except BadFrame as bad:
        if frame_follows(data, bad.at, kind):
            raise Damaged(f"no whole frame stands at byte {end}, and others behind it") from None
    return end
