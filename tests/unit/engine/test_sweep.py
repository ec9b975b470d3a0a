"""What the sweep reads of what kopf's watch may have missed."""

from typing import Any

from regent_operator.engine.client import Listing
from regent_operator.engine.resources import AGENTS, KINDS, Key, Resource
from regent_operator.engine.scope import Scope
from regent_operator.engine.store import Store
from regent_operator.engine.sweep import sweep
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
