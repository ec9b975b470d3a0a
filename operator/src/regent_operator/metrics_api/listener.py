"""The port that the aggregator connects to: one socket, served by another server when its authority changes."""

import asyncio
import socket
import ssl

from aiohttp import web

from regent_operator.metrics_api.certificate import Certificate
from regent_operator.metrics_api.frontproxy import FrontProxy


class Listener:
    """New connections meet the certificates that were given last.

    `is_current` tells of a connection whether it was made under the authority in force. A certificate of our own that
    follows another ends no connection.
    """

    def __init__(self, host: str | None, port: int) -> None:
        self.port = port
        self._host = host
        self._runner: web.AppRunner
        self._socket: socket.socket | None = None
        self._serving: tuple[web.SockSite, socket.socket] | None = None
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
        if self._socket is None:
            self._socket = _bound(self._host, self.port)
            self.port = int(self._socket.getsockname()[1])
        accepting = self._socket.dup()
        site = web.SockSite(self._runner, accepting, ssl_context=context)
        await site.start()
        old, self._serving, self._context, self._proxy = self._serving, (site, accepting), context, proxy
        if old is not None:
            await _replace(*old)

    def is_current(self, request: web.Request) -> bool:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        return tls is not None and tls.context is self._context

    async def stop(self) -> None:
        await self._runner.cleanup()
        if self._socket is not None:
            self._socket.close()


def _bound(host: str | None, port: int) -> socket.socket:
    """To an address, or to all of both families."""
    if host is None and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in (host or "") else socket.AF_INET
    return socket.create_server((host or "", port), family=family)


async def _replace(site: web.SockSite, accepting: socket.socket) -> None:
    """Stop a site whose socket another serves too. Who waits there is that one's.

    Who was accepted in this very moment is served first: asyncio leaves a connection unanswered, and open, whose
    server closes before its transport stands.
    """
    asyncio.get_running_loop().remove_reader(accepting)
    await asyncio.sleep(0)
    await site.stop()
