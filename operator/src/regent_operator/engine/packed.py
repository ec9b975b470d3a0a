"""Texts that are kept for long and seldom looked at: thousands of statuses and configs, compressed."""

import zlib
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from regent_operator.plan.document import SHARED, joined
from regent_operator.plan.remembered import Shared

Object = dict[str, Any]
LEVEL = 1
"""The best one makes a status a twentieth smaller, in twice the time."""
WINDOW_BITS, MEMORY_LEVEL = 13, 6
"""8 KiB and 32 KiB. zlib's own choice takes 256 KiB, which the system must map anew for each text: 72 us where a status
takes 20, and no smaller.
"""
EFFECTIVE = "effective"


class Text:
    """Of many objects: the very same for equal ones, so compared by identity."""

    def __init__(self, text: bytes) -> None:
        self.text = text


@dataclass(frozen=True, slots=True)
class PackedStatus:
    """Equal for equal statuses. An agent's would be two thirds `effective`, which it shares with many others."""

    own: bytes
    """Compressed JSON."""
    effective: Text | None
    """JSON with sorted keys. None: the status has none."""

    @classmethod
    def of(cls, status: Object) -> Self:
        effective = status.get(EFFECTIVE)
        own = {name: value for name, value in status.items() if name != EFFECTIVE}
        return cls(packed(msgspec.json.encode(own)), None if effective is None else _once(_encoded(effective)))

    @property
    def rest(self) -> Object:
        """All but `effective`."""
        return msgspec.json.decode(unpacked(self.own), type=Object)

    @property
    def whole(self) -> Object:
        return self.rest | ({EFFECTIVE: msgspec.json.decode(self.effective.text)} if self.effective else {})

    def has_effective(self, effective: Any) -> bool:
        """Whether that is what the status says is in force; None: whether it says nothing of it."""
        return effective is None if self.effective is None else _encoded(effective) == self.effective.text


@dataclass(frozen=True, slots=True)
class PackedConfig:
    """An AgentConfig, most of which is of its policies and its route, so that many others have the same."""

    own: bytes
    """Compressed JSON."""
    shared: Text | None
    """The same. None: the text is no config, and stands in `own`."""

    @classmethod
    def of(cls, text: str) -> Self:
        try:
            members = _members.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return cls(packed(text.encode()), None)
        shared = {name: members.pop(name) for name in SHARED if name in members}
        return cls(_packed_members(members), _once(_packed_members(shared)))

    @property
    def text(self) -> str:
        """As it was, if it was canonical."""
        own = unpacked(self.own)
        if self.shared is None:
            return own.decode()
        members = _members.decode(own) | _members.decode(unpacked(self.shared.text))
        return joined({name: str(member, "utf-8") for name, member in members.items()})


def _packed_members(members: dict[str, msgspec.Raw]) -> bytes:
    return packed(msgspec.json.encode(members))


def _once(text: bytes) -> Text:
    return _texts.of(text, make=lambda: Text(text))


_texts: Shared[Text] = Shared()
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoded = msgspec.json.Encoder(order="deterministic").encode


def packed(text: bytes) -> bytes:
    """Equal for equal texts."""
    packing = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL)
    return packing.compress(text) + packing.flush()


def unpacked(packed_text: bytes) -> bytes:
    return zlib.decompress(packed_text)
