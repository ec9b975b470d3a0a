"""The subjects' keys, while they live in the pod: one file beside the log, shared with the command that erases."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from regent_api.audit import erasures
from regent_api.audit.subjects import FILE, KeyFile, SubjectKey

T = TypeVar("T")
MAKING_SECONDS = 10.0
MOST_AT_ONCE = 512
"""Erasures that are heard of at once."""


class PodKeys:
    """`SubjectKeys` over a file that is opened when the first key is asked for."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: KeyFile | None = None
        self._heard: int | None = None
        self._thread = ThreadPoolExecutor(1, "audit-keys")

    async def key(self, subject: str) -> SubjectKey:
        """Raises OSError, ValueError: a file that cannot be used."""
        known = self._file.get(subject) if self._file else None
        if known is not None:
            return known
        return await self._in_thread(lambda file: file.make(subject))

    async def known(self, subject: str) -> SubjectKey | None:
        """Raises OSError, ValueError."""
        return await self._in_thread(lambda file: file.get(subject))

    async def erased(self) -> list[str]:
        notes = self._path.with_name(erasures.FILE)
        loop = asyncio.get_running_loop()
        self._heard, found = await loop.run_in_executor(self._thread, erasures.noted, notes, self._heard, MOST_AT_ONCE)
        return found

    async def erase(self, digests: Sequence[str]) -> None:
        """Destroy the keys of subjects that were erased elsewhere. Raises OSError, ValueError."""
        await self._in_thread(lambda file: [file.erase_digest(digest) for digest in digests])

    def close(self) -> None:
        self._thread.shutdown()
        if self._file is not None:
            self._file.close()

    async def _in_thread(self, work: Callable[[KeyFile], T]) -> T:
        async with asyncio.timeout(MAKING_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._opened()))

    def _opened(self) -> KeyFile:
        if self._file is None:
            self._file = KeyFile(self._path)
        return self._file
