"""Starts and stops the metrics API.

Nothing listens until the aggregator's authority is known. Ready means: the pods are known, and the APIService is ours
and trusts the certificate that is served with. On SIGTERM the sockets close when the calls that run are answered.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from regent_operator.engine.access import find_access
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.metrics_api import certificate
from regent_operator.metrics_api.figures import Figures
from regent_operator.metrics_api.frontproxy import FrontProxies, FrontProxy
from regent_operator.metrics_api.keda import KedaApi
from regent_operator.metrics_api.listener import Listener
from regent_operator.metrics_api.pods import AgentPods, unlisted, watching
from regent_operator.metrics_api.registration import Registration
from regent_operator.metrics_api.reviews import Reviews
from regent_operator.metrics_api.server import MetricsServer, Telling
from regent_operator.metrics_api.settings import Settings

log = logging.getLogger(__name__)
REGISTER_SECONDS = 15.0
RETRY_SECONDS = 2.0
TRUST_SECONDS = 30.0
"""After which every API server has taken up a certificate that was put into the APIService."""


class Uncounted:
    """The client counts its requests for the operator's metrics; here nobody asks."""

    def request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Nothing."""


class MetricsApi:
    """All parts. Use `running`."""

    def __init__(
        self, settings: Settings, client: ApiClient, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.listener = Listener(settings.host, settings.port)
        self.registration = Registration(client, settings.namespace, settings.service)
        self.proxies = FrontProxies(client, self._proxy_changed)
        self.pods = AgentPods()
        self.figures = Figures(client)
        self._settings = settings
        self._now = now
        self._listening = asyncio.Lock()
        self._certificate = certificate.make(self.registration.host, settings.pod, now())
        self._reflectors = watching(client, settings.scope, self.pods)
        reviews = Reviews(client)
        self._server = MetricsServer(self.proxies, reviews, self.pods, self.figures, self.listener.is_current)
        self._telling = web.AppRunner(Telling(self.missing).application(), access_log=None, shutdown_timeout=1.0)

    @property
    def status_port(self) -> int:
        """The one that is bound, also where 0 was asked for."""
        return int(self._telling.addresses[0][1])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves while open. A part that ends with an error ends the whole."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self.listener.serve(self._server.application())
                await self._telling.setup()
                await web.TCPSite(self._telling, self._settings.host, self._settings.status_port).start()
                parts = [self.proxies.run(), self._register(), *(each.run() for each in self._reflectors)]
                owned = [tasks.create_task(part) for part in parts]
                try:
                    yield
                finally:
                    for task in owned:
                        task.cancel()
        finally:
            await self.listener.stop()
            await self._telling.cleanup()
            await self.figures.close()

    def missing(self) -> str:
        """Why nothing can be served; empty: all is well."""
        return self.proxies.missing or self.registration.problem or unlisted(self._reflectors)

    async def _proxy_changed(self, proxy: FrontProxy) -> None:
        await self._listen()
        log.info("serving on %d for %s", self.listener.port, ", ".join(proxy.names) or "any name of the authority")

    async def _listen(self) -> None:
        """With what is in force now, whichever of both has changed. Raises OSError, ssl.SSLError."""
        async with self._listening:
            if self.proxies.current is not None:
                await self.listener.use(self._certificate, self.proxies.current)

    async def _register(self) -> None:
        """Until cancelled: the APIService trusts what is served with, and certificates follow one another in time."""
        while True:
            try:
                if self._certificate.is_due(self._now()):
                    await self._renew()
                await self.registration.present([self._certificate.pem], self._now())
                wait = REGISTER_SECONDS if not self.registration.problem else RETRY_SECONDS
            except ApiError as error:
                log.warning("the APIService cannot be brought up to date: %s", error)
                wait = RETRY_SECONDS
            await asyncio.sleep(wait)

    async def _renew(self) -> None:
        """Trusted first, served with after. Raises ApiError."""
        fresh = certificate.make(self.registration.host, self._settings.pod, self._now())
        await self.registration.present([fresh.pem, self._certificate.pem], self._now())
        await asyncio.sleep(TRUST_SECONDS)
        self._certificate = fresh
        await self._listen()
        log.info("serving with a new certificate, until %s", fresh.expires)


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    client = ApiClient(find_access(settings.kubeconfig), Uncounted())
    api = KedaApi(settings, client) if settings.serve == "keda" else MetricsApi(settings, client)
    async with client, api.running():
        await stopping.wait()
