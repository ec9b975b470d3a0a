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


def frame_after(data: bytes | memoryview, at: int) -> Frame | None:
    """The next whole frame behind a bad one, where it is soon found: then the bad one is no torn tail.

    Bounded in work: it looks at a thousand places that look like a record's head.
    """
    view, tries = memoryview(data), 0
    whole = bytes(view[at + 1 :])
    place = whole.find(RECORD)
    while place >= 0 and tries < _MOST_TRIES:
        start = at + 1 + place - 8
        if start > at and _HEAD.unpack_from(view, start)[0] <= 65_536:
            tries += 1
            try:
                return frame_at(view, start)
            except BadFrame:
                pass
        place = whole.find(RECORD, place + 1)
    return None
