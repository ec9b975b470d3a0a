"""The client of the audit collector: sends records, asks where a log ends, and asks for subjects' keys.

It bears the pod's projected token, which no other server takes, and connects to addresses of the cluster alone. No
redirects, no proxies; every call has a deadline.
"""

import asyncio
import base64
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from regent_api.addresses import Address
from regent_api.audit.frame import RECORD, frame
from regent_api.audit.subjects import KEY_BYTES, SubjectKey
from regent_runtime.addresses import AddressRule, DestinationRefused, InsideCluster
from regent_runtime.transport import PinnedResolver

CALL_SECONDS = 10.0
KEY_SECONDS = 3.0
LARGEST_ANSWER = 65_536
TOKEN_SECONDS = 30.0
"""The kubelet renews the file long before the token expires."""


class CollectorAway(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """Nothing is known to be kept. `reason` is a word for /statusz and the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CollectorRefused(CollectorAway):
    """The collector's own word; `size`: how many records of the log it has, where it said so."""

    def __init__(self, code: str, size: int | None) -> None:
        super().__init__(code)
        self.size = size


@dataclass(frozen=True)
class Kept:
    """What the collector has on disk: `size` records, the last of which has the hash `head` (hex)."""

    size: int
    head: str


@dataclass(frozen=True)
class Erasures:
    """Digests of subjects, and what to ask after the next time."""

    next: int
    subjects: list[str]


class InRanges(AddressRule):
    """The cluster's ranges, as the config in force names them."""

    reason = "address_outside_cluster"

    def __init__(self, cidrs: Callable[[], Sequence[str]]) -> None:
        self._cidrs = cidrs

    def admits(self, address: Address) -> bool:
        return InsideCluster(self._cidrs()).admits(address)


class Collector:
    """Use as an async context manager: it owns the connections. Every call raises CollectorAway, CollectorRefused."""

    def __init__(self, url: str, token: Path, cidrs: Callable[[], Sequence[str]]) -> None:
        self._url = url.rstrip("/")
        self._token_file = token
        self._rule = InRanges(cidrs)
        self._token = ""
        self._read_at = float("-inf")
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=PinnedResolver(self._rule), ttl_dns_cache=5, limit=16),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "regent-runtime"},
            trust_env=False,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def kept(self) -> Kept:
        """Where this pod's log ends at the collector."""
        return _kept(await self._call("GET", "/v1/log", b"", {}, CALL_SECONDS))

    async def send(self, payloads: Sequence[bytes], retention_seconds: float) -> Kept:
        """Consecutive records; returned, they are on the collector's disk."""
        body = b"".join(frame(RECORD, payload) for payload in payloads)
        headers = {"X-Regent-Retention": str(int(retention_seconds))}
        return _kept(await self._call("POST", "/v1/log", body, headers, CALL_SECONDS))

    async def content_size(self, name: str) -> int:
        """Bytes of a file of encrypted content (LABEL/YYYY-MM-DD.enc) that the collector has."""
        return _size(await self._call("GET", f"/v1/content/{name}", b"", {}, CALL_SECONDS))

    async def send_content(self, name: str, at: int, data: bytes, retention_seconds: float | None) -> int:
        """The next whole frames of a file; its size at the collector, on its disk."""
        headers = {} if retention_seconds is None else {"X-Regent-Retention": str(int(retention_seconds))}
        return _size(await self._call("POST", f"/v1/content/{name}?at={at}", data, headers, CALL_SECONDS))

    async def key(self, subject: str) -> SubjectKey:
        """The subject's key with this pod's agent, made where there is none."""
        return _key(subject, await self._ask_key({"subject": subject}))

    async def known_key(self, subject: str) -> SubjectKey | None:
        """The subject's key with this pod's agent; None where it has none."""
        said = await self._ask_key({"subject": subject, "make": False})
        return None if said.get("key", "") is None else _key(subject, said)

    async def _ask_key(self, asked: dict[str, Any]) -> dict[str, Any]:
        return await self._call("POST", "/v1/subjects", msgspec.json.encode(asked), {}, KEY_SECONDS)

    async def erased(self, after: int | None) -> Erasures:
        """The next of this pod's agent's erasures; None: the latest."""
        query = "" if after is None else f"?after={after}"
        said = await self._call("GET", f"/v1/erasures{query}", b"", {}, CALL_SECONDS)
        following, subjects = said.get("next"), said.get("subjects")
        if not isinstance(following, int) or not isinstance(subjects, list):
            raise CollectorAway("malformed_answer")
        return Erasures(following, [str(each) for each in subjects])

    async def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> dict[str, Any]:
        try:
            self._check_literal()
            async with (
                asyncio.timeout(seconds),
                self._session.request(
                    method,
                    self._url + path,
                    data=body,
                    headers={"Authorization": f"Bearer {self._bearer()}", **headers},
                    allow_redirects=False,
                ) as answer,
            ):
                status, said = answer.status, await answer.content.read(LARGEST_ANSWER)
        except DestinationRefused as refused:
            raise CollectorAway(refused.reason) from None
        except TimeoutError:
            raise CollectorAway("timeout") from None
        except (aiohttp.ClientError, OSError):
            raise CollectorAway("unreachable") from None
        return self._understood(status, said)

    def _understood(self, status: int, said: bytes) -> dict[str, Any]:
        try:
            answer = msgspec.json.decode(said, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise CollectorAway(f"status_{status}") from None
        if status == 200:
            return answer
        if status == 401:
            self._read_at = float("-inf")  # read the token's file again
        error = answer.get("error")
        code, size = (error.get("code"), error.get("size")) if isinstance(error, dict) else (None, None)
        if not isinstance(code, str) or not code.isidentifier():
            raise CollectorAway(f"status_{status}")
        raise CollectorRefused(code, size if isinstance(size, int) else None)

    def _bearer(self) -> str:
        """Raises CollectorAway."""
        now = time.monotonic()
        if now - self._read_at > TOKEN_SECONDS:
            try:
                self._token = self._token_file.read_text().strip()
            except (OSError, ValueError):
                raise CollectorAway("no_token") from None
            self._read_at = now
        return self._token

    def _check_literal(self) -> None:
        """An address written as a host never reaches the resolver. Raises DestinationRefused."""
        host = urlsplit(self._url).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return
        self._rule.check(host)


def _key(subject: str, said: dict[str, Any]) -> SubjectKey:
    try:
        master = base64.b64decode(said["key"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise CollectorAway("malformed_answer") from None
    if len(master) != KEY_BYTES:
        raise CollectorAway("malformed_answer")
    return SubjectKey(subject, master)


def _kept(said: dict[str, Any]) -> Kept:
    head = said.get("head")
    if not isinstance(head, str):
        raise CollectorAway("malformed_answer")
    return Kept(_size(said), head)


def _size(said: dict[str, Any]) -> int:
    size = said.get("size")
    if not isinstance(size, int):
        raise CollectorAway("malformed_answer")
    return size
