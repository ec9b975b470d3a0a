"""Sends the encrypted content beside the pod's log to the collector, before the records that name it.

A file only grows, so what is left of it is what lies behind the bytes that the collector has.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from regent_api.audit.content import FOLDER, SUFFIX
from regent_api.audit.frame import BadFrame, frame_at
from regent_api.types import Sensitivity
from regent_runtime.audit.collector import Collector, CollectorRefused

PART_BYTES = 512 * 1024
LARGEST_PART_BYTES = 1024 * 1024
"""Of one body: it holds PART_BYTES and the frame that ends behind them, and aiohttp takes it as it is."""


class ContentShipping:
    """`retention`: seconds for which a label's class lets content be kept; None: as long as records."""

    def __init__(self, folder: Path, collector: Collector, retention: Callable[[Sensitivity], float | None]) -> None:
        self._folder = folder / FOLDER
        self._collector = collector
        self._retention = retention
        self._sent: dict[str, int] = {}
        """Of files that are there: bytes that the collector has."""

    def has(self, path: Path) -> bool:
        """Whether the collector has all of a file. From any thread. Raises OSError."""
        return self._sent.get(f"{path.parent.name}/{path.name}", -1) == path.stat().st_size

    async def send_all(self) -> None:
        """Every whole frame that is there now. Raises CollectorAway, OSError."""
        sizes = await asyncio.to_thread(_sizes, self._folder)
        self._sent = {name: sent for name, sent in self._sent.items() if name in sizes}
        for name, size in sizes.items():
            while self._sent.get(name, -1) < size:
                if not await self._send_part(name):
                    break

    async def _send_part(self, name: str) -> bool:
        """Whether there was one."""
        if name not in self._sent:
            self._sent[name] = await self._collector.content_size(name)
        at = self._sent[name]
        part = await asyncio.to_thread(_part, self._folder / name, at)
        if not part:
            return False
        label = Sensitivity(name.partition("/")[0])
        try:
            self._sent[name] = await self._collector.send_content(name, at, part, self._retention(label))
        except CollectorRefused as refused:
            if refused.reason == "gap":
                del self._sent[name]
            raise
        return True


def _sizes(folder: Path) -> dict[str, int]:
    """LABEL/FILE -> bytes. Raises OSError."""
    found = (path for label in Sensitivity for path in (folder / label).glob(f"*{SUFFIX}"))
    return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in sorted(found)}


def _part(path: Path, at: int) -> bytes:
    """Whole frames from a byte on, of about PART_BYTES; none where no whole frame begins there."""
    with path.open("rb") as file:
        file.seek(at)
        view = memoryview(file.read(LARGEST_PART_BYTES))
    end = 0
    try:
        while end < min(len(view), PART_BYTES):
            end = frame_at(view, end).end
    except BadFrame:
        pass
    return bytes(view[:end])
