"""Connections to pods: plain HTTP, to one address.

A pod is asked so seldom that its answer ends the connection; to make that was most of what a question cost. aiohttp's
own connector tries addresses in turn (RFC 8305), on sockets that it makes; uvloop then asks a thread what a numeric
address means. To connect to one address is what an event loop does best.
"""

import aiohttp
from aiohttp.client_proto import ResponseHandler


class PlainConnector(aiohttp.BaseConnector):
    allowed_protocol_schema_set = frozenset({"http"})

    async def _create_connection(self, req: aiohttp.ClientRequest, *_more: object) -> ResponseHandler:
        """What aiohttp leaves to each connector. The request's own deadline ends it; raises OSError."""
        _, protocol = await self._loop.create_connection(self._factory, req.host, req.port or 80)
        return protocol
