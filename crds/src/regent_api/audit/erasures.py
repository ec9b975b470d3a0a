"""Notes of whose key was destroyed, beside the keys: by them pods end what they keep of a subject elsewhere.

A note is SHA-256 of the subject and the moment, for a day; so long the notes themselves tell that someone asked to be
forgotten. Blocking; commands and readers may share the file.
"""

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from regent_api.audit.subjects import subject_digest

FILE = "subjects.erased"
KEPT_NS = 86_400 * 10**9
RECENT_NS = 120 * 10**9
"""How far back one looks that has not looked before: what it let pass while it restarted, and not what is older, since
the subject may have come back."""
_NOTE = struct.Struct("32sQ")
"""SHA-256 of the subject; nanoseconds since 1970."""


def note(path: Path, subject: str, now: Callable[[], int] = time.time_ns) -> None:
    """Durable when it returns. Each note is later than the one before, whatever the clock does. Raises OSError."""
    with _locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as file:
        known = _read(file)
        at = max([now(), *(each + 1 for _, each in known)])
        _write(file, [*_fresh(known, now()), (bytes.fromhex(subject_digest(subject)), at)])


def prune(path: Path, now: Callable[[], int] = time.time_ns) -> None:
    """Let go of notes that are older than a day. Raises OSError."""
    if path.exists():
        with _locked(path, os.O_RDWR, fcntl.LOCK_EX) as file:
            known = _read(file)
            kept = _fresh(known, now())
            if kept != known:
                _write(file, kept)


def noted(path: Path, after: int | None, most: int, now: Callable[[], int] = time.time_ns) -> tuple[int, list[str]]:
    """Where to go on, and the digests of the subjects that were noted after `after`, oldest first. Raises OSError.

    Where to go on is a note's moment, or 0: one's own clock may be set back, and notes would be passed over.
    """
    try:
        with _locked(path, os.O_RDONLY, fcntl.LOCK_SH) as file:
            kept = _read(file)
    except FileNotFoundError:
        kept = []
    since = now() - RECENT_NS if after is None else after
    found = [each for each in kept if each[1] > since][:most]
    passed = max((at for _, at in kept), default=0) if after is None else after
    return (found[-1][1] if found else passed), [hashed.hex() for hashed, _ in found]


@contextmanager
def _locked(path: Path, flags: int, lock: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, lock)
        yield file
    finally:
        os.close(file)


def _read(file: int) -> list[tuple[bytes, int]]:
    raw = os.pread(file, os.fstat(file).st_size, 0)
    return list(_NOTE.iter_unpack(raw[: len(raw) - len(raw) % _NOTE.size]))


def _write(file: int, notes: list[tuple[bytes, int]]) -> None:
    raw = b"".join(_NOTE.pack(*each) for each in notes)
    if os.pwrite(file, raw, 0) != len(raw):
        raise OSError("the notes were not written whole")
    os.ftruncate(file, len(raw))
    os.fdatasync(file)


def _fresh(notes: list[tuple[bytes, int]], now: int) -> list[tuple[bytes, int]]:
    return [each for each in notes if each[1] > now - KEPT_NS]
