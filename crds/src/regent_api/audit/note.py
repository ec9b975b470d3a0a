"""Signed notes: a text and Ed25519 signatures over it, as Go's checksum database has them.

Source: https://c2sp.org/signed-note. A verifier key is written NAME+HASH+BASE64, one line, safe to publish.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LARGEST_NOTE = 16_384
_ED25519 = b"\x01"
_DASH = "\u2014"


class BadNote(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """The text is no signed note, or no signature on it is by a key that is trusted."""


class Signs(Protocol):
    """What signs notes: a key of its own, with a name."""

    @property
    def verifier(self) -> "Verifier": ...

    def sign(self, text: str) -> bytes:
        """The 64 bytes of an Ed25519 signature over the text."""


@dataclass(frozen=True)
class Verifier:
    """A public key and the name that it signs under (no spaces, no plus)."""

    name: str
    key: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.key).decode()}"

    @classmethod
    def parse(cls, line: str) -> "Verifier":
        """Raises BadNote for anything but the line that `str` gives."""
        name, _, rest = line.strip().partition("+")
        key = _decoded(rest.partition("+")[2])
        found = cls(name, key[1:])
        if len(key) != 33 or str(found) != line.strip() or not _is_name(name):
            raise BadNote("not a verifier key; it is written NAME+HASH+BASE64")
        return found

    def verifies(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A private key held in memory. Raises BadNote for a name that no note can bear."""

    name: str
    private: Ed25519PrivateKey

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise BadNote("a signer's name has no spaces and no plus")

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        return self.private.sign(text.encode())


def signed(text: str, signer: Signs) -> str:
    """A note. Raises ValueError for a text that does not end with a line end."""
    if not text.endswith("\n"):
        raise ValueError("the text of a note ends with a line end")
    verifier = signer.verifier
    signature = base64.b64encode(verifier.key_id + signer.sign(text)).decode()
    return f"{text}\n{_DASH} {verifier.name} {signature}\n"


def opened(note: str, trusted: Verifier) -> str:
    """The text of a note that the trusted key has signed. Raises BadNote."""
    text, found, signatures = note.rpartition("\n\n")
    if not found or len(note) > LARGEST_NOTE or not signatures.endswith("\n"):
        raise BadNote("not a signed note")
    text += "\n"
    for line in signatures[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = _decoded(encoded)
        if dash != _DASH or len(signature) < 5:
            raise BadNote("a signature line is malformed")
        if name == trusted.name and signature[:4] == trusted.key_id:
            if trusted.verifies(text, signature[4:]):
                return text
            raise BadNote("the signature is not valid")
    raise BadNote(f"not signed by {trusted.name}")


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _decoded(text: str) -> bytes:
    """Empty for anything but the one way to write some bytes: base64 leaves a few bits of its last letter unread."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if base64.b64encode(found).decode() == text else b""
