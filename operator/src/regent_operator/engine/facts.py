"""What the cluster says of itself: whose tokens it signs, and in which ranges its Services lie.

Read at start and every minute after; a change replans every agent. The pods verify callers' tokens with these
keys and never ask the API server.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import SERVICE_CIDRS
from regent_operator.plan.inputs import Installation

log = logging.getLogger(__name__)
POLL_SECONDS = 60.0
RETRY_SECONDS = 5.0


class ClusterFacts:
    """`known` is set once everything has been read; `changed` is called when it differs from before."""

    def __init__(
        self,
        client: ApiClient,
        base: Installation,
        changed: Callable[[], None],
        *,
        read_service_cidrs: bool,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.known = asyncio.Event()
        self.installation = base
        self._client = client
        self._base = base
        self._changed = changed
        self._read_service_cidrs = read_service_cidrs
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        """Until cancelled. What cannot be read now keeps its last value."""
        while True:
            try:
                await self.refresh()
                wait = self._poll_seconds
            except (ApiError, KeyError, TypeError) as error:
                log.warning("the cluster's signing keys or ranges cannot be read: %s", error)
                wait = RETRY_SECONDS
            await asyncio.sleep(wait)

    async def refresh(self) -> None:
        issuer = (await self._client.document("/.well-known/openid-configuration"))["issuer"]
        keys = (await self._client.document("/openid/v1/jwks"))["keys"]
        cidrs = set(self._base.cluster_cidrs)
        if self._read_service_cidrs:
            listing = await self._client.list(SERVICE_CIDRS)
            cidrs |= {cidr for item in listing.items for cidr in item["spec"]["cidrs"]}
        fresh = replace(
            self._base,
            issuer=issuer,
            jwks={"keys": sorted(keys, key=lambda key: str(key.get("kid", "")))},
            cluster_cidrs=tuple(sorted(cidrs)),
        )
        first = not self.known.is_set()
        if fresh != self.installation or first:
            self.installation = fresh
            self.known.set()
            if not first:
                log.info("the cluster's signing keys or ranges changed: every agent is planned again")
            self._changed()
