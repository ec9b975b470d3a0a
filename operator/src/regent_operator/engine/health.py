"""`/livez`, `/readyz` and `/metrics`.

Alive means progress: the lease is being looked at, no reconcile hangs, and keys that are due are taken. Neither an API
server that is away nor more work than there is time for is a reason to restart: a restart would not end either.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from aiohttp import web

STILL_SECONDS = 300.0
"""Keys are due while we lead, and for longer none was taken or finished: the workers do not move."""
LONGEST_RUN_SECONDS = 180.0
HEARTBEAT_SECONDS = 60.0


@dataclass(frozen=True)
class Progress:
    """Seconds, as of now."""

    heartbeat_age: float
    leads: bool
    still: float
    """`WorkQueue.still_seconds`."""
    longest_run: float

    def stuck(self) -> str | None:
        """Why the process should be restarted; None: it makes progress."""
        if self.heartbeat_age > HEARTBEAT_SECONDS:
            return f"the lease was last looked at {self.heartbeat_age:.0f} s ago"
        if self.longest_run > LONGEST_RUN_SECONDS:
            return f"a reconcile has been running for {self.longest_run:.0f} s"
        if self.leads and self.still > STILL_SECONDS:
            return f"keys are due, and none was taken for {self.still:.0f} s"
        return None


class HealthServer:
    """Use as an async context manager. Answers in plain text; anything else is 404."""

    def __init__(
        self,
        host: str | None,
        port: int,
        progress: Callable[[], Progress],
        missing: Callable[[], Iterable[str]],
        metrics: Callable[[], bytes],
    ) -> None:
        self._host = host
        self._port = port
        self._progress = progress
        self._missing = missing
        self._metrics = metrics
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._serve_metrics)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port that is bound, also where 0 was asked for."""
        return int(self._runner.addresses[0][1])

    async def _livez(self, _: web.Request) -> web.Response:
        stuck = self._progress().stuck()
        return web.Response(text=stuck or "ok", status=503 if stuck else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = "; ".join(self._missing())
        return web.Response(text=missing or "ok", status=503 if missing else 200)

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})
