import asyncio
from contextlib import suppress
from typing import Any

import pytest

from regent_operator.engine.answers import WatchEvent
from regent_operator.engine.client import Listing
from regent_operator.engine.errors import ApiError
from regent_operator.engine.reflector import Collection, Reflector
from regent_operator.engine.resources import CONFIG_MAPS, NAMESPACES, Key, Resource
from regent_operator.engine.scope import Scope
from regent_operator.engine.watched import Observers, watched
from tests.unit.engine.fake_client import FakeClient, meta
from tests.unit.engine.world import NAMESPACE, SYSTEM, World

EXPIRED = ApiError(410, "Expired", "too old")


class Told:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []

    def seen(self, resource: Resource, obj: dict[str, Any], *, full: bool) -> None:
        self.said.append(("full" if full else "metadata", obj["metadata"]["name"], obj["metadata"]["resourceVersion"]))

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self.said.append(("gone", name, uid))


def event(kind: str, name: str, version: int, uid: str = "") -> WatchEvent:
    return WatchEvent(kind, meta(name, version, uid))


async def run(client: FakeClient, **collection: Any) -> tuple[Told, Reflector]:
    """Until the fake has nothing more to say."""
    told = Told()
    reflector = Reflector(client, Collection(CONFIG_MAPS, **collection), told, jitter=lambda: 0.0)  # type: ignore[arg-type]
    with suppress(IndexError):
        async with asyncio.timeout(60):
            await reflector.run()
    return told, reflector


async def test_what_is_listed_and_what_happens_after_is_told_in_order() -> None:
    client = FakeClient()
    client.lists = [Listing([meta("a", 3), meta("b", 4)], "9")]
    client.watches = [[event("MODIFIED", "a", 10), event("ADDED", "c", 11), event("DELETED", "b", 12)]]
    told, _ = await run(client)
    assert told.said == [
        ("full", "a", "3"),
        ("full", "b", "4"),
        ("full", "a", "10"),
        ("full", "c", "11"),
        ("gone", "b", "uid-b"),
    ]


async def test_a_watch_that_ends_goes_on_where_it_was_bookmarks_included() -> None:
    client = FakeClient()
    client.lists = [Listing([], "9")]
    client.watches = [[event("ADDED", "a", 10), event("BOOKMARK", "", 57)], []]
    await run(client)
    assert [call for call in client.calls if call[0] == "watch"][:2] == [
        ("watch", "ConfigMap", "9"),
        ("watch", "ConfigMap", "57"),
    ]


async def test_a_watch_that_breaks_goes_on_where_it_was() -> None:
    client = FakeClient()
    client.lists = [Listing([], "9")]
    client.watches = [[event("ADDED", "a", 10), ApiError(0, "Unreachable", "reset")], []]
    await run(client)
    assert [call[0] for call in client.calls].count("list") == 1
    assert ("watch", "ConfigMap", "10") in client.calls


async def test_deletions_in_the_gap_of_a_410_are_told() -> None:
    client = FakeClient()
    client.lists = [
        Listing([meta("a", 3), meta("b", 4), meta("c", 5)], "9"),
        Listing([meta("a", 3), meta("c", 20)], "30"),
    ]
    client.watches = [[EXPIRED]]
    told, _ = await run(client)
    assert told.said[3:] == [("full", "a", "3"), ("full", "c", "20"), ("gone", "b", "uid-b")]


async def test_what_is_listed_again_is_no_news_to_whoever_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    world, touched = World(monkeypatch), list[Key]()
    await world.begin(1)
    engine = world.engine
    observers = Observers(
        engine.children,
        engine.pods,
        engine.config_maps,
        engine.services,
        engine.target_ports,
        engine.namespaces,
        engine.store,
    )
    monkeypatch.setattr(engine.queue, "add", lambda key, *_: touched.append(key))
    for _ in range(2):
        touched.clear()
        for collection, observer in watched(Scope(SYSTEM, frozenset({"models", NAMESPACE})), observers):
            for (kind, *_), obj in world.api.objects.items():
                if kind == collection.resource.kind:
                    observer.seen(collection.resource, obj, full=not collection.metadata_only)
        for name in (SYSTEM, NAMESPACE, "models"):
            engine.namespaces.seen(NAMESPACES, meta(name, 1, namespace=""), full=False)
    assert touched == []


async def test_it_is_told_when_a_watch_had_lost_its_place_and_only_then() -> None:
    client = FakeClient()
    lost: list[list[str]] = []
    client.lists = [Listing([], "9"), Listing([], "30")]
    client.watches = [[ApiError(0, "Unreachable", "reset")], [EXPIRED]]
    reflector = Reflector(
        client,  # type: ignore[arg-type]
        Collection(CONFIG_MAPS),
        Told(),
        lambda: lost.append([call[0] for call in client.calls]),
        jitter=lambda: 0.0,
    )
    with suppress(IndexError):
        await reflector.run()
    assert lost == [["list", "watch", "watch", "list"]]


async def test_an_object_replaced_in_the_gap_is_told_as_gone_and_new() -> None:
    client = FakeClient()
    client.lists = [Listing([meta("a", 3, "old")], "9"), Listing([meta("a", 20, "new")], "30")]
    client.watches = [[EXPIRED]]
    told, _ = await run(client)
    assert told.said == [("full", "a", "3"), ("gone", "a", "old"), ("full", "a", "20")]


async def test_the_first_list_may_be_full_where_the_watch_is_of_metadata() -> None:
    client = FakeClient()
    client.lists = [Listing([meta("a", 3)], "9"), Listing([meta("a", 20)], "30")]
    client.watches = [[event("MODIFIED", "a", 10), EXPIRED]]
    told, _ = await run(client, metadata_only=True, full_first=True)
    assert [kind for kind, *_ in told.said] == ["full", "metadata", "metadata"]


async def test_a_failing_list_is_tried_again_and_told_to_whoever_asks() -> None:
    client = FakeClient()
    client.lists = [ApiError(403, "Forbidden", "no"), Listing([], "9")]
    client.watches = []
    _, reflector = await run(client)
    assert reflector.synced.is_set()
    assert [call[0] for call in client.calls] == ["list", "list", "watch"]
