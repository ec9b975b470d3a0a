"""List and watch: keeps somebody informed of every object of a collection, deletions in any gap included.

A watch that ends or breaks goes on from the last version seen. When that is too old (410), the collection is listed
again and compared with what was known, so what was deleted meanwhile is reported as gone. Lists are consistent reads
(no resourceVersion is given): what was reported once never turns back to an older state.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import Resource, where_is

log = logging.getLogger(__name__)
Object = dict[str, Any]
Uids = dict[str, str]
"""Of the objects of a namespace, by name."""
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 30.0


class Observer(Protocol):
    """Who is told. Called in the order of the server's events, never at the same time for one collection."""

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        """The object exists as it is here; `full` False: only its metadata is known.

        A list tells what a watch has told already, so whoever is told again of the same version has no news.
        """

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """The object of this uid does not exist any more."""


class Both:
    """Tells two observers of one collection."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._observers = (first, second)

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        for observer in self._observers:
            observer.seen(resource, obj, full=full)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        for observer in self._observers:
            observer.gone(resource, namespace, name, uid)


@dataclass(frozen=True)
class Collection:
    """`metadata_only` watches spare the bodies; `full_first` reads them once, in the first list."""

    resource: Resource
    namespace: str | None = None
    labels: str | None = None
    fields: str | None = None
    metadata_only: bool = False
    full_first: bool = False

    def __str__(self) -> str:
        return f"{self.resource.plural} in {self.namespace or 'all namespaces'}"


class Reflector:
    """`listed_anew` is called when a watch had lost its place: what others watch may have been lost with it."""

    def __init__(
        self,
        client: ApiClient,
        collection: Collection,
        observer: Observer,
        listed_anew: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.collection = collection
        self.synced = asyncio.Event()
        self.failing = ""
        """Why the last attempt failed; empty while all is well."""
        self._client = client
        self._observer = observer
        self._listed_anew = listed_anew
        self._jitter = jitter
        self._known: defaultdict[str, Uids] = defaultdict(dict)
        """By namespace."""
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                self._failures = 0
                await asyncio.sleep(FIRST_WAIT_SECONDS)  # a server that ends every watch at once is not hurried
            except ApiError as error:
                if error.expired:
                    self._version = ""
                    if self._failures == 0:
                        self._failures = 1
                        continue
                await self._pause(error)

    async def _list(self) -> None:
        c = self.collection
        metadata_only = c.metadata_only and not (c.full_first and not self.synced.is_set())
        absent, version = {namespace: dict(uids) for namespace, uids in self._known.items()}, ""
        async for page in self._client.pages(
            c.resource, c.namespace, labels=c.labels, fields=c.fields, metadata_only=metadata_only
        ):
            self._take(page.items, absent, full=not metadata_only)
            version = page.resource_version
            del page  # it need not be held while the next one is waited for
        for namespace, uids in absent.items():
            for name, uid in uids.items():
                self._forget(namespace, name, uid)
        self._version = version
        if self.synced.is_set():
            self._listed_anew()
        self.synced.set()
        self.failing = ""

    def _take(self, items: Iterable[Object], absent: dict[str, Uids], *, full: bool) -> None:
        """Report what is there; `absent` is what was known before the list and has not come in it so far."""
        for obj in items:
            namespace, name = where_is(obj["metadata"])
            known = absent.get(namespace, {}).pop(name, None)
            if known is not None and known != obj["metadata"]["uid"]:
                self._observer.gone(self.collection.resource, namespace, name, known)
            self._report(obj, full=full)

    async def _watch(self) -> None:
        c = self.collection
        stream = self._client.watch(
            c.resource,
            self._version,
            c.namespace,
            labels=c.labels,
            fields=c.fields,
            metadata_only=c.metadata_only,
        )
        async for event in stream:
            self.failing = ""
            self._failures = 0
            meta = event.object["metadata"]
            if event.type == "DELETED":
                self._forget(meta.get("namespace", ""), meta["name"], meta["uid"])
            elif event.type != "BOOKMARK":
                self._report(event.object, full=not c.metadata_only)
            self._version = meta["resourceVersion"]

    def _report(self, obj: Object, *, full: bool) -> None:
        namespace, name = where_is(obj["metadata"])
        self._known[namespace][name] = obj["metadata"]["uid"]
        self._observer.seen(self.collection.resource, obj, full=full)

    def _forget(self, namespace: str, name: str, uid: str) -> None:
        uids = self._known[namespace]
        if uids.get(name) == uid:
            del uids[name]
        if not uids:
            del self._known[namespace]
        self._observer.gone(self.collection.resource, namespace, name, uid)

    async def _pause(self, error: ApiError) -> None:
        self.failing = str(error)
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(self._failures, 10))
        wait = max(error.retry_after or 0.0, longest * (0.5 + self._jitter() / 2))
        self._failures += 1
        log.warning("cannot watch %s, again in %.1f s: %s", self.collection, wait, error)
        await asyncio.sleep(wait)
