"""A key for each subject (a caller): what the log says of one can be linked while the key exists, and never after.

The log bears a pseudonym and digests that are HMACs under keys derived from the subject's; its encrypted content is
under another one. Destroying the key ends all three at once, and no record has to change: the chain stays valid.
"""

import hashlib
import hmac
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

KEY_BYTES = 32
MOST_SUBJECTS = 131_072
FILE = "subjects.keys"
_SLOT = struct.Struct("32s32s")
"""SHA-256 of the subject, and its key. All zero: a free slot."""
_FREE = bytes(_SLOT.size)
FORMS = (
    "serviceaccount:NAMESPACE/NAME (or system:serviceaccount:NAMESPACE:NAME), apikey:NAMESPACE/NAME, "
    "oidc:ISSUER#SUBJECT or anonymous"
)
_NAME = r"[a-z0-9][-a-z0-9.]*"
_FORM = re.compile(
    rf"system:serviceaccount:(?P<namespace>{_NAME}):(?P<name>{_NAME})"
    rf"|(serviceaccount|apikey):{_NAME}/{_NAME}|oidc:https://[^#]+#.+|anonymous",
    re.DOTALL,
)


@dataclass(frozen=True)
class SubjectKey:
    """The master key of one subject; each use has a key of its own, so none can stand for another."""

    subject: str
    master: bytes

    def __repr__(self) -> str:
        return "SubjectKey(...)"

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return hmac.digest(self.master, purpose.encode(), "sha256")

    @cached_property
    def pseudonym(self) -> str:
        """The same for every record of the subject under this key."""
        return hmac.digest(self.derived("pseudonym"), self.subject.encode(), "sha256").hex()[:32]

    def digest_of(self, content: bytes) -> str:
        """What a record bears of content, in hex."""
        return hmac.digest(self._of_digests, content, "sha256").hex()

    def digest(self) -> "hmac.HMAC":
        """To be fed with content; `hexdigest` is as `digest_of` all of it."""
        return hmac.new(self._of_digests, digestmod="sha256")

    @cached_property
    def _of_digests(self) -> bytes:
        return self.derived("digest")

    @property
    def content(self) -> bytes:
        """Key of AES-256-GCM."""
        return self.derived("content")


class SubjectKeys(Protocol):
    """Where the keys live: a file in the pod, or the collector."""

    async def key(self, subject: str) -> SubjectKey:
        """The subject's key, made durably where it has none. Raises OSError (TimeoutError among them)."""

    async def known(self, subject: str) -> SubjectKey | None:
        """The subject's key, where it has one. Raises OSError."""

    async def erased(self) -> list[str]:
        """Digests of the subjects whose keys somebody has destroyed since the last call. Raises OSError."""


class TooManySubjects(OSError):  # noqa: N818
    """The file holds as many keys as it may."""


class KeyFile:
    """Keys in fixed slots of one file, erased in place. Blocking; the file may be shared with one that erases.

    Raises OSError, TooManySubjects, ValueError for a file of another shape.
    """

    def __init__(self, path: Path, most: int = MOST_SUBJECTS) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most = most
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._slots: dict[bytes, int] = {}
        self._free: list[int] = []
        size = os.fstat(self._file).st_size
        self._count = size // _SLOT.size
        if size % _SLOT.size:  # a write that was cut, of a key that nobody has used
            os.ftruncate(self._file, self._count * _SLOT.size)
        for number, (hashed, _) in enumerate(_SLOT.iter_unpack(os.pread(self._file, self._count * _SLOT.size, 0))):
            if any(hashed):
                self._slots[hashed] = number
            else:
                self._free.append(number)

    def get(self, subject: str) -> SubjectKey | None:
        """The key as the file has it now; None when there is none, or none any more."""
        master = self._master(_hash(subject))
        return None if master is None else SubjectKey(subject, master)

    def make(self, subject: str) -> SubjectKey:
        """A new key, on disk when it returns; the one that is there where there is one."""
        known = self.get(subject)
        if known is not None:
            return known
        if not self._free and self._count >= self._most:
            raise TooManySubjects("no room for another subject's key")
        number = self._free.pop() if self._free else self._count
        key = SubjectKey(subject, os.urandom(KEY_BYTES))
        self._put(number, _SLOT.pack(_hash(subject), key.master))
        self._count = max(self._count, number + 1)
        self._slots[_hash(subject)] = number
        return key

    def erase(self, subject: str) -> bool:
        """Overwrite the key; whether there was one. What the disk itself keeps of old blocks is not in our hands."""
        return self.erase_digest(subject_digest(subject))

    def erase_digest(self, digest: str) -> bool:
        """As `erase`, of a subject of which `subject_digest` alone is known."""
        hashed = bytes.fromhex(digest)
        if self._master(hashed) is None:
            return False
        number = self._slots.pop(hashed)
        self._put(number, _FREE)
        self._free.append(number)
        return True

    @property
    def slots(self) -> Mapping[bytes, int]:
        """Where each subject's key stands, by SHA-256 of the subject; some of them may have been erased by others."""
        return MappingProxyType(self._slots)

    def close(self) -> None:
        os.close(self._file)

    def _master(self, hashed: bytes) -> bytes | None:
        number = self._slots.get(hashed)
        if number is None:
            return None
        found, master = _SLOT.unpack(os.pread(self._file, _SLOT.size, number * _SLOT.size))
        if found == hashed:
            return bytes(master)
        del self._slots[hashed]
        self._free.append(number)
        return None

    def _put(self, number: int, slot: bytes) -> None:
        if os.pwrite(self._file, slot, number * _SLOT.size) != len(slot):
            raise OSError("the key was not written whole")
        os.fdatasync(self._file)


def parse_subject(text: str) -> str:
    """The subject that somebody wrote in one of FORMS, as the keys know it. Raises ValueError, with the forms."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no subject; write {FORMS}")
    return f"serviceaccount:{found['namespace']}/{found['name']}" if found["namespace"] else text


def subject_digest(subject: str) -> str:
    """SHA-256 of a subject, in hex: by this name erasures are told."""
    return _hash(subject).hex()


def _hash(subject: str) -> bytes:
    return hashlib.sha256(subject.encode()).digest()
