"""What the sweep finds of what kopf's watch may have missed: who is gone, who was replaced, and who is newer."""

from typing import Any

import pytest

from regent_operator.engine.client import Listing
from regent_operator.engine.resources import AGENTS, KINDS, POLICIES, Key, Resource
from regent_operator.engine.scope import Scope
from regent_operator.engine.store import Store
from regent_operator.engine.sweep import sweep, take_whole_lists
from tests.unit.engine.fake_client import FakeClient, meta
from tests.unit.engine.world import AGENT

Object = dict[str, Any]


class Meanwhile(FakeClient):
    """While one object is read, the watch brings all the others."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    async def get(self, resource: Resource, namespace: str, name: str, *, metadata_only: bool = False) -> Object | None:
        for obj in self.objects.values():
            if obj["metadata"]["name"] != name:
                self.store.seen(resource, obj)
        return await super().get(resource, namespace, name)


async def test_what_the_watch_brought_meanwhile_is_not_read() -> None:
    store = Store(Scope("regent-system", None), lambda *_: None)
    client = Meanwhile(store)
    agents = [
        meta(f"a{number}", 10 + number, generation=1) | {"kind": AGENTS.kind, "spec": AGENT} for number in range(9)
    ]
    client.objects = {(AGENTS.kind, "n", obj["metadata"]["name"]): obj for obj in agents}
    client.lists = [Listing(agents if resource == AGENTS else [], "30") for resource in KINDS]
    await sweep(client, store)  # type: ignore[arg-type]
    assert [call for call in client.calls if call[0] == "get"] == [("get", AGENTS.kind, "n", "a0")]
    assert all(store.get(Key(AGENTS.kind, "n", f"a{number}")) for number in range(9))


def agent(name: str, version: int, uid: str = "", namespace: str = "n") -> Object:
    return meta(name, version, uid, namespace, generation=1) | {"kind": AGENTS.kind, "spec": AGENT}


def holding(*agents: Object, scope: Scope | None = None) -> Store:
    store = Store(scope or Scope("regent-system", None), lambda *_: None)
    for obj in agents:
        store.seen(AGENTS, obj)
    return store


def listing(*agents: Object, as_of: str = "30") -> FakeClient:
    """A cluster that has these agents and nothing else."""
    client = FakeClient()
    client.objects = {(AGENTS.kind, obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for obj in agents}
    client.lists = [Listing([*agents] if resource == AGENTS else [], as_of) for resource in KINDS]
    return client


def held(store: Store) -> dict[str, tuple[str, int]]:
    found = {key: store.get(key) for key in store.keys(AGENTS.kind)}
    return {key.name: (stored.metadata.uid, stored.version) for key, stored in found.items() if stored}


@pytest.mark.parametrize(("version", "stays"), [(29, False), (30, False), (31, True)])
async def test_what_a_list_lacks_is_gone_unless_it_is_newer_than_the_list(version: int, stays: bool) -> None:
    store = holding(agent("a", version), agent("b", 12))
    await sweep(store=store, client=listing(agent("b", 12)))  # type: ignore[arg-type]
    assert ("a" in held(store), "b" in held(store)) == (stays, True)


async def test_one_of_the_same_name_takes_the_place_of_what_is_gone() -> None:
    store = holding(agent("a", 10, "first"))
    await sweep(store=store, client=listing(agent("a", 20, "second")))  # type: ignore[arg-type]
    assert held(store) == {"a": ("second", 20)}
    store.seen(AGENTS, agent("a", 25, "first"))
    assert held(store) == {"a": ("second", 20)}, "it does not come back"


async def test_what_is_newer_is_read_and_nothing_else() -> None:
    store = holding(agent("a", 10), agent("b", 10))
    client = listing(agent("a", 10), agent("b", 11))
    await sweep(client, store)  # type: ignore[arg-type]
    assert held(store) == {"a": ("uid-a", 10), "b": ("uid-b", 11)}
    assert [call for call in client.calls if call[0] == "get"] == [("get", AGENTS.kind, "n", "b")]


async def test_the_list_of_a_namespace_says_nothing_of_another() -> None:
    store = holding(agent("a", 10, namespace="one"), scope=Scope("regent-system", frozenset({"one", "two"})))
    client = FakeClient()

    async def list_objects(resource: Resource, namespace: str | None = None, **_: Any) -> Listing:
        client._note("list", resource.kind, namespace or "")
        return Listing([agent("a", 10, namespace="one")] if (resource, namespace) == (AGENTS, "one") else [], "30")

    client.list_objects = list_objects  # type: ignore[method-assign]
    await sweep(client, store)  # type: ignore[arg-type]
    assert held(store) == {"a": ("uid-a", 10)}
    listed = {kind: [call[2] for call in client.calls if call[1] == kind] for kind in (AGENTS.kind, POLICIES.kind)}
    assert listed == {AGENTS.kind: ["one", "two"], POLICIES.kind: ["one", "regent-system", "two"]}


async def test_whole_lists_fill_the_store() -> None:
    store = holding()
    await take_whole_lists(listing(agent("a", 10), agent("b", 11), agent("c", 12)), store)  # type: ignore[arg-type]
    assert held(store) == {"a": ("uid-a", 10), "b": ("uid-b", 11), "c": ("uid-c", 12)}
    assert store.complete == {resource.kind for resource in KINDS}
