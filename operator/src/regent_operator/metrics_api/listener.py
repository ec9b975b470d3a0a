"""The port that the aggregator connects to: opened anew, beside the old one, when its authority changes."""

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
        self._site: web.TCPSite | None = None
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
        site = web.TCPSite(self._runner, self._host, self.port, ssl_context=context, reuse_port=True)
        await site.start()
        if self._site is None:
            self.port = int(self._runner.addresses[0][1])
        old, self._site, self._context, self._proxy = self._site, site, context, proxy
        if old is not None:
            await old.stop()

    def is_current(self, request: web.Request) -> bool:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        return tls is not None and tls.context is self._context

    async def stop(self) -> None:
        await self._runner.cleanup()
