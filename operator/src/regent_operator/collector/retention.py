"""How long records are kept, and letting go of those that were kept long enough.

The time counts from when the collector took the newest record of a segment, by its own clock; a segment goes as a
whole, so records are kept a little longer and never shorter. How long: the longest that the log's pod ever asked for,
and never less than the installation's floor, since a pod is not trusted to let its own traces go sooner.
"""

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from regent_api.audit import segment
from regent_api.audit.log import Log
from regent_api.audit.note import Signer
from regent_operator.collector import checkpoints
from regent_operator.collector.disk import replace_durably
from regent_operator.collector.intake import Intake
from regent_operator.collector.tokens import Origin

log = logging.getLogger(__name__)
PASS_SECONDS = 3600.0
LONGEST_SECONDS = 100 * 365 * 86_400
FILE = "retention.json"
"""Beside the segments: {"seconds": N}."""


class Retention:
    """`ask` remembers what a pod asked for; `run` lets go, hour by hour, until it is cancelled."""

    def __init__(
        self, intake: Intake, signer: Signer, floor_seconds: int, now: Callable[[], float] = time.time
    ) -> None:
        self._intake = intake
        self._signer = signer
        self._floor = floor_seconds
        self._now = now

    async def ask(self, origin: Origin, seconds: int) -> None:
        """Raises OSError."""
        folder = self._intake.logs.folder_of(origin)
        wanted = min(seconds, LONGEST_SECONDS)
        await self._intake.alone(origin, lambda: _remember(folder, wanted))

    async def run(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(PASS_SECONDS)

    async def sweep(self) -> None:
        """Look at every log once."""
        logs = self._intake.logs
        for origin in await asyncio.to_thread(logs.origins):
            try:
                await self._intake.alone(origin, partial(self._let_go, origin))
            except (OSError, ValueError, checkpoints.LogDamaged) as error:
                log.warning("retention of %s: %s", origin, type(error).__name__)
        await asyncio.to_thread(logs.weigh)

    def _let_go(self, origin: Origin) -> None:
        logs = self._intake.logs
        folder = logs.folder_of(origin)
        over = self._now() - max(self._floor, asked(folder))
        files = segment.segments(folder)
        old = [path.stat().st_mtime < over for path in files]
        if all(old):
            logs.forget(origin)
            shutil.rmtree(folder)
            return
        stays = files[old.index(False)]
        if stays != files[0]:
            with logs.opened(origin) as opened:
                self._cut(opened, segment.first_of(stays))

    def _cut(self, opened: Log, first: int) -> None:
        """Signed before: a crash in between leaves records that may go, never a log that looks cut."""
        checkpoints.write(opened, self._signer, first)
        opened.let_go(first)


def asked(folder: Path) -> int:
    """Seconds; 0 where no pod has asked. A file that cannot be read keeps its log for as long as there is."""
    try:
        return int(json.loads((folder / FILE).read_bytes())["seconds"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, KeyError):
        return LONGEST_SECONDS


def _remember(folder: Path, seconds: int) -> None:
    if seconds > asked(folder) and folder.exists():
        replace_durably(folder / FILE, json.dumps({"seconds": seconds}).encode())
