"""The one outbound client: nothing else in the process opens a connection to the outside.

Each provider has a `Channel` of its own: a connection pool that can reach one host, whose addresses are judged when a
connection is made, so a pooled connection never outlives its proof. No redirects, no proxies, no cookies, no
compression, no caller's header. `Local` is proved here: the host by policy, and every resolved address must lie in the
cluster's ranges, which is also what refuses an ExternalName Service.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from regent_api.config import AgentConfig, CredentialFile, ProviderConfig
from regent_api.route import ProviderType
from regent_runtime.addresses import AddressRule, DestinationRefused, InsideCluster, OutsideHosts, is_number
from regent_runtime.credentials import Credentials
from regent_runtime.key_header import key_header
from regent_runtime.wire.format import Outbound

RESOLVE_SECONDS = 5.0
ADDRESSES_KEPT_SECONDS = 10
IDLE_CONNECTION_SECONDS = 4.0
"""Shorter than common servers' own keep-alive (5 s), so that they rarely close a connection under a request."""
MOST_CONNECTIONS = 1024
"""To one provider."""
_REUSED: ContextVar[bool] = ContextVar("reused")
"""Whether the connection of the request that this task sends bore one before."""
_USER_AGENT = "regent-runtime"


@dataclass(frozen=True)
class Reply:
    """An open answer of a provider: its head, and the body as it arrives, not decompressed."""

    status: int
    content_type: str
    encoding: str
    headers: Mapping[str, str]
    """Case-insensitive; of two of a name, the first."""
    _response: aiohttp.ClientResponse

    def part(self) -> Coroutine[Any, Any, bytes]:
        """What has come of the body, at once or as soon as something has; empty at its end."""
        return self._response.content.readany()

    async def whole(self, most_bytes: int) -> bytes:
        """Raises ReplyTooLarge beyond the bound."""
        parts, size = list[bytes](), 0
        while part := await self.part():
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                raise ReplyTooLarge
        return b"".join(parts)

    async def close(self) -> None:
        """The connection goes back to its pool, or closes where the body was not read to its end."""
        self._response.release()
        await self._response.wait_for_close()


class ReplyTooLarge(Exception):  # noqa: N818
    """The provider sends more than an answer of the granted length can have."""


class KeptConnectionClosed(Exception):  # noqa: N818
    """A connection of the pool was closed before a byte of a reply: its server had let it go already."""


class Channel:
    """The way to one provider. Close it when the last turn that may use it has ended."""

    def __init__(
        self,
        provider: ProviderConfig,
        rule: AddressRule,
        *,
        refused: str | None,
        credentials: Credentials,
        connect_seconds: float,
    ) -> None:
        self.provider = provider
        self._rule = rule
        self._refused = refused
        self._credentials = credentials
        self._url = provider.base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_seconds, sock_connect=connect_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, outbound: Outbound, accept: str, key: CredentialFile | None = None) -> Reply:
        """Send one request, with that key of the provider's. Close the reply.

        Raises DestinationRefused, CredentialUnusable, KeptConnectionClosed, aiohttp.ClientError, TimeoutError.
        """
        if self._refused:
            raise DestinationRefused(self._refused)
        headers = {"Content-Type": "application/json", "Accept": accept, "Accept-Encoding": "identity"}
        headers |= outbound.headers
        if key is not None:
            headers |= key_header(self.provider.type, self._credentials.value(key, self.provider.host))
        response = await self._sent(self._url + outbound.path, outbound.body, headers)
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        return Reply(response.status, response.content_type, encoding, response.headers, response)

    async def _sent(self, url: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        _REUSED.set(False)
        sending = self._opened().post(url, data=body, headers=headers, allow_redirects=False, timeout=self._timeout)
        try:
            return await sending
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if _REUSED.get() and not _begun(error):
                raise KeptConnectionClosed from None
            raise

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = session(self._rule)
        return self._session


def session(rule: AddressRule) -> aiohttp.ClientSession:
    """Connections to addresses that the rule admits."""
    connector = _Connector(
        resolver=PinnedResolver(rule),
        ttl_dns_cache=ADDRESSES_KEPT_SECONDS,
        keepalive_timeout=IDLE_CONNECTION_SECONDS,
        limit=MOST_CONNECTIONS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": _USER_AGENT},
        auto_decompress=False,
        trust_env=False,
        requote_redirect_url=False,
    )


class _HeadCut(aiohttp.ClientOSError):
    """The connection was reset after a part of a reply had come."""


class _Heard(ResponseHandler):
    """Tells a reset before the first byte of a reply, which a retry may follow, from one after it."""

    _heard = False
    served = False
    """Whether it bore a request before."""

    def set_response_params(self, **params: Any) -> None:
        """Called before each request."""
        self._heard, self.served = False, True
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        reset = self._heard and isinstance(exc, aiohttp.ClientOSError)
        super().set_exception(_HeadCut(*exc.args) if reset else exc, *cause)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory = cast("partial[ResponseHandler]", partial(_Heard, loop=self._loop))

    async def connect(self, *asked: Any, **more: Any) -> Connection:
        """Tells the task that sends a request whether its connection is one of the pool."""
        connection = await super().connect(*asked, **more)
        _REUSED.set(cast("_Heard", connection.protocol).served)
        return connection


def _begun(error: aiohttp.ClientError) -> bool:
    """Whether a part of a reply's head had come."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return not isinstance(error.message, str)
    return isinstance(error, _HeadCut)


class PinnedResolver(AbstractResolver):
    """Resolves once, judges every address, and hands exactly the judged addresses to the connection."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises DestinationRefused when one address is not admitted, OSError when there is none."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results = [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]
        for result in results:
            self._rule.check(result["host"])
        if not results:
            raise OSError(None, "the name has no address")
        return results

    async def close(self) -> None:
        """Nothing is held."""


def channels(config: AgentConfig, credentials: Credentials) -> Mapping[str, Channel]:
    """A channel for each provider of the config. Certificates are checked against the system's.

    Raises ValueError for a range that is not a CIDR.
    """
    inside = InsideCluster(config.cluster_cidrs)
    outside = OutsideHosts(config.policy.egress, config.cluster_cidrs)
    return {
        provider.name: Channel(
            provider,
            rule := inside if must_lie_inside(config, provider) else outside,
            refused=refusal_of_host(config, provider, rule),
            credentials=credentials,
            connect_seconds=config.route.timeouts.connect,
        )
        for provider in config.route.providers
    }


def must_lie_inside(config: AgentConfig, provider: ProviderConfig) -> bool:
    """Local providers and Services must lie in the cluster; all other hosts must lie outside of it."""
    return provider.type is ProviderType.LOCAL or config.is_service(provider.host)


def refusal_of_host(config: AgentConfig, provider: ProviderConfig, rule: AddressRule) -> str | None:
    """Why no connection may be made to the provider's host at all, or None."""
    policy = config.policy
    if provider.type is ProviderType.LOCAL and not policy.models.is_local_host(provider.host):
        return "host_not_local"
    if not policy.models.admits(provider.host, provider.model):
        return "model_not_allowed"
    if not policy.egress.admits_host(provider.host):
        return "host_not_allowed"
    return refusal_of_url(provider.base_url, rule)


def refusal_of_url(url: str, rule: AddressRule) -> str | None:
    """Why a URL may not be connected to whatever it resolves to, or None.

    An address written as a host never reaches the resolver, so it is judged here. So is what only looks like one:
    resolvers read `2130706433` and `127.1` as 127.0.0.1.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not isinstance(rule, InsideCluster):
        return "plain_http_outside"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "not_an_address" if is_number(host) else None
    try:
        rule.check(host)
    except DestinationRefused as refused:
        return refused.reason
    return None
