"""The listening sockets: uvicorn with its signals, its log and its unbounded headers taken away."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from regent_runtime.refusals import HEADERS_TOO_LARGE, MALFORMED_HTTP, OVERLOADED, Refusal, Refused
from regent_runtime.serve.errors import error_body
from regent_runtime.serve.http import GONE, App

LARGEST_HEAD = 65_536
"""Bytes of request line and headers that are waited for; what one read brings complete may be a little more."""
MOST_HEADERS = 100
"""Trailers, which the parser reports as headers, among them."""
HEAD_SECONDS = 15.0
"""From an open connection, or the first byte of a request, to the end of its headers."""
KEEP_ALIVE_SECONDS = 65
"""Longer than the idle time of common clients' pools, so that they close first."""
MOST_CONNECTIONS = 4096
LAST_BYTES_SECONDS = 10
"""After the last turn, for callers to take what is still unsent."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on the head of a request, and refusals in OpenAI's shape."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._refusal = Refused(MALFORMED_HTTP, "This is not an HTTP/1.1 request.")
        self._head_bytes = 0
        self._gone: asyncio.Future[None] | None = None
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(OVERLOADED, "This pod has as many connections as it may; try again.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ended()
        super().connection_lost(exc)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
        many = self.headers is not None and len(self.headers) > MOST_HEADERS
        if (many or self._head_bytes > LARGEST_HEAD) and not self.transport.is_closing():
            words = f"A request may have {MOST_HEADERS} headers and trailers, and {LARGEST_HEAD} bytes before its body."
            self._refuse(HEADERS_TOO_LARGE, words)

    def on_message_begin(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_ended()
        self._gone = self._gone or self.loop.create_future()
        self.scope["state"][GONE] = self._gone
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Whatever the parser or a bound refused; `msg` is uvicorn's and says less."""
        body = error_body(self._refusal)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[self._refusal.refusal.status] + head + body)
        self.transport.close()

    def _head_ended(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._head_bytes = 0

    def _head_too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, refusal: Refusal, words: str) -> None:
        self._refusal = Refused(refusal, words)
        self.send_400_response("")


class Listener(uvicorn.Server):
    """Serves one app on one socket until `stop`; the process's signals are not its business."""

    def __init__(self, app: App, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=LAST_BYTES_SECONDS,
        )
        super().__init__(config)
        self._socket = socket.create_server((host, port), backlog=1024)
        self.port: int = self._socket.getsockname()[1]

    async def listen(self) -> None:
        """Serve until `stop`; connections that still wait for an answer get it first."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
