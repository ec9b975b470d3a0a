"""What was said in a turn, encrypted under its subject's key, beside the chain: DIR/content/LABEL/YYYY-MM-DD.enc.

A folder for each sensitivity and a file for each day, so retention deletes whole files; a destroyed key makes the rest
unreadable. A record names file and SHA-256 of its ciphertext, so what is there can be proved to be what was written.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from regent_api.audit.frame import CONTENT, BadFrame, frame, frames
from regent_api.audit.record import ContentPart
from regent_api.audit.subjects import SubjectKey
from regent_api.types import Sensitivity

FOLDER = "content"
SUFFIX = ".enc"
_NONCE_BYTES = 12


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of a content frame: `subject` is the pseudonym, `sealed` nonce and ciphertext."""

    turn: str
    subject: str
    sealed: bytes


@dataclass(frozen=True)
class Sealed:
    """Encrypted content of one turn: the frame to write, and what the record says of it."""

    part: ContentPart
    data: bytes


@dataclass(frozen=True)
class Stored:
    """Found in a file: `subject` is the pseudonym."""

    turn: str
    subject: str
    sealed: bytes
    label: str


class ContentUnreadable(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """The key is another one, or was destroyed, or the ciphertext was changed."""


def seal(text: bytes, *, turn: str, label: Sensitivity, day: str, key: SubjectKey) -> Sealed:
    """`day`: YYYY-MM-DD, of the turn."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(key.content).encrypt(nonce, text, _bound_to(turn, label))
    part = ContentPart(label=str(label), file=f"{day}{SUFFIX}", sha256=hashlib.sha256(sealed).hexdigest())
    return Sealed(part, frame(CONTENT, msgspec.msgpack.encode(Head(turn, key.pseudonym, sealed))))


def unseal(stored: Stored, key: SubjectKey) -> bytes:
    """Raises ContentUnreadable."""
    nonce, ciphertext = stored.sealed[:_NONCE_BYTES], stored.sealed[_NONCE_BYTES:]
    try:
        return AESGCM(key.content).decrypt(nonce, ciphertext, _bound_to(stored.turn, stored.label))
    except (InvalidTag, ValueError):
        raise ContentUnreadable("this key does not open it") from None


def path_of(folder: Path, part: ContentPart) -> Path:
    return folder / FOLDER / part.label / part.file


def stored(folder: Path) -> Iterator[Stored]:
    """All that is kept beside a log, up to the first frame of each file that is not whole. Raises OSError."""
    for path in files(folder):
        try:
            for each in frames(path.read_bytes()):
                head = msgspec.msgpack.decode(each.payload, type=Head)
                yield Stored(head.turn, head.subject, head.sealed, path.parent.name)
        except (BadFrame, msgspec.DecodeError):
            continue


def files(folder: Path) -> list[Path]:
    """Beside the log, or below its folder: a collector keeps the keys of an agent above its pods' logs."""
    return sorted(folder.rglob(f"{FOLDER}/*/*{SUFFIX}"))


def expired(folder: Path, label: Sensitivity, before: str) -> list[Path]:
    """The files of a label whose day is before another one (YYYY-MM-DD)."""
    return [path for path in sorted((folder / FOLDER / label).glob(f"*{SUFFIX}")) if path.name[:10] < before]


def _bound_to(turn: str, label: str) -> bytes:
    return f"{turn}\n{label}".encode()
