"""The audit of one process: a trail for each turn and action, a record for each refused one, and what /statusz says."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from regent_api.audit.content import Sealed
from regent_api.audit.record import LONGEST_TEXT, Record
from regent_api.audit.subjects import SubjectKey, SubjectKeys
from regent_api.config import AgentConfig
from regent_api.policy import AuditContent, AuditDurability, AuditFailure
from regent_api.types import Sensitivity
from regent_runtime.audit import entry
from regent_runtime.audit.alerts import Alerts
from regent_runtime.audit.collection import Collection, CollectorAt
from regent_runtime.audit.disk import Disk, Keeping
from regent_runtime.audit.journal import DISK_TOO_SLOW, AuditFailed, Journal
from regent_runtime.audit.keys import PodKeys
from regent_runtime.audit.refused import Refusals
from regent_runtime.audit.shipping import ShipmentFailed
from regent_runtime.audit.trail import Trail, Unwritten
from regent_runtime.decision import Stage, decided
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import AUDIT_UNAVAILABLE, Refused

ON_FAILURE = "audit.onFailure"
RETRY_SECONDS = 5
ERASURE_SECONDS = 5.0
"""Between two looks for subjects whose keys were destroyed."""
NO_COLLECTOR = "no_collector"
NO_KEY = "no_subject_key"
UNSIGNED = "unsigned"
_MAY_BE_LOST = "all records of this pod: they end with its volume, and nothing outside of it proves that they are whole"


class Audit:
    """`run` until cancelled. Before a first config there is no log, and no turn either.

    Where there is a collector, it gets the log and holds the subjects' keys; otherwise they stay beside the log.
    `alerted` is called with policy and name of each alert, `forget` with the digest of each subject whose key was
    destroyed, until it says that nothing of the subject is left.
    """

    def __init__(
        self,
        folder: Path,
        pod_uid: str,
        alerted: Callable[[str, str], None],
        forget: Callable[[str], Awaitable[bool]],
        image: str,
        collector: CollectorAt | None = None,
    ) -> None:
        self.alerts = Alerts(alerted)
        self._forget = forget
        self.disk = Disk(folder)
        self.journal = Journal(self.disk, self._committed)
        self._pod_uid = re.sub(r"[^-A-Za-z0-9]", "", pod_uid) or "local"
        self._pod_keys = PodKeys(folder)
        self._collection = Collection(collector, folder, self._pod_keys) if collector else None
        self._keys: SubjectKeys = self._collection.keys if self._collection else self._pod_keys
        self._image = image[:LONGEST_TEXT]
        self._writer = entry.Writer("", self._image)
        self._refusals = Refusals(self.journal, lambda: self._writer, self._keys)
        self._durability = AuditDurability.POD

    def configure(self, config: AgentConfig) -> None:
        """A config has come into force; the first one names the log."""
        self._writer = entry.Writer(f"{config.agent.namespace}/{config.agent.name}", self._image)
        policy = config.policy.audit
        self._durability = policy.durability
        content = {label: config.policy.data.classes.of(label).retention_seconds for label in Sensitivity}
        self.disk.keeping = Keeping(
            policy.retention_seconds,
            {label: seconds for label, seconds in content.items() if seconds is not None},
            drops_oldest=policy.on_failure is AuditFailure.CONTINUE,
        )
        collection = self._collection
        if collection is not None:
            collection.configure(config)
            self.disk.kept_elsewhere = lambda: collection.shipping.kept
            self.disk.content_elsewhere = collection.contents.has
        self.alerts.configure(config)
        self.journal.begin(f"{self._writer.agent}/{self._pod_uid}", self._writer)

    async def begin(self, config: AgentConfig, turn: TurnRecord, texts: Iterable[str]) -> Trail:
        """The trail of a turn that has passed all that can stop it. Raises Refused (503).

        `texts`: what the model will read of the caller.
        """
        trail = await self._trail(config, turn, config.policy.audit.content)
        trail.intend(texts)
        return trail

    @asynccontextmanager
    async def acting(self, config: AgentConfig, action: TurnRecord) -> AsyncIterator[None]:
        """An approver's verdict or a deletion takes effect while this is open. Raises Refused (503).

        Its intent is on disk before, its outcome before this ends well. However it ends, `ended` must be told.
        """
        trail = await self._trail(config, action, AuditContent.NONE)
        async with trail.action():
            yield

    async def _trail(self, config: AgentConfig, turn: TurnRecord, content: AuditContent) -> Trail:
        """Raises Refused (503)."""
        try:
            key = await self._keys.key(turn.subject)
        except (OSError, ValueError):
            _failed(config, turn, NO_KEY)
            key = SubjectKey(turn.subject, os.urandom(32))  # of this turn alone: it links to nothing
        write = partial(self._write, config, turn)
        trail = Trail(turn, self._writer, key, content, write, self.journal.note)
        turn.trail = trail
        return trail

    def ended(self, turn: TurnRecord) -> None:
        """Write down how a turn or an action ended, where that is not on disk yet."""
        trail, turn.trail = turn.trail, None  # each holds the other, and the trail the answer and keys of the subject
        if trail is not None:
            trail.close()
        else:
            self._refusals.add(turn)

    async def run(self) -> None:
        try:
            async with self._collection.running() if self._collection else nullcontext():
                await self._run_log()
        finally:
            self._pod_keys.close()

    async def _run_log(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            journal = tasks.create_task(self.journal.run())
            alerts = tasks.create_task(self.alerts.run())
            forgetting = tasks.create_task(self._forget_erased())
            try:
                await self._refusals.run()
            finally:
                journal.cancel()
                alerts.cancel()
                forgetting.cancel()

    async def _forget_erased(self) -> None:
        waiting: set[str] = set()
        while True:
            await asyncio.sleep(ERASURE_SECONDS)
            with suppress(OSError, ValueError):
                waiting |= set(await self._keys.erased())
            waiting -= {subject for subject in sorted(waiting) if await self._forget(subject)}

    def status(self) -> dict[str, Any]:
        """For /statusz."""
        return {
            "durability": self._durability,
            "state": UNSIGNED if self._durability is AuditDurability.POD else "",
            "mayBeLost": _MAY_BE_LOST if self._durability is AuditDurability.POD else "",
            "failing": self.journal.failing,
            "records": self.journal.size,
            "lost": self.journal.lost,
            "dropped": self.disk.dropped,
            "bytes": self.disk.kept,
            "mostBytes": self.disk.most_bytes,
            "alerts": self.alerts.status(),
            "alertMoves": self.alerts.moves.count,
            "collector": self._collection.status() if self._collection else None,
        }

    async def _write(
        self, config: AgentConfig, turn: TurnRecord, records: Sequence[Record], sealed: Sequence[Sealed]
    ) -> None:
        """Returns when the records are where the policy wants them. Raises Refused (503), Unwritten."""
        try:
            size = await self.journal.write(records, sealed)
            if config.policy.audit.durability is AuditDurability.COLLECTOR:
                await self._acknowledged(size)
        except ShipmentFailed as failed:
            _failed(config, turn, failed.reason)
        except AuditFailed as failed:
            _failed(config, turn, failed.reason, Refused if failed.reason == DISK_TOO_SLOW else Unwritten)

    async def _acknowledged(self, size: int) -> None:
        if self._collection is None:
            raise ShipmentFailed(NO_COLLECTOR)
        await self._collection.shipping.acknowledged(size)

    def _committed(self, size: int, payloads: Sequence[bytes]) -> None:
        self.alerts.look(payloads)
        if self._collection is not None:
            self._collection.shipping.offer(size, payloads)


def _failed(config: AgentConfig, turn: TurnRecord, reason: str, kind: type[Refused] = Refused) -> None:
    """What `audit.onFailure` says of a turn that cannot be written down. Raises Refused (503), of that kind."""
    if config.policy.audit.on_failure is AuditFailure.DENY:
        words = "This cannot be written down; try again later."
        raise kind(AUDIT_UNAVAILABLE, words, retry_after=RETRY_SECONDS, field=ON_FAILURE)
    turn.decisions.append(decided(config.sources, Stage.AUDIT, "Allow", ON_FAILURE, reason))
