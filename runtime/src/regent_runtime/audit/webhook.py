"""Posts alerts to a policy's webhook: over the one transport, to hosts that the policy's egress names, and no other.

An alert is tried three times and then given up; its record stays in the log.
"""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import msgspec

from regent_api.config import AgentConfig
from regent_runtime.addresses import DestinationRefused, InsideCluster, OutsideHosts
from regent_runtime.transport import in_cluster_name, refusal_of_url, session

ATTEMPT_SECONDS = 5.0
PAUSES = (1.0, 4.0)
"""Seconds before the second and the third attempt."""


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
        inside = in_cluster_name(host)
        rule = InsideCluster(config.cluster_cidrs) if inside else OutsideHosts(egress, config.cluster_cidrs)
        self._refused = refusal_of_url(url, rule) if egress.names_host(host) else "host_not_allowed"
        self._rule = rule
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, alert: dict[str, object]) -> None:
        """Returns when it was taken (2xx). Raises Undeliverable."""
        if self._refused:
            raise Undeliverable(self._refused)
        body, reason = msgspec.json.encode(alert), ""
        for pause in (0.0, *PAUSES):
            await asyncio.sleep(pause)
            reason = await self._try(body)
            if not reason:
                return
        raise Undeliverable(reason)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _try(self, body: bytes) -> str:
        """Empty when it was taken, else a word."""
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
