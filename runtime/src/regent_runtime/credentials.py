"""The providers' keys, read from projected Secret volumes: DIR/SECRET/KEY, and DIR/SECRET/hosts that bounds each.

A value goes to the hosts that its Secret names and nowhere else, so who writes routes cannot send a Secret away.
Values are read again when their file changes; they never enter a config, a log line or an error.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from regent_api.config import CredentialFile
from regent_api.types import host_matches
from regent_runtime.guard.mounted import Mounted

HOSTS_KEY = "hosts"
LARGEST_FILE = 65_536
_PLAIN_NAME = re.compile(r"[-_a-zA-Z0-9][-._a-zA-Z0-9]*")

_Stamp = tuple[int, int, int]


class CredentialUnusable(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The value is missing or malformed, or its Secret does not name the host. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class _Read:
    stamp: _Stamp
    text: str | None


class Credentials:
    """Reads what is asked for and remembers it until the file changes; bounded by the files that configs name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.mounted = Mounted(directory)
        """Every value of the directory, for the guard that keeps them out of answers."""
        self._read: dict[Path, _Read] = {}

    def value(self, credential: CredentialFile, host: str) -> str:
        """The value, for a request to that host. Raises CredentialUnusable."""
        value = self._text(credential.secret, credential.key)
        if not _is_header_safe(value):
            raise CredentialUnusable("credential_missing")
        hosts = (self._text(credential.secret, HOSTS_KEY) or "").lower().replace(",", " ").split()
        if not any(host_matches(pattern, host) for pattern in hosts):
            raise CredentialUnusable("credential_not_for_host")
        return value or ""

    def missing(self, needed: Iterable[CredentialFile]) -> list[str]:
        """`SECRET/KEY` of every file that is absent, empty or unusable, `hosts` files among them; sorted."""
        absent = set()
        for credential in needed:
            if not _is_header_safe(self._text(credential.secret, credential.key)):
                absent.add(f"{credential.secret}/{credential.key}")
            if not self._text(credential.secret, HOSTS_KEY):
                absent.add(f"{credential.secret}/{HOSTS_KEY}")
        return sorted(absent)

    def digest(self, needed: Iterable[CredentialFile]) -> bytes:
        """SHA-256 over the values of these files, the missing ones too: the same in pods that hold the same."""
        known = sorted({(each.secret, each.key) for each in needed})
        whole = hashlib.sha256()
        for secret, key in known:
            for part in (secret, key, self._text(secret, key) or ""):
                whole.update(b"%d:%b" % (len(part), part.encode()))
        return whole.digest()

    def any(self, needed: Iterable[CredentialFile]) -> bool:
        """Whether one of these files has a value."""
        return any(self._text(each.secret, each.key) for each in needed)

    def path(self, secret: str, key: str) -> Path | None:
        """Where the key of a Secret is mounted; None for names that would lead elsewhere."""
        plain = _PLAIN_NAME.fullmatch(secret) and _PLAIN_NAME.fullmatch(key)
        return self._directory / secret / key if plain else None

    def _text(self, secret: str, key: str) -> str | None:
        path = self.path(secret, key)
        if path is None:
            return None
        try:
            found = path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = self._read.get(path)
            if known is None or known.stamp != stamp:
                known = _Read(stamp, _stripped(path))
                self._read[path] = known
        except OSError:
            self._read.pop(path, None)
            return None
        return known.text


def _stripped(path: Path) -> str | None:
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    try:
        return raw.decode("ascii").strip() if len(raw) <= LARGEST_FILE else None
    except UnicodeDecodeError:
        return None


def _is_header_safe(value: str | None) -> bool:
    return bool(value) and all(" " < character < "\x7f" for character in value or "")
