"""A reverse proxy before the API server that holds back, cuts or refuses what a test says."""

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from regent_operator.engine.access import from_kubeconfig

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "content-encoding"}


TOO_OLD = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": 410,
        "reason": "Expired",
        "message": "too old resource version: 1 (2)",
    },
}


class SlowProxy:
    """Requests whose path ends with `hold` (and whose user agent begins with `agent`) wait until `let_go`.

    It passes the caller's own token on; the kubeconfig gives the server and its certificate alone.
    """

    def __init__(self, kubeconfig: Path, hold: str | None = None, agent: str = "") -> None:
        self.held = False
        self.refuse = False
        self.busy_every = 0
        """Every so manieth request but watches is answered with 429 and a second to wait; 0: none."""
        self.expired = ""
        """A bearer token that is answered with 401."""
        self.too_old = False
        """Watches end at once, with the error that the version they begin at is gone (410)."""
        self.told_too_old = 0
        self.writes: list[str] = []
        """Method and path of each request that would change something, as it came in."""
        self.refused = 0
        self._asked = 0
        self.url = ""
        self._access = from_kubeconfig(kubeconfig)
        self._hold = hold
        self._agent = agent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._gate: asyncio.Event
        self._open: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self._gate.set)

    def cut(self) -> None:
        """End every connection now."""

        def end() -> None:
            for task in self._open:
                task.cancel()

        self._loop.call_soon_threadsafe(end)

    async def _start(self) -> None:
        self._gate = asyncio.Event()
        context = ssl.create_default_context(cadata=self._access.ca)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0), auto_decompress=False
        )
        application = web.Application(client_max_size=16_000_000)
        application.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        self._gate.set()
        for task in list(self._open):
            task.cancel()
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0.25)  # TLS connections say goodbye

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            return await self._answer(request)
        except (aiohttp.ClientError, ConnectionError):
            raise web.HTTPBadGateway from None
        finally:
            self._open.discard(task)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.refuse:
            raise web.HTTPServiceUnavailable
        if self.expired and request.headers.get("Authorization") == f"Bearer {self.expired}":
            raise web.HTTPUnauthorized
        if self.too_old and "watch" in request.query:
            self.told_too_old += 1
            return web.json_response(TOO_OLD)
        if request.method not in {"GET", "HEAD"}:
            self.writes.append(f"{request.method} {request.path}")
        self._asked += "watch" not in request.query
        if self.busy_every and self._asked % self.busy_every == 0 and "watch" not in request.query:
            self.refused += 1
            raise web.HTTPTooManyRequests(headers={"Retry-After": "1"})
        about = request.headers.get("User-Agent", "")
        if self._hold and request.path.endswith(self._hold) and about.lower().startswith(self._agent):
            self.held = True
            await self._gate.wait()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        body = await request.read()
        url = self._access.server + str(request.rel_url)
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, timeout=timeout
        ) as upstream:
            kept = {name: value for name, value in upstream.headers.items() if name.lower() not in HOP_BY_HOP}
            if "Content-Encoding" in upstream.headers:
                kept["Content-Encoding"] = upstream.headers["Content-Encoding"]
            answer = web.StreamResponse(status=upstream.status, headers=kept)
            await answer.prepare(request)
            async for chunk in upstream.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
            return answer
