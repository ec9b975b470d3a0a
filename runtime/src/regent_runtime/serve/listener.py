"""The listening sockets: uvicorn with its signals, its log and its unbounded headers taken away."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from regent_runtime.dialect.chat_completions.error import error_body
from regent_runtime.refusals import HEADERS_TOO_LARGE, MALFORMED_HTTP, OVERLOADED, Refusal, Refused
from regent_runtime.serve.http import GONE, App

LARGEST_HEAD = 65_536
"""Bytes of the request line, of headers and of trailers, whatever way they arrive."""
MOST_HEADERS = 100
"""Trailers among them."""
HEAD_SECONDS = 15.0
"""From an open connection, or the first byte of a request, to the end of its headers."""
KEEP_ALIVE_SECONDS = 65
"""Longer than the idle time of common clients' pools, so that they close first."""
MOST_CONNECTIONS = 4096
LAST_BYTES_SECONDS = 10
"""After the last turn, for callers to take what is still unsent."""
BACKLOG = 1024
TICKS_BETWEEN_LOOKS = 10
STUCK_SECONDS = 30.0
LEAST_TAKEN = 16_384
"""Bytes that a caller takes in STUCK_SECONDS of an answer that waits for it; one that takes fewer is cut off."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on the head of a request and on callers that do not read, no trailers and no
    upgrades (both are read and ignored), and refusals in OpenAI's shape.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._refusal = Refused(MALFORMED_HTTP, "This is not an HTTP/1.1 request.")
        self._head_bytes = self._headers_seen = self._unread_bytes = 0
        self._in_head = True
        self._stuck: tuple[float, int] | None = None
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
        self._unset_keepalive_if_required()
        self._unread_bytes += len(data)
        try:
            self._feed(data)
            self._check_head(self._unread_bytes)
        except (httptools.HttpParserError, _HeadTooLarge):
            self.send_400_response("")

    def _feed(self, data: bytes | memoryview) -> None:
        """Parse. `Upgrade` is ignored (RFC 9110, 7.8); the parser would take the body for the next request."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = memoryview(data)[upgrade.args[0] :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%b: %b\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        return b"".join([line, *kept, b"\r\n"])

    def on_message_begin(self) -> None:
        self._head_bytes = self._headers_seen = 0
        self._in_head = True
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser reports trailers as headers: they count, and nobody reads them."""
        self._headers_seen += 1
        self._unread_bytes = 0
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > LARGEST_HEAD or self._headers_seen > MOST_HEADERS:
            self._check_head(self._head_bytes)
        if self._in_head:
            HttpToolsProtocol.on_header(self, name, value)

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("no proxy")
            return
        self._in_head = False
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

    def _count_head(self, size: int) -> None:
        self._unread_bytes = 0
        self._head_bytes += size
        self._check_head(self._head_bytes)

    def _check_head(self, size: int) -> None:
        if size > LARGEST_HEAD or self._headers_seen > MOST_HEADERS:
            words = f"A request may have {MOST_HEADERS} headers and trailers, and {LARGEST_HEAD} bytes of them."
            self._refusal = Refused(HEADERS_TOO_LARGE, words)
            raise _HeadTooLarge  # out of a callback, the parser makes it an error of its own

    def resume_writing(self) -> None:
        self._stuck = None
        super().resume_writing()

    def rest(self) -> None:
        """Close with the answer to the request that runs; at once, where the next one has not begun."""
        if self.cycle is None or self._in_head:
            return
        if not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self.transport.close()

    def abort_if_stuck(self) -> None:
        """Cut the connection when its caller does not take what waits for it; a close alone would wait for ever."""
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        if not (self.flow.write_paused or self.transport.is_closing()):
            self._stuck = None
        elif self._stuck is None or unsent <= self._stuck[1] - LEAST_TAKEN:
            self._stuck = now, unsent
        elif now - self._stuck[0] > STUCK_SECONDS:
            self.transport.abort()

    def _head_ended(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, refusal: Refusal, words: str) -> None:
        self._refusal = Refused(refusal, words)
        self.send_400_response("")


class _HeadTooLarge(Exception):  # noqa: N818
    """The head of a request passes a bound."""


class Listener(uvicorn.Server):
    """Serves one app on one port until `stop`; the process's signals are not its business."""

    def __init__(self, app: App, host: str | None, port: int) -> None:
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
        self._sockets = _bound(host, port)
        self.port: int = self._sockets[0].getsockname()[1]

    async def listen(self) -> None:
        """Serve until `stop`; connections that still wait for an answer get it first."""
        await self.serve(sockets=self._sockets)

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's, ten times a second."""
        if counter % TICKS_BETWEEN_LOOKS == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.abort_if_stuck()
        return await super().on_tick(counter)

    def rest(self) -> None:
        """Callers' next requests come over new connections, which another pod may get."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.rest()

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bound(host: str | None, port: int) -> list[socket.socket]:
    """Listening; None: on every address, IPv6's too where there is IPv6. Raises OSError."""
    first = socket.create_server((host or "0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - a pod's only way in
    if host is not None or not socket.has_dualstack_ipv6():
        return [first]
    return [first, socket.create_server(("::", first.getsockname()[1]), family=socket.AF_INET6, backlog=BACKLOG)]
