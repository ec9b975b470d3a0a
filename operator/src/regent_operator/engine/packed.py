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
        own_text = packed(_encoded(own), STATUS)
        return cls(own_text, None if effective is None else _once(_encoded(effective)))

    @property
    def rest_text(self) -> bytes:
        """JSON of all but `effective`."""
        return unpacked(self.own, STATUS)

    @property
    def rest(self) -> Object:
        return msgspec.json.decode(self.rest_text, type=Object)

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
_MOSTLY = (
    ("NetworkRestricted", "NotProved", "1/1 pods have shown that their NetworkPolicy is enforced"),
    ("WorkloadAvailable", "Available", "1 of 1 replicas are available. Nothing to do."),
    ("PolicyEnforced", "Enforced", "1/1 pods echo sha256:. Nothing to do."),
    ("ResolvedRefs", "ReferencesResolved", "Every reference exists. Nothing to do."),
    ("Accepted", "Accepted", "The spec is valid. Nothing to do."),
    ("Ready", "Ready", "1/1 pods echo sha256:. Nothing to do."),
)
STATUS = _encoded(
    {
        "conditions": [
            {
                "lastTransitionTime": "2026-11-27T15:00:00Z",
                "message": message,
                "observedGeneration": 1,
                "reason": reason,
                "status": "True",
                "type": condition,
            }
            for condition, reason, message in _MOSTLY
        ],
        "conversations": 0,
        "digests": {"config": "sha256:", "policy": "sha256:", "route": "sha256:"},
        "endpoint": "http://.svc:8080",
        "enforced": "1/1",
        "observedGeneration": 1,
        "policies": [{"digest": "sha256:", "name": "", "namespace": ""}],
        "policyCount": 1,
        "replicas": 1,
    }
)
"""What an agent's status mostly says: what another says like it takes hardly a byte of its packed one."""


def packed(text: bytes, like: bytes = b"") -> bytes:
    """Equal for equal texts. `like`: a text of which it has much."""
    packing = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL, zdict=like)
    return packing.compress(text) + packing.flush()


def unpacked(packed_text: bytes, like: bytes = b"") -> bytes:
    return zlib.decompressobj(zdict=like).decompress(packed_text)
