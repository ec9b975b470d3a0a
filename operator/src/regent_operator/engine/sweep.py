"""Finds what the watches of the three kinds have missed.

kopf does not report what was deleted between a 410 and its relist, nor what was deleted before its first list. So now
and then, and soon after a watch of ours was told 410, the metadata of all objects are listed and compared with the
store.
"""

from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import KINDS, Key, Resource, version_number, version_of
from regent_operator.engine.store import Store


async def take_whole_lists(client: ApiClient, store: Store) -> None:
    """Fill the store with complete lists of all three kinds. Raises ApiError; then the store is not `ready`."""
    for resource in KINDS:
        for namespace in _namespaces(store, resource):
            async for page in client.pages(resource, namespace):
                for item in page.items:
                    store.seen(resource, item)
                del page  # it need not be held while the next one is waited for
        store.took_list(resource)


async def sweep(client: ApiClient, store: Store) -> None:
    """Report to the store what is gone, and read what is newer than what it holds. Raises ApiError."""
    for resource in KINDS:
        for namespace in _namespaces(store, resource):
            await sweep_namespace(client, store, resource, namespace)


async def sweep_namespace(client: ApiClient, store: Store, resource: Resource, namespace: str | None) -> None:
    """As `sweep`, of one kind. None: in all namespaces."""
    held = {
        key: stored
        for key in store.keys(resource.kind)
        if namespace in {None, key.namespace} and (stored := store.get(key)) is not None
    }
    live: dict[Key, tuple[str, int]] = {}
    as_of = ""
    async for page in client.pages(resource, namespace, metadata_only=True):
        as_of = page.resource_version
        for item in page.items:
            meta = item["metadata"]
            live[Key(resource.kind, meta["namespace"], meta["name"])] = (meta["uid"], version_of(item))
    for key, stored in held.items():
        uid, _ = live.get(key, (None, 0))
        replaced = uid is not None and uid != stored.metadata.uid
        absent = uid is None and stored.version <= version_number(as_of)
        if absent or replaced:
            store.gone(resource, key.namespace, key.name, stored.metadata.uid)
    for key, (_, version) in live.items():
        told = store.get(key)  # by now: meanwhile kopf's watch may have been faster
        if told is None or told.version < version:
            obj = await client.get(resource, key.namespace, key.name)
            if obj is not None:
                store.seen(resource, obj)


def _namespaces(store: Store, resource: Resource) -> tuple[str | None, ...]:
    return store.scope.read if resource.kind == "AgentPolicy" else store.scope.managed
