"""Starts and stops the collector.

On SIGTERM: the sockets close, calls that run are answered, what was taken is signed, the files close.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from regent_api.audit.note import Signer
from regent_operator.collector.checkpoints import Checkpoints, load_signer
from regent_operator.collector.findings import DAMAGED, Findings
from regent_operator.collector.intake import Intake
from regent_operator.collector.keys import AgentKeys
from regent_operator.collector.logs import Logs
from regent_operator.collector.metrics import Metrics
from regent_operator.collector.retention import Retention
from regent_operator.collector.server import Collecting, Telling
from regent_operator.collector.settings import Settings
from regent_operator.collector.sinks import Feed, JsonLines, Sink, Webhook
from regent_operator.collector.trust import Trust, of_cluster
from regent_operator.engine.access import find_access
from regent_operator.engine.client import ApiClient

log = logging.getLogger(__name__)
SHUTDOWN_SECONDS = 10.0
LOGS = "logs"
CURSORS = "sinks"


class Uncounted:
    """The client counts its requests for the operator's metrics; here there are two in five minutes."""

    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Nothing."""


class Collector:
    """All parts over one folder. Use `running`."""

    def __init__(self, settings: Settings, trust: Trust, signer: Signer) -> None:
        self.metrics = Metrics()
        self.trust = trust
        self.logs = Logs(settings.data / LOGS, settings.most_bytes)
        self.keys = AgentKeys(settings.data / LOGS)
        self.intake = Intake(self.logs)
        self.checkpoints = Checkpoints(self.intake, signer, self.metrics.signed)
        self.retention = Retention(self.intake, self.keys, signer, settings.min_retention)
        sinks: list[Sink] = [JsonLines()] if settings.json_lines else []
        sinks += [Webhook(settings.webhook)] if settings.webhook else []
        self.feeds = [Feed(sink, self.logs, settings.data / CURSORS, self.metrics.sink_failed) for sink in sinks]
        self.intake.told += [self.checkpoints.taken, *(feed.taken for feed in self.feeds)]
        self._settings = settings
        findings = Findings()
        self.intake.damaged = lambda origin: findings.found(origin, DAMAGED)
        collecting = Collecting(trust, self.intake, self.keys, self.retention, self.metrics, findings)
        telling = Telling(self._missing, self.metrics, str(signer.verifier), findings)
        self._runners = [
            (
                web.AppRunner(collecting.application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS),
                settings.port,
            ),
            (web.AppRunner(telling.application(), access_log=None, shutdown_timeout=1.0), settings.status_port),
        ]
        self.metrics.gauge("regent_collector_bytes", "Bytes of the logs on the volume", lambda: self.logs.bytes)
        self.metrics.gauge(
            "regent_collector_unsigned_records", "Records that wait for a checkpoint", lambda: self.checkpoints.waiting
        )

    @property
    def ports(self) -> tuple[int, int]:
        """Those that are bound, also where 0 was asked for."""
        port, status_port = (int(runner.addresses[0][1]) for runner, _ in self._runners)
        return port, status_port

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves while open. A part that ends with an error ends the whole."""
        await self.checkpoints.find_unsigned()
        try:
            async with asyncio.TaskGroup() as tasks:
                parts = [self.trust.run(), self.checkpoints.run(), self.retention.run()]
                owned = [tasks.create_task(part) for part in [*parts, *(feed.run() for feed in self.feeds)]]
                try:
                    for runner, port in self._runners:
                        await runner.setup()
                        await web.TCPSite(runner, self._settings.host, port).start()
                    yield
                finally:
                    for runner, _ in self._runners:
                        await runner.cleanup()
                    for task in owned:
                        task.cancel()
            await self.checkpoints.sign_all()
        finally:
            self.keys.close()
            self.logs.close()

    def _missing(self) -> str | None:
        return None if self.trust.known else "the cluster's keys have not been read yet"


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises OSError, ValueError where key or volume cannot be used."""
    signer = load_signer(settings.signing_key, settings.name)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with ApiClient(find_access(settings.kubeconfig), Uncounted(), lambda: False) as client:
        collector = Collector(settings, Trust(of_cluster(client)), signer)
        async with collector.running():
            log.info("collecting on %d, status on %d, signing as %s", *collector.ports, signer.verifier)
            await stopping.wait()
