"""The outside world for the engine's parts: answers what a test has laid ready, and remembers what was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from regent_operator.engine.answers import Page, WatchEvent
from regent_operator.engine.client import Listing
from regent_operator.engine.errors import ApiError, NotLeadingError
from regent_operator.engine.resources import Resource

Object = dict[str, Any]


PAGE = 2


class FakeClient:
    """`objects` is keyed by (kind, namespace, name). Writes change it; every call is in `calls`."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.calls: list[tuple[str, ...]] = []
        self.lists: list[Listing | ApiError] = []
        self.watches: list[Iterable[WatchEvent | ApiError]] = []
        self.failure: ApiError | None = None
        self.pods: dict[str, Object | ApiError] = {}
        self.offered: dict[str, Object | ApiError] = {}
        self.version = 100
        self.leads = True
        """Whether what only a leader may write is sent."""

    async def get(self, resource: Resource, namespace: str, name: str, *, metadata_only: bool = False) -> Object | None:
        self._note("get", resource.kind, namespace, name)
        return self.objects.get((resource.kind, namespace, name))

    async def create(self, resource: Resource, obj: Object, *, gated: bool = True) -> Object:
        self._check_leads(gated=gated)
        return self._put("create", resource, obj)

    async def replace(self, resource: Resource, obj: Object, *, gated: bool = True) -> Object:
        self._check_leads(gated=gated)
        meta = obj["metadata"]
        live = self.objects.get((resource.kind, meta["namespace"], meta["name"]))
        if live is None or live["metadata"]["resourceVersion"] != meta.get("resourceVersion"):
            raise ApiError(409, "Conflict", "the object has been modified")
        return self._put("replace", resource, obj)

    async def apply(self, resource: Resource, obj: Object, manager: str = "regent") -> Object:
        meta = obj["metadata"]
        live = self.objects.get((resource.kind, meta["namespace"], meta["name"]))
        if live is not None and meta.get("resourceVersion") not in {None, live["metadata"]["resourceVersion"]}:
            self._note("refused", resource.kind, meta["namespace"], meta["name"])
            raise ApiError(409, "Conflict", "the object has been modified")
        if "uid" in meta and (live is None or live["metadata"]["uid"] != meta["uid"]):
            self._note("refused", resource.kind, meta["namespace"], meta["name"])
            raise ApiError(409, "Conflict", "uid mismatch")
        about = {"uid": live["metadata"]["uid"] if live else f"{resource.kind}-{meta['name']}"} | meta
        verb = "apply" if manager == "regent" else f"apply as {manager}"
        return self._put(verb, resource, obj | {"metadata": about})

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self._note("delete", resource.kind, namespace, name)
        self.objects.pop((resource.kind, namespace, name), None)

    async def merge(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str | None = None
    ) -> Object:
        self._note("merge", resource.kind, namespace, name)
        return patch

    async def list_objects(self, resource: Resource, namespace: str | None = None, **_: Any) -> Listing:
        self._note("list", resource.kind, namespace or "")
        answer = self.lists.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    list = list_objects

    async def pages(self, resource: Resource, namespace: str | None = None, **_: Any) -> AsyncIterator[Page]:
        listing = await self.list_objects(resource, namespace)
        for start in range(0, max(1, len(listing.items)), PAGE):
            yield Page(listing.items[start : start + PAGE], listing.resource_version)
            await asyncio.sleep(0)

    async def watch(
        self, resource: Resource, version: str, namespace: str | None = None, **_: Any
    ) -> AsyncIterator[Any]:
        self._note("watch", resource.kind, version)
        for event in self.watches.pop(0):
            if isinstance(event, ApiError):
                raise event
            yield event

    async def pod_status(
        self, address: str, seconds: float, *, beyond: int | None = None, canary: int | None = None
    ) -> Object:
        self._note("ask", address, *(str(each) for each in (beyond, canary) if each is not None))
        while beyond is not None and moves(self.pods.get(address)) == beyond:  # noqa: ASYNC110 - a pod that waits
            await asyncio.sleep(0)
        answer = self.pods.get(address) or ApiError(0, "Unreachable", "nobody there")
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def offer_config(self, address: str, data: Mapping[str, str], seconds: float) -> Object:
        """A pod that was given no other answer to an offer has no such endpoint."""
        self._note("offer", address)
        answer = self.offered.get(address) or ApiError(404, "NotServing", "nothing at this path")
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def told_by(self, url: str, seconds: float, label: str) -> Object:
        return await self.pod_status(url, seconds)

    def _check_leads(self, *, gated: bool) -> None:
        if gated and not self.leads:
            raise NotLeadingError("it was not sent")

    def _put(self, verb: str, resource: Resource, obj: Object) -> Object:
        meta = obj["metadata"]
        self._note(verb, resource.kind, meta.get("namespace", ""), meta["name"])
        self.version += 1
        made = {"uid": f"{resource.kind}-{meta['name']}-{self.version}"}
        stored = obj | {"metadata": made | meta | {"resourceVersion": str(self.version)}}
        self.objects[resource.kind, meta.get("namespace", ""), meta["name"]] = stored
        return stored

    def _note(self, *call: str) -> None:
        self.calls.append(call)
        if self.failure:
            raise self.failure


def overtake(client: FakeClient, verb: str, told: Callable[[Resource, Object], None]) -> None:
    """From now on `told` hears of an object before who asked for it by this verb does, as from a watch."""
    ask = getattr(client, verb)

    async def overtaken(resource: Resource, *words: Any, **more: Any) -> Object | None:
        obj: Object | None = await ask(resource, *words, **more)
        if obj is not None:
            told(resource, obj)
        return obj

    setattr(client, verb, overtaken)


def moves(said: Object | ApiError | None) -> int:
    return int(said["audit"]["alertMoves"]) if isinstance(said, dict) else -1


def meta(name: str, version: int, uid: str = "", namespace: str = "n", **more: Any) -> Object:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            **more,
        }
    }
