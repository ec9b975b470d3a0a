"""HTTP for KEDA: `GET /keda/namespaces/NAMESPACE/agents/NAME` says how many conversations the agent's pods have.

It tells what the pods' own status port tells, to whom a NetworkPolicy lets through: KEDA's `metrics-api` trigger has no
certificate that could be verified without a Secret in each agent's namespace. An agent whose sum is not known is 503,
never 0: KEDA passes the error on, and its autoscaler leaves the number of pods as it is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from regent_operator.engine.client import ApiClient
from regent_operator.metrics_api.figures import Figures, SilentError
from regent_operator.metrics_api.pods import AgentPods, unlisted, watching
from regent_operator.metrics_api.server import Telling
from regent_operator.metrics_api.settings import Settings
from regent_operator.plan.scaledobject import FIGURE, PATH

SHUTDOWN_SECONDS = 5.0


class KedaApi:
    """All parts. Use `running`."""

    def __init__(self, settings: Settings, client: ApiClient) -> None:
        self.pods = AgentPods()
        self.figures = Figures(client)
        self._settings = settings
        self._reflectors = watching(client, settings.scope, self.pods)
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        self._telling = web.AppRunner(Telling(self.missing).application(), access_log=None, shutdown_timeout=1.0)

    @property
    def port(self) -> int:
        """The one that is bound, also where 0 was asked for."""
        return int(self._runner.addresses[0][1])

    def missing(self) -> str:
        """Why nothing can be served; empty: all is well."""
        return unlisted(self._reflectors)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves while open. A part that ends with an error ends the whole."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for runner, port in (
                    (self._runner, self._settings.port),
                    (self._telling, self._settings.status_port),
                ):
                    await runner.setup()
                    await web.TCPSite(runner, self._settings.host, port).start()
                owned = [tasks.create_task(each.run()) for each in self._reflectors]
                try:
                    yield
                finally:
                    for task in owned:
                        task.cancel()
        finally:
            await self._runner.cleanup()
            await self._telling.cleanup()
            await self.figures.close()

    def _application(self) -> web.Application:
        made = web.Application(client_max_size=1024)
        made.router.add_get(PATH, self._answer)
        return made

    async def _answer(self, request: web.Request) -> web.Response:
        pods = self.pods.of(request.match_info["namespace"], request.match_info["name"])
        try:
            total, _ = await self.figures.total(pods)
        except SilentError as error:
            return web.json_response({"error": str(error)}, status=503)
        return web.json_response({FIGURE: total})
