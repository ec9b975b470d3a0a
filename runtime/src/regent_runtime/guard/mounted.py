"""The values of the pod's own secrets, so that no answer bears one.

Read from DIR/SECRET/KEY, as the kubelet mounts them, when their files change; `hosts` files are no secrets. A value
shorter than LEAST is not looked for: it would match ordinary words.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from regent_runtime.guard.scan import LONGEST_MATCH, Rule

LEAST = 8
"""Characters of a value that is looked for."""
MOST_VALUES = 1024
LARGEST_FILE = 65_536
_LONGEST_PIECE = LONGEST_MATCH // 2
_OPAQUE = re.compile(rb"[A-Za-z0-9+/=_-]{32,}")
_HOSTS = "hosts"

_Stamp = tuple[int, int, int]


class TooManySecrets(Exception):  # noqa: N818
    """More values are mounted than answers are searched for."""


class Mounted:
    """Remembers each value until its file changes."""

    def __init__(self, *directories: Path) -> None:
        self._directories = directories
        self._read: dict[Path, tuple[_Stamp, frozenset[bytes]]] = {}

    def values(self) -> frozenset[bytes]:
        """What no answer may hold. Raises TooManySecrets, and OSError when a folder is there and cannot be read."""
        seen: dict[Path, tuple[_Stamp, frozenset[bytes]]] = {}
        for path in self._files():
            try:
                found = path.stat()
                stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
                known = self._read.get(path)
                seen[path] = known if known is not None and known[0] == stamp else (stamp, _searched(path))
            except FileNotFoundError:
                continue
        self._read = seen
        values = frozenset().union(*(pieces for _, pieces in seen.values()))
        if len(values) > MOST_VALUES:
            raise TooManySecrets
        return values

    def _files(self) -> Iterator[Path]:
        for directory in self._directories:
            if not directory.is_dir():
                continue
            for secret in directory.iterdir():
                if not secret.name.startswith(".") and secret.is_dir():
                    yield from (file for file in secret.iterdir() if _is_key(file))


def _is_key(file: Path) -> bool:
    return not file.name.startswith(".") and file.name != _HOSTS and not file.is_dir()


def _searched(path: Path) -> frozenset[bytes]:
    """What of a file is looked for: its value, or the opaque runs of a document such as a key file."""
    with path.open("rb") as file:
        value = file.read(LARGEST_FILE).strip()
    if len(value) <= LONGEST_MATCH and b"\n" not in value:
        return frozenset({value}) if len(value) >= LEAST else frozenset()
    runs = [run for run in _OPAQUE.findall(value) if _is_opaque(run)]
    return frozenset(run[at : at + _LONGEST_PIECE] for run in runs for at in range(0, len(run), _LONGEST_PIECE))


def _is_opaque(run: bytes) -> bool:
    return all(re.search(kind, run) for kind in (rb"[A-Z]", rb"[a-z]", rb"[0-9]"))


def rule(values: frozenset[bytes]) -> Rule:
    """Finds exactly these."""
    escaped = sorted((_escaped(value) for value in values if value), key=lambda each: (-len(each), each))
    return Rule("mounted-secret", "|".join(escaped))


def _escaped(value: bytes) -> str:
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}" for byte in value)
