"""Texts that are kept for long and seldom looked at: thousands of statuses and configs, compressed."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import msgspec

Object = dict[str, Any]
LEVEL = 1
"""The best one makes a status a twentieth smaller, in twice the time."""
WINDOW_BITS, MEMORY_LEVEL = 13, 6
"""8 KiB and 32 KiB. zlib's own choice takes 256 KiB, which the system must map anew for each text: 72 us where a status
takes 20, and no smaller.
"""
EFFECTIVE = "effective"
MOST_SETS = 1024
"""Of policies, whose `effective` is there once."""


@dataclass(frozen=True, slots=True)
class PackedStatus:
    """Equal for equal statuses. An agent's would be two thirds `effective`, which it shares with many others."""

    own: bytes
    """Compressed JSON."""
    effective: bytes | None
    """JSON, the very same for equal ones; None: the status has none."""

    @classmethod
    def of(cls, status: Object) -> Self:
        effective = status.get(EFFECTIVE)
        own = {name: value for name, value in status.items() if name != EFFECTIVE}
        return cls(packed(_encode(own)), None if effective is None else _once(_encode(effective)))

    @property
    def whole(self) -> Object:
        """Its `effective` is one for all: nobody changes it."""
        own = msgspec.json.decode(unpacked(self.own), type=Object)
        return own if self.effective is None else own | {EFFECTIVE: _decoded(self.effective)}


@lru_cache(maxsize=MOST_SETS)
def _once(text: bytes) -> bytes:
    return text


@lru_cache(maxsize=MOST_SETS)
def _decoded(text: bytes) -> Any:
    return msgspec.json.decode(text)


_encode = msgspec.json.encode


def packed(text: bytes) -> bytes:
    """Equal for equal texts."""
    packing = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL)
    return packing.compress(text) + packing.flush()


def unpacked(packed_text: bytes) -> bytes:
    return zlib.decompress(packed_text)
