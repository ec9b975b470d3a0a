"""Posts alerts to a policy's webhook: over the one transport, to hosts that the policy's egress names, and no other.

Each config has its own, so an edit of the egress holds for what waits to be posted too.
"""

import asyncio
from urllib.parse import urlsplit

import aiohttp

from regent_api.config import AgentConfig
from regent_runtime.addresses import DestinationRefused, InsideCluster, OutsideHosts
from regent_runtime.transport import refusal_of_url, session

ATTEMPT_SECONDS = 5.0


class Undeliverable(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """`reason` is a word for the log and /statusz."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Webhook:
    """One URL under one config. Close it when the config is replaced."""

    def __init__(self, config: AgentConfig, url: str) -> None:
        self._url = url
        egress, host = config.policy.egress, urlsplit(url).hostname or ""
        inside = config.is_service(host)
        rule = InsideCluster(config.cluster_cidrs) if inside else OutsideHosts(egress, config.cluster_cidrs)
        self._refused = refusal_of_url(url, rule) if egress.names_host(host) else "host_not_allowed"
        self._rule = rule
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes) -> str:
        """Empty when it was taken (2xx), else a word: another attempt may help. Raises Undeliverable: none will.

        One that is under way when this is closed is `unreachable`.
        """
        if self._refused:
            raise Undeliverable(self._refused)
        if self._session is None:
            self._session = session(self._rule)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        posting = self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=asyncio.Event()
        )
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS), posting as response:
                return "" if 200 <= response.status < 300 else f"status_{response.status}"
        except DestinationRefused as refused:
            raise Undeliverable(refused.reason) from None
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientError, OSError):
            return "unreachable"

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
