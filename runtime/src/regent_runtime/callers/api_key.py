"""API keys: values of mounted Secrets, of which this process keeps keyed digests and nothing else.

A file holds one value a line, so that an old and a new one are good side by side while callers change over. A value
must have the form of 128 random bits; a shorter one is not accepted, and `/statusz` says so without quoting it.
"""

import hashlib
import hmac
import math
import re
import secrets
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

LEAST_BITS = 128
LEAST_DISTINCT = 8
"""Characters: 22 random ones of base64 or 32 of hex have far more."""
LONGEST_VALUE = 1024
MOST_VALUES = 16
"""Lines of one file."""
LARGEST_FILE = 65_536
LOOK_SECONDS = 0.5

File = tuple[str, str]
"""Secret, key."""
_Stamp = tuple[int, int, int]
_PROCESS_KEY = secrets.token_bytes()
_PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation)
_ALPHABETS = (
    frozenset(string.digits),
    frozenset(string.digits + "abcdef"),
    frozenset(string.digits + "ABCDEF"),
    frozenset(string.ascii_lowercase),
    frozenset(string.digits + string.ascii_lowercase),
    frozenset(string.ascii_letters + string.digits + "+/-_"),
    _PRINTABLE,
)
_REPETITION = re.compile(r"(.+)\1+")


@dataclass(frozen=True)
class _Held:
    stamp: _Stamp | None = None
    digests: tuple[bytes, ...] = ()
    problem: str = "missing"
    """Why the file, or a line of it, is not accepted; empty: all is well."""


class ApiKeys:
    """The values behind some (Secret, key) pairs, followed as their files change: at most LOOK_SECONDS late."""

    def __init__(
        self,
        path: Callable[[str, str], Path | None],
        files: Iterable[File],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path`: where the key of a Secret is mounted; None for a name that no Secret has."""
        self._paths = {file: path(*file) for file in sorted(set(files))}
        self._clock = clock
        self._looked = -math.inf
        self._held = dict.fromkeys(self._paths, _Held())

    def holding(self, value: str) -> frozenset[File]:
        """The files that hold a value. Compares with every digest, whichever matches, in constant time each."""
        self._look()
        asked = _digest(value)
        matches = [
            (file, hmac.compare_digest(asked, digest)) for file, held in self._held.items() for digest in held.digests
        ]
        return frozenset(file for file, same in matches if same)

    def missing(self) -> list[str]:
        """`SECRET/KEY` of every file with no value that is accepted."""
        self._look()
        return ["/".join(file) for file, held in self._held.items() if not held.digests]

    def problems(self) -> list[str]:
        """`SECRET/KEY: WHY` for each file of which not every line is accepted; it quotes no value."""
        self._look()
        return [f"{'/'.join(file)}: {held.problem}" for file, held in self._held.items() if held.problem]

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for file, path in self._paths.items():
            stamp = path and _stamp(path)
            if stamp != self._held[file].stamp:
                self._held[file] = _read(path, stamp) if path and stamp else _Held()


def weakness(value: str) -> str | None:
    """Why a value does not have the form of LEAST_BITS random bits; None: it has. Form is all that can be seen."""
    if len(value) > LONGEST_VALUE or not _PRINTABLE.issuperset(value):
        return f"is longer than {LONGEST_VALUE} characters, or not of printable ASCII without spaces"
    bits = len(value) * math.log2(min(len(alphabet) for alphabet in _ALPHABETS if alphabet.issuperset(value)))
    if bits < LEAST_BITS or len(set(value)) < LEAST_DISTINCT or _REPETITION.fullmatch(value):
        return f"is too weak: make one of {LEAST_BITS} random bits or more, such as `openssl rand -hex 32` prints"
    return None


def _digest(value: str) -> bytes:
    """Keyed with a secret of this process, so that a digest is worth nothing outside of it."""
    return hashlib.blake2b(value.encode(), key=_PROCESS_KEY).digest()


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path, stamp: _Stamp) -> _Held:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        lines = [line.strip() for line in raw.decode("ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return _Held(stamp, problem="cannot be read as ASCII text")
    if not lines or len(raw) > LARGEST_FILE or len(lines) > MOST_VALUES:
        return _Held(stamp, problem=f"must hold 1 to {MOST_VALUES} values, one a line")
    weak = {number: words for number, line in enumerate(lines, 1) if (words := weakness(line))}
    good = tuple(_digest(line) for number, line in enumerate(lines, 1) if number not in weak)
    return _Held(stamp, good, next((f"line {number} {words}" for number, words in weak.items()), ""))
