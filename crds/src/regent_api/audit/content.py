"""What was said in a turn, encrypted under its subject's key, beside the chain: DIR/content/LABEL/YYYY-MM-DD.enc.

A folder for each sensitivity and files for each day (the next one of a day is YYYY-MM-DD.1.enc), so retention deletes
whole files; a destroyed key makes the rest unreadable. A record names the day's first file and the SHA-256 of its
ciphertext, so what is there can be proved to be what was written.
A long text is several frames, so that no frame is longer than whoever carries it takes in one go.
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
PART_BYTES = 256 * 1024
"""Of a text, in one frame."""
_NONCE_BYTES = 12


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of a content frame: `subject` is the pseudonym, `sealed` nonce and ciphertext.

    `text`: what the parts of one text have in common; `part` counts from 0.
    """

    turn: str
    subject: str
    sealed: bytes
    text: str
    part: int
    parts: int


@dataclass(frozen=True)
class Sealed:
    """Encrypted content of one turn: the frames to write, and what the record says of it."""

    part: ContentPart
    data: bytes


@dataclass(frozen=True)
class Stored:
    """A frame found in a file."""

    head: Head
    label: str


class ContentUnreadable(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """The key is another one, or was destroyed, or the ciphertext was changed."""


def seal(text: bytes, *, turn: str, label: Sensitivity, day: str, key: SubjectKey) -> Sealed:
    """`day`: YYYY-MM-DD, of the turn."""
    pieces = [text[begin : begin + PART_BYTES] for begin in range(0, len(text), PART_BYTES)] or [b""]
    whole, name, frames_made = hashlib.sha256(), os.urandom(8).hex(), []
    for number, piece in enumerate(pieces):
        nonce = os.urandom(_NONCE_BYTES)
        head = Head(turn, key.pseudonym, nonce, name, number, len(pieces))
        sealed = nonce + AESGCM(key.content).encrypt(nonce, piece, _bound_to(head, label))
        whole.update(sealed)
        frames_made.append(frame(CONTENT, msgspec.msgpack.encode(msgspec.structs.replace(head, sealed=sealed))))
    part = ContentPart(label=str(label), file=f"{day}{SUFFIX}", sha256=whole.hexdigest())
    return Sealed(part, b"".join(frames_made))


def unseal(stored: Stored, key: SubjectKey) -> bytes:
    """The text of one frame. Raises ContentUnreadable."""
    sealed = stored.head.sealed
    try:
        bound_to = _bound_to(stored.head, stored.label)
        return AESGCM(key.content).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise ContentUnreadable("this key does not open it") from None


def texts(folder: Path, key: SubjectKey) -> Iterator[tuple[str, bytes]]:
    """Every whole text of a subject that its key opens, with its turn. Raises OSError."""
    found: dict[tuple[str, str, str], dict[int, bytes]] = {}
    for each in stored(folder):
        head = each.head
        if head.subject != key.pseudonym:
            continue
        parts = found.setdefault((each.label, head.turn, head.text), {})
        try:
            parts[head.part] = unseal(each, key)
        except ContentUnreadable:
            continue
        if len(parts) == head.parts:
            del found[each.label, head.turn, head.text]
            yield head.turn, b"".join(parts[number] for number in sorted(parts))


def path_of(folder: Path, part: ContentPart) -> Path:
    return folder / FOLDER / part.label / part.file


def stored(folder: Path) -> Iterator[Stored]:
    """All that is kept beside a log, up to the first frame of each file that is not whole. Raises OSError."""
    for path in files(folder):
        try:
            for each in frames(path.read_bytes()):
                yield Stored(msgspec.msgpack.decode(each.payload, type=Head), path.parent.name)
        except (BadFrame, msgspec.DecodeError):
            continue


def files(folder: Path) -> list[Path]:
    """Beside the log, or below its folder: a collector keeps the keys of an agent above its pods' logs."""
    return sorted(folder.rglob(f"{FOLDER}/*/*{SUFFIX}"))


def expired(folder: Path, label: Sensitivity, before: str) -> list[Path]:
    """The files of a label whose day is before another one (YYYY-MM-DD)."""
    return [path for path in sorted((folder / FOLDER / label).glob(f"*{SUFFIX}")) if path.name[:10] < before]


def _bound_to(head: Head, label: str) -> bytes:
    return f"{head.turn}\n{label}\n{head.text}\n{head.part}/{head.parts}".encode()
