"""The config in force: swapped whole between turns, whichever way a sealed document came.

There are two ways. The mounted ConfigMap outlives the process, and a kubelet brings it within a minute or so. The
operator's offer (`serve/offers.py`) is there at once. Both bring the same documents under the same seals, so the one
that comes first counts, and the other one changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from regent_api.seal import SEAL_KEY
from regent_runtime.config import ConfigRefused, Snapshot, snapshot
from regent_runtime.credentials import Credentials
from regent_runtime.seal import LARGEST_SEAL, SealRefused, Seals, Trust
from regent_runtime.state.source import States

LARGEST_CONFIG = 4 * 1024 * 1024
"""Bytes; a ConfigMap holds at most 1 MiB."""
POLL_SECONDS = 0.2
"""A stat is 2 us; the kubelet swaps a symlink, which inotify shows only on the folder and in two steps."""


class ConfigInForce:
    """`current` is None until the first good document. What is refused leaves it as it is."""

    def __init__(
        self,
        trust: Trust,
        credentials: Credentials,
        states: States,
        swapped: Callable[[Snapshot | None, Snapshot], Awaitable[None]],
    ) -> None:
        self.current: Snapshot | None = None
        self.seals = Seals(trust)
        self._credentials = credentials
        self._states = states
        self._swapped = swapped
        self._digest: str | None = None
        self._taking = asyncio.Lock()

    async def take(self, document: bytes, seal: bytes) -> None:
        """Judge, understand, remember and put in force, in this order.

        Raises SealRefused before the document is parsed, ConfigRefused, and OSError where nothing can be remembered.
        """
        async with self._taking:
            found = self.seals.check(document, seal)
            if found.digest == self._digest:
                self.seals.accept(found)
                return
            old = self.current
            new = snapshot(document, self._credentials, self._states, old)
            try:
                self.seals.accept(found)
            except OSError:
                await new.close()
                raise
            if old is None or new.config != old.config:
                self.current = new
                await self._swapped(old, new)
            else:
                await new.close()
            self._digest = found.digest


class ConfigFile:
    """Follows the mounted file. `error`: why its document is not in force, though a newer one may be."""

    def __init__(self, path: Path, in_force: ConfigInForce) -> None:
        self.path = path
        self.error: str | None = f"{path.name}: not read yet"
        self._in_force = in_force
        self._stamp: tuple[int, ...] | None = None

    async def refresh(self) -> None:
        """Look once: load when the file is another one than the one looked at before."""
        try:
            found = self.path.stat()
        except OSError as error:
            self._stamp, self.error = None, f"{self.path.name}: {error.strerror}"
            return
        stamp = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            await self._load()

    async def _load(self) -> None:
        try:
            await self._take()
        except (ConfigRefused, SealRefused) as refused:
            self.error = str(refused)
        except OSError as error:
            name = Path(error.filename or self.path).name
            self._stamp, self.error = None, f"{name}: {error.strerror}"
        except Exception as error:  # noqa: BLE001 - no document may end the process
            self.error = f"fault: {type(error).__name__}"
        else:
            self.error = None

    async def _take(self) -> None:
        """The document and its seal of one moment."""
        real = self.path.resolve(strict=True)  # the kubelet swaps the folder that both lie in
        document = _bounded(real, LARGEST_CONFIG)
        try:
            seal = _bounded(real.with_name(SEAL_KEY), LARGEST_SEAL)
        except FileNotFoundError:
            raise SealRefused(f"seal: {SEAL_KEY} is missing, so the document is not the operator's") from None
        await self._in_force.take(document, seal)


def _bounded(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ConfigRefused(f"{path.name} is larger than {most} bytes")
    return content
