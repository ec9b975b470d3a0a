"""The cluster's public keys, by which pods' tokens are verified.

Read from the API server's discovery documents, which the collector's ServiceAccount may read and nothing else; read
again every five minutes, and when a token comes that an unknown key signed (the cluster rotates its keys). While the
API server is away the last keys hold.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from regent_operator.collector.tokens import Origin, TokenRefused, UnknownKey, Verifier
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError

log = logging.getLogger(__name__)
POLL_SECONDS = 300.0
RETRY_SECONDS = 5.0
SOONEST_SECONDS = 5.0
"""Between two looks that unknown keys cause: a flood of made-up tokens is no flood of requests."""


@dataclass(frozen=True)
class Published:
    issuer: str
    jwks: dict[str, Any]


Source = Callable[[], Awaitable[Published]]
"""Raises ApiError, KeyError or TypeError where nothing usable was answered."""


def of_cluster(client: ApiClient) -> Source:
    async def read() -> Published:
        issuer = (await client.document("/.well-known/openid-configuration"))["issuer"]
        return Published(issuer, {"keys": (await client.document("/openid/v1/jwks"))["keys"]})

    return read


class Trust:
    """Verifies tokens under the newest keys that are known. Until the first are read, every token is refused."""

    def __init__(self, source: Source, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now
        self._published: Published | None = None
        self._verifier: Verifier | None = None
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")

    @property
    def known(self) -> bool:
        return self._verifier is not None

    async def origin(self, authorization: str | None) -> Origin:
        """The pod behind an Authorization header. Raises TokenRefused."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRefused("there is no bearer token")
        if self._verifier is None:
            raise TokenRefused("the cluster's keys are not known yet")
        try:
            return self._verifier.origin(token.strip())
        except UnknownKey:
            await self._look_again()
        return self._verifier.origin(token.strip())

    async def run(self) -> None:
        """Until cancelled: keep the keys fresh."""
        while True:
            known = await self.refresh()
            await asyncio.sleep(POLL_SECONDS if known else RETRY_SECONDS)

    async def refresh(self) -> bool:
        """Read the keys now. False: they could not be read, and the last ones hold."""
        try:
            published = await self._source()
            if published != self._published:
                self._verifier = Verifier(published.issuer, published.jwks, self._now)
                self._published = published
        except (ApiError, KeyError, TypeError, AttributeError) as error:
            log.warning("the cluster's keys cannot be read: %s", type(error).__name__)
            return False
        return True

    async def _look_again(self) -> None:
        async with self._looking:
            if time.monotonic() - self._looked_at >= SOONEST_SECONDS:
                self._looked_at = time.monotonic()
                await self.refresh()
