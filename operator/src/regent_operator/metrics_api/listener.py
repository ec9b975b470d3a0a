"""The port that the aggregator connects to: one socket, and for each connection the certificates in force.

Whoever reaches the port can connect, and a connection takes 0.3 MiB before it has shown a certificate. So only so many
may be on their way there: where there is one more, the oldest ends of the address that has the most. A pod has one
address, so it takes as many pods as there are places to end the aggregator's, however long that needs.
"""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from regent_operator.metrics_api.certificate import Certificate
from regent_operator.metrics_api.frontproxy import FrontProxy

log = logging.getLogger(__name__)
BACKLOG = 128
HANDSHAKES_AT_ONCE = 64
HANDSHAKE_SECONDS = 5.0
RETRY_SECONDS = 1.0
"""Where no connection can be taken: there is no descriptor left, say."""


class Listener:
    """New connections meet the certificates that were given last.

    `is_current` tells of a connection whether it was made under the authority in force. A certificate of our own that
    follows another ends no connection.
    """

    def __init__(self, host: str | None, port: int) -> None:
        self.port = port
        self._host = host
        self._runner: web.AppRunner
        self._accepting: asyncio.Task[None] | None = None
        self._context: ssl.SSLContext | None = None
        self._proxy: FrontProxy | None = None

    async def serve(self, application: web.Application) -> None:
        """Nothing listens before `use`."""
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=5.0)
        await self._runner.setup()

    async def use(self, certificate: Certificate, proxy: FrontProxy) -> None:
        """Raises OSError, ssl.SSLError."""
        if self._context is not None and proxy == self._proxy:
            certificate.load(self._context)
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        # What stands there is an authority, also where one that does not stand there has signed it (as Go verifies).
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=proxy.ca)
        certificate.load(context)
        if self._accepting is None:
            bound = _bound(self._host, self.port)
            self.port = int(bound.getsockname()[1])
            self._accepting = asyncio.create_task(self._accept(bound), name="metrics API")
        self._context, self._proxy = context, proxy

    def is_current(self, request: web.Request) -> bool:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        return tls is not None and tls.context is self._context

    async def stop(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        await self._runner.cleanup()

    async def _accept(self, bound: socket.socket) -> None:
        """Until cancelled."""
        on_their_way: dict[asyncio.Task[None], str] = {}
        with bound:
            async with asyncio.TaskGroup() as handshakes:
                while True:
                    try:
                        connection, peer = await asyncio.get_running_loop().sock_accept(bound)
                    except OSError as error:
                        log.warning("no connection can be taken: %s", error)
                        await asyncio.sleep(RETRY_SECONDS)
                        continue
                    begun = handshakes.create_task(self._shake_hands(connection))
                    on_their_way[begun] = peer[0]
                    begun.add_done_callback(lambda task: on_their_way.pop(task, None))
                    if len(on_their_way) > HANDSHAKES_AT_ONCE:
                        ended = _oldest_of_the_most(on_their_way)
                        del on_their_way[ended]
                        ended.cancel()
                    await asyncio.sleep(0)  # others may have their turn, however many wait here

    async def _shake_hands(self, connection: socket.socket) -> None:
        """Never raises: whoever connects is a stranger until then. Who fails is closed."""
        server = self._runner.server
        assert server is not None  # noqa: S101  # `serve` came first
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                server, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except Exception as error:  # noqa: BLE001 -- nobody must be able to end the server
            log.debug("a connection was not secured: %s", error)


def _oldest_of_the_most(addresses: Mapping[asyncio.Task[None], str]) -> asyncio.Task[None]:
    """Of the oldest of those addresses that have as many."""
    [(most, _)] = Counter(addresses.values()).most_common(1)
    return next(task for task, address in addresses.items() if address == most)


def _bound(host: str | None, port: int) -> socket.socket:
    """To an address, or to all of both families."""
    both = host is None and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in (host or "") else socket.AF_INET
    made = socket.create_server((host or "", port), family=family, dualstack_ipv6=both, backlog=BACKLOG)
    made.settimeout(0)
    return made
