"""The one way out of the operator: the API server, and the status ports of our pods.

Thin on purpose (aiohttp costs a tenth of the CPU of an official client): paths and JSON in, JSON out. Guarantees:
every call has a deadline; a 429 is honoured, a rotated token is read again; no write leaves while `may_write()` is
False; calls are counted; the Lease waits behind nobody. Raises ApiError, and NotLeadingError for a write not sent.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import msgspec

from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.answers import (
    Object,
    Page,
    WatchEvent,
    event_of,
    lines,
    object_of,
    page_of,
    raise_for,
    unreachable,
)
from regent_operator.engine.connector import PlainConnector
from regent_operator.engine.errors import ApiError, NotLeadingError
from regent_operator.engine.gated import GatedBody
from regent_operator.engine.resources import LEASES, Resource

FIELD_MANAGER = "regent"
CALL_SECONDS = 10.0
WRITE_SECONDS = 6.0
"""Shorter: a write must have ended before the lease that allowed it can be another's."""
LIST_SECONDS = 60.0
PAGE = 200
WATCH_SECONDS = 300
SILENCE_SECONDS = 90.0
"""A watch that says nothing for so long may be dead, and is begun again from where it was."""
MAX_WAIT_SECONDS = 5.0
STATUS_PORT = 9090
STATUS_BYTES = 65_536

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

UNANSWERED = (aiohttp.ClientError, TimeoutError, OSError, RuntimeError)
"""uvloop raises RuntimeError for a descriptor that a connection which was given up still holds."""
T = TypeVar("T")


class RequestCounter(Protocol):
    def request(self, verb: str, resource: str, status: int, seconds: float) -> None: ...


@dataclass(frozen=True)
class Listing:
    items: list[Object]
    resource_version: str


@dataclass(frozen=True)
class _Call:
    """`label` and `verb` are for counting; `gated`: only while `may_write()`."""

    method: str
    label: str
    path: str
    verb: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    accept: str = JSON
    body: bytes | None = None
    content_type: str = JSON
    seconds: float = CALL_SECONDS
    gated: bool = False


class ApiClient:
    """Use as an async context manager: it owns the connections."""

    def __init__(
        self, access: ClusterAccess, counter: RequestCounter, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self.access = access
        self.counter = counter
        self.may_write = may_write
        self._server: aiohttp.ClientSession
        self._leases: aiohttp.ClientSession
        self._watches: aiohttp.ClientSession
        self._pods: aiohttp.ClientSession
        self._waits: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        tls = self.access.tls()
        self._server = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=48))
        self._leases = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=2))
        self._watches = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0))
        self._pods = aiohttp.ClientSession(connector=PlainConnector(limit=64, force_close=True))
        self._waits = aiohttp.ClientSession(connector=PlainConnector(limit=0))
        return self

    async def __aexit__(self, *error: object) -> None:
        for session in (self._server, self._leases, self._watches, self._pods, self._waits):
            await session.close()

    async def get(
        self, resource: Resource, namespace: str | None, name: str, *, metadata_only: bool = False
    ) -> Object | None:
        """The object, or None where there is none."""
        accept = METADATA if metadata_only else JSON
        try:
            return await self._send(
                _Call("GET", resource.plural, resource.path(namespace, name), accept=accept), object_of
            )
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> Listing:
        """All objects at once: for what is few."""
        items: list[Object] = []
        version = ""
        async for page in self.pages(resource, namespace, labels=labels, fields=fields, metadata_only=metadata_only):
            items += page.items
            version = page.resource_version
        return Listing(items, version)

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """All objects, PAGE at a time, so that thousands never stand in memory whole.

        Of one consistent moment: no resourceVersion is given, so the list is never older than now. Raises ApiError,
        `expired` for 410 where the pages took so long that the moment is forgotten.
        """
        params = {"limit": str(PAGE)} | _selectors(labels, fields)
        while True:
            page = await self._send(
                _Call(
                    "GET",
                    resource.plural,
                    resource.path(namespace),
                    verb="LIST",
                    params=params,
                    accept=METADATA_LIST if metadata_only else JSON,
                    seconds=LIST_SECONDS,
                ),
                page_of,
            )
            params["continue"] = page.next
            yield page
            if not page.next:
                return
            del page

    async def watch(
        self,
        resource: Resource,
        resource_version: str,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Events after `resource_version` until the server ends the watch or says nothing for too long.

        Raises ApiError, `expired` for 410.
        """
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS + random.randrange(WATCH_SECONDS)),  # noqa: S311
        } | _selectors(labels, fields)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS, sock_read=SILENCE_SECONDS)
        started = time.monotonic()
        status = 0
        try:
            async with self._watches.get(
                self.access.server + resource.path(namespace),
                params=params,
                headers=self._headers(METADATA if metadata_only else JSON),
                timeout=timeout,
            ) as answer:
                status = answer.status
                await raise_for(answer)
                async for line in lines(answer.content):
                    yield event_of(line)
        except aiohttp.SocketTimeoutError as error:
            if status != 200:
                raise unreachable(error) from error
        except UNANSWERED as error:
            raise unreachable(error) from error
        finally:
            self.counter.request("WATCH", resource.plural, status, time.monotonic() - started)

    async def apply(self, resource: Resource, obj: Object, manager: str = FIELD_MANAGER) -> Object:
        """Server-side apply, taking over fields that others hold."""
        meta = obj["metadata"]
        return await self._write(
            "PATCH",
            resource,
            resource.path(meta.get("namespace"), meta["name"]),
            obj,
            APPLY,
            {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"},
            verb="APPLY",
        )

    async def create(self, resource: Resource, obj: Object, *, gated: bool = True) -> Object:
        """POST. Only the Lease itself is written with `gated` False, that is without leading."""
        path = resource.path(obj["metadata"].get("namespace"))
        return await self._write("POST", resource, path, obj, JSON, {"fieldManager": FIELD_MANAGER}, gated=gated)

    async def replace(self, resource: Resource, obj: Object, *, gated: bool = True) -> Object:
        """PUT; with metadata.resourceVersion a compare-and-swap."""
        meta = obj["metadata"]
        path = resource.path(meta.get("namespace"), meta["name"])
        return await self._write("PUT", resource, path, obj, JSON, {"fieldManager": FIELD_MANAGER}, gated=gated)

    async def merge(
        self, resource: Resource, namespace: str | None, name: str, patch: Object, subresource: str | None = None
    ) -> Object:
        """JSON merge patch. A `metadata.uid` in it makes the patch fail (409) on another object of the name."""
        path = resource.path(namespace, name, subresource)
        return await self._write("PATCH", resource, path, patch, MERGE, {"fieldManager": FIELD_MANAGER}, verb="MERGE")

    async def json_patch(self, resource: Resource, namespace: str, name: str, patch: Sequence[Object]) -> Object:
        path = resource.path(namespace, name)
        return await self._write("PATCH", resource, path, patch, JSON_PATCH, {"fieldManager": FIELD_MANAGER})

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object of this uid; that it is gone already is no error."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._write("DELETE", resource, resource.path(namespace, name), options, JSON, {})
        except ApiError as error:
            if not error.not_found:
                raise

    async def document(self, path: str) -> Object:
        """A JSON document that is no resource, such as /openid/v1/jwks."""
        return await self._send(_Call("GET", path.rsplit("/", 1)[-1], path, accept="*/*"), object_of)

    async def pod_status(
        self, address: str, seconds: float, *, beyond: int | None = None, canary: int | None = None
    ) -> Object:
        """`GET /statusz` of a pod: when its alerts are `beyond` a number, or it has tried our port `canary`."""
        url = _pod_url(address, "/statusz")
        if canary is not None:
            return await self._told_by(self._waits, f"{url}?canary={canary}", seconds, "canary")
        if beyond is None:
            return await self.told_by(url, seconds, "statusz")
        return await self._told_by(self._waits, f"{url}?beyond={beyond}", seconds, "alerts")

    async def offer_config(self, address: str, data: Mapping[str, str], seconds: float) -> Object:
        """Hand a ConfigMap's data to a pod; its /statusz when it took it. Raises ApiError as `pod_status`."""
        return await self._told_by(self._pods, _pod_url(address, "/config"), seconds, "config", data)

    async def told_by(self, url: str, seconds: float, label: str) -> Object:
        """What is told at a URL to anybody. Raises ApiError for what is not a JSON object of tolerable size."""
        return await self._told_by(self._pods, url, seconds, label)

    async def _told_by(
        self,
        session: aiohttp.ClientSession,
        url: str,
        seconds: float,
        label: str,
        given: Mapping[str, str] | None = None,
    ) -> Object:
        """By GET, or by PUT of what is given, which counts as OFFER: a write to the API server it is not."""
        method, verb = ("GET", "GET") if given is None else ("PUT", "OFFER")
        started = time.monotonic()
        status = 0
        try:
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with session.request(method, url, json=given, timeout=timeout, allow_redirects=False) as answer:
                status = answer.status
                body = await answer.content.read(STATUS_BYTES)
                while len(body) < STATUS_BYTES and (more := await answer.content.read(STATUS_BYTES - len(body))):
                    body += more
        except UNANSWERED as error:
            raise unreachable(error) from error
        finally:
            self.counter.request(verb, label, status, time.monotonic() - started)
        if status != 200:
            raise ApiError(status, "NotServing", f"{label} was not answered with 200")
        return object_of(body, status)

    async def _write(
        self,
        method: str,
        resource: Resource,
        path: str,
        body: Any,
        content_type: str,
        params: Mapping[str, str],
        verb: str = "",
        *,
        gated: bool = True,
    ) -> Object:
        return await self._send(
            _Call(
                method,
                resource.plural,
                path,
                verb=verb or method,
                params=params,
                body=msgspec.json.encode(body),
                content_type=content_type,
                seconds=WRITE_SECONDS,
                gated=gated,
            ),
            object_of,
        )

    async def _send(self, call: _Call, read: Callable[[bytes, int], T]) -> T:
        """One call within its deadline; within it, 429 is waited out and a refused token is read again once."""
        end = time.monotonic() + call.seconds
        fresh_token = False
        while True:
            if call.gated and not self.may_write():
                raise NotLeadingError(f"{call.verb} {call.path} was not sent: this replica does not hold the lease")
            try:
                return await self._once(call, end, read)
            except ApiError as error:
                if error.status == 401 and self.access.token and not fresh_token:
                    self.access.token.expire()
                    fresh_token = True
                    continue
                wait = min(error.retry_after or 1.0, MAX_WAIT_SECONDS)
                if error.status != 429 or time.monotonic() + wait > end:
                    raise
                await asyncio.sleep(wait)

    async def _once(self, call: _Call, end: float, read: Callable[[bytes, int], T]) -> T:
        started = time.monotonic()
        status = 0
        session = self._leases if call.label == LEASES.plural else self._server
        headers = self._headers(call.accept) | ({"Content-Type": call.content_type} if call.body is not None else {})
        try:
            async with session.request(
                call.method,
                self.access.server + call.path,
                params=call.params,
                data=GatedBody(call.body, self.may_write) if call.body is not None and call.gated else call.body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=max(0.001, end - started)),
            ) as answer:
                status = answer.status
                await raise_for(answer)
                return read(await answer.read(), status)
        except UNANSWERED as error:
            raise unreachable(error) from error
        finally:
            self.counter.request(call.verb, call.label, status, time.monotonic() - started)

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "regent-operator"}
        if self.access.token:
            headers["Authorization"] = f"Bearer {self.access.token.read()}"
        return headers


def _pod_url(address: str, path: str) -> str:
    return f"http://{f'[{address}]' if ':' in address else address}:{STATUS_PORT}{path}"


def _selectors(labels: str | None, fields: str | None) -> dict[str, str]:
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in selectors.items() if value is not None}
