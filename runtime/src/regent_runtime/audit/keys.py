"""The subjects' keys, while they live in the pod: one file beside the log, shared with the command that erases."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from regent_api.audit.subjects import FILE, KeyFile, SubjectKey

MAKING_SECONDS = 10.0


class PodKeys:
    """`SubjectKeys` over a file that is opened when the first key is asked for."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: KeyFile | None = None
        self._served: set[str] = set()
        self._gone: set[str] = set()
        self._seen_at = 0
        self._thread = ThreadPoolExecutor(1, "audit-keys")

    async def key(self, subject: str) -> SubjectKey:
        """Raises OSError, ValueError: a file that cannot be used."""
        known = self._file.get(subject) if self._file else None
        if known is not None:
            return known
        if subject in self._served:
            self._gone.add(subject)
        async with asyncio.timeout(MAKING_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._made, subject)

    async def erased(self) -> list[str]:
        """Looks at the file only when it has been written to."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        gone, self._gone = sorted(self._gone), set()
        return gone

    def close(self) -> None:
        self._thread.shutdown()
        if self._file is not None:
            self._file.close()

    def _made(self, subject: str) -> SubjectKey:
        if self._file is None:
            self._file = KeyFile(self._path)
        key = self._file.make(subject)
        self._served.add(subject)
        return key

    def _look(self) -> None:
        """Every key that was made or used here and is not there any more."""
        if self._file is None:
            return
        written_at = self._path.stat().st_mtime_ns
        if written_at != self._seen_at:
            self._seen_at = written_at
            gone = {subject for subject in self._served if self._file.get(subject) is None}
            self._served -= gone
            self._gone |= gone
