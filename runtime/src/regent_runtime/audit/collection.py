"""A process's way to the collector: its log and content go there, and the subjects' keys come from there.

Cluster ranges, retention and durability are those of the config in force, so an edit needs no new connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regent_api.config import AgentConfig
from regent_api.policy import AuditDurability
from regent_api.types import Sensitivity
from regent_runtime.audit.collector import Collector
from regent_runtime.audit.collectorkeys import CollectorKeys
from regent_runtime.audit.contentshipping import ContentShipping
from regent_runtime.audit.keys import PodKeys
from regent_runtime.audit.shipping import Shipping
from regent_runtime.telemetry import log


@dataclass(frozen=True)
class CollectorAt:
    """Where the collector is, and the file of the token that it takes."""

    url: str
    token: Path


class Collection:
    """Of one log. `own`: keys that serve while the collector is away and the policy's durability is Pod."""

    def __init__(self, at: CollectorAt, folder: Path, own: PodKeys) -> None:
        self._config: AgentConfig | None = None
        self._client = Collector(at.url, at.token, self._cidrs)
        self.contents = ContentShipping(folder, self._client, self._content_retention)
        self.shipping = Shipping(folder, self._client, self._retention, self.contents)
        self.keys = CollectorKeys(self._client, own, self._lenient)

    def configure(self, config: AgentConfig) -> None:
        """A config has come into force."""
        self._config = config

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ships while open, and at the end what is left: within a bound, so leave it when the log is closed."""
        async with self._client:
            try:
                async with asyncio.TaskGroup() as tasks:
                    sending = tasks.create_task(self.shipping.run())
                    try:
                        yield
                    finally:
                        sending.cancel()
            finally:
                if not await self.shipping.drain():
                    log.write("audit_unshipped", reason=self.shipping.failing, collected=self.shipping.kept)

    def status(self) -> dict[str, Any]:
        """For /statusz."""
        shipping, contents = self.shipping, self.contents
        return {"records": shipping.kept, "failing": shipping.failing, "contentRefused": contents.refused}

    def _cidrs(self) -> list[str]:
        return self._config.cluster_cidrs if self._config else []

    def _retention(self) -> float:
        return self._config.policy.audit.retention_seconds if self._config else 0.0

    def _content_retention(self, label: Sensitivity) -> float | None:
        return self._config.policy.data.classes.of(label).retention_seconds if self._config else None

    def _lenient(self) -> bool:
        return self._config is not None and self._config.policy.audit.durability is AuditDurability.POD
