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
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from regent_api.audit import content, segment
from regent_api.audit.log import Log
from regent_api.audit.note import Signer
from regent_api.types import Sensitivity
from regent_operator.collector import checkpoints
from regent_operator.collector.disk import replace_durably
from regent_operator.collector.intake import Intake
from regent_operator.collector.keys import AgentKeys
from regent_operator.collector.tokens import Origin

log = logging.getLogger(__name__)
PASS_SECONDS = 3600.0
LONGEST_SECONDS = 100 * 365 * 86_400
MOST_REMEMBERED = 10_000
FILE = "retention.json"
"""Beside the segments: {"seconds": N, "content": {LABEL: N}}."""


class Retention:
    """`ask` remembers what a pod asked for; `run` lets go, hour by hour, until it is cancelled."""

    def __init__(
        self,
        intake: Intake,
        keys: AgentKeys,
        signer: Signer,
        floor_seconds: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._intake = intake
        self._keys = keys
        self._signer = signer
        self._floor = floor_seconds
        self._now = now
        self._asked: dict[Origin, int] = {}
        """What is written down already."""

    async def ask(self, origin: Origin, seconds: int) -> None:
        """How long the log's policy wants records kept. Raises OSError."""
        if self._asked.get(origin) == seconds:
            return
        folder = self._intake.logs.folder_of(origin)
        wanted = Wanted(min(seconds, LONGEST_SECONDS))
        await self._intake.alone(origin, partial(_remember, folder, lambda known: known.longer(wanted)))
        if len(self._asked) >= MOST_REMEMBERED:
            self._asked.clear()
        self._asked[origin] = seconds

    async def ask_of_content(self, origin: Origin, label: Sensitivity, seconds: int | None) -> None:
        """How long the class of a label lets content be kept, None: as long as records. Raises OSError."""
        folder = self._intake.logs.folder_of(origin)
        await self._intake.alone(origin, partial(_remember, folder, lambda known: known.of_content(label, seconds)))

    async def run(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(PASS_SECONDS)

    async def sweep(self) -> None:
        """Look at every log once."""
        logs = self._intake.logs
        self._asked.clear()
        for origin in await asyncio.to_thread(logs.holders):
            try:
                await self._intake.alone(origin, partial(self._let_go, origin))
            except (OSError, ValueError) as error:
                log.warning("retention of %s: %s", origin, type(error).__name__)
        try:
            await asyncio.to_thread(self._keys.prune)
        except OSError as error:
            log.warning("notes of erasures: %s", type(error).__name__)
        await asyncio.to_thread(self._let_keys_go)
        await asyncio.to_thread(logs.weigh)

    def _let_go(self, origin: Origin) -> None:
        logs = self._intake.logs
        folder = logs.folder_of(origin)
        known = wanted(folder)
        seconds = max(self._floor, known.seconds)
        files = segment.segments(folder)
        old = [path.stat().st_mtime < self._now() - seconds for path in files]
        for label in Sensitivity:
            for path in content.expired(folder, label, self._day(min(seconds, known.content.get(label, seconds)))):
                path.unlink()
        if not all(old):
            stays = files[old.index(False)]
            if stays != files[0]:
                with logs.opened(origin) as opened:
                    self._cut(opened, segment.first_of(stays))
        elif not content.files(folder) and (files or not (folder / segment.CHECKPOINTS).exists()):
            # Content comes before the records that name it: beside a log that was silent for so long it may be new.
            logs.forget(origin)
            shutil.rmtree(folder)

    def _let_keys_go(self) -> None:
        """Those of subjects who left no record that is still kept: an agent's are kept as long as any of its logs."""
        longest: dict[tuple[str, str], float] = defaultdict(lambda: self._floor)
        for origin in self._intake.logs.holders():
            whose = origin.namespace, origin.agent
            longest[whose] = max(longest[whose], wanted(self._intake.logs.folder_of(origin)).seconds)
        for namespace, agent in self._keys.agents():
            try:
                gone = self._keys.lapse(namespace, agent, longest[namespace, agent])
            except (OSError, ValueError) as error:
                log.warning("subjects' keys of %s/%s: %s", namespace, agent, type(error).__name__)
                continue
            if gone:
                log.info("subjects' keys of %s/%s: %d have lapsed", namespace, agent, gone)

    def _day(self, seconds: float) -> str:
        """A day that is over for so long."""
        return datetime.fromtimestamp(max(0, self._now() - seconds), UTC).strftime("%Y-%m-%d")

    def _cut(self, opened: Log, first: int) -> None:
        """Signed before: a crash in between leaves records that may go, never a log that looks cut."""
        checkpoints.write(opened, self._signer, first)
        opened.let_go(first)


@dataclass(frozen=True)
class Wanted:
    """`seconds` of records; of content, by label, where its class bounds it."""

    seconds: float = 0
    content: Mapping[str, float] = field(default_factory=dict)

    def longer(self, other: "Wanted") -> "Wanted":
        return replace(self, seconds=max(self.seconds, other.seconds))

    def of_content(self, label: Sensitivity, seconds: float | None) -> "Wanted":
        others = {each: stated for each, stated in self.content.items() if each != label}
        return replace(self, content=others if seconds is None else {**others, label: seconds})


def wanted(folder: Path) -> Wanted:
    """What was asked of a log. A file that cannot be read keeps its log for as long as there is."""
    try:
        stated = json.loads((folder / FILE).read_bytes())
        return Wanted(int(stated["seconds"]), {str(label): int(each) for label, each in stated["content"].items()})
    except FileNotFoundError:
        return Wanted()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Wanted(LONGEST_SECONDS)


def _remember(folder: Path, change: Callable[[Wanted], Wanted]) -> None:
    known = wanted(folder)
    fresh = change(known)
    if fresh != known and folder.exists():
        replace_durably(folder / FILE, json.dumps({"seconds": fresh.seconds, "content": dict(fresh.content)}).encode())
