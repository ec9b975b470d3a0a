"""Sends the encrypted content beside the pod's log to the collector, before the records that name it.

A file only grows, so what is left of it is what lies behind the bytes that the collector has. A file that the collector
refuses (one of before knows fewer names) waits alone: the others, and the records, go on, and it is tried again later.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from regent_api.audit.content import FOLDER, SUFFIX
from regent_api.audit.frame import BadFrame, frame_at
from regent_api.types import Sensitivity
from regent_runtime.audit.collector import Collector, CollectorRefused
from regent_runtime.telemetry import log

PART_BYTES = 512 * 1024
LARGEST_PART_BYTES = 1024 * 1024
"""Of one body: it holds PART_BYTES and the frame that ends behind them, and aiohttp takes it as it is."""
AGAIN_SECONDS = 60.0
_OF_ONE_FILE = frozenset({"malformed", "damaged"})
"""The collector's words for a file that it does not take; after all others the same call may pass later."""


@dataclass(frozen=True)
class _Refused:
    reason: str
    until: float
    """When it is tried again."""


class ContentShipping:
    """`retention`: seconds for which a label's class lets content be kept; None: as long as records."""

    def __init__(
        self,
        folder: Path,
        collector: Collector,
        retention: Callable[[Sensitivity], float | None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder / FOLDER
        self._collector = collector
        self._retention = retention
        self._sent: dict[str, int] = {}
        """Of files that are there: bytes that the collector has."""
        self._now = now
        self._refused: dict[str, _Refused] = {}
        """Of files that are there."""

    @property
    def refused(self) -> int:
        """How many files the collector does not take."""
        return len(self._refused)

    @property
    def failing(self) -> str:
        """The collector's word for the first of them; empty: there is none."""
        return next((refused.reason for refused in self._refused.values()), "")

    def has(self, path: Path) -> bool:
        """Whether the collector has all of a file. From any thread. Raises OSError."""
        return self._sent.get(f"{path.parent.name}/{path.name}", -1) == path.stat().st_size

    def try_all_again(self) -> None:
        """With the next `send_all`, whatever was refused."""
        self._refused = {name: replace(refused, until=self._now()) for name, refused in self._refused.items()}

    async def send_all(self) -> None:
        """Every whole frame that is there now, but for files that are refused. Raises CollectorAway, OSError."""
        sizes = await asyncio.to_thread(_sizes, self._folder)
        self._sent = {name: sent for name, sent in self._sent.items() if name in sizes}
        self._refused = {name: refused for name, refused in self._refused.items() if name in sizes}
        for name, size in sizes.items():
            refused = self._refused.get(name)
            if refused is None or refused.until <= self._now():
                await self._send(name, size)

    async def _send(self, name: str, size: int) -> None:
        try:
            while self._sent.get(name, -1) < size:
                if not await self._send_part(name):
                    break
        except CollectorRefused as refused:
            if refused.reason not in _OF_ONE_FILE:
                raise
            if name not in self._refused:
                log.write("audit_content_refused", file=name, reason=refused.reason)
            self._refused[name] = _Refused(refused.reason, self._now() + AGAIN_SECONDS)
        else:
            self._refused.pop(name, None)

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
