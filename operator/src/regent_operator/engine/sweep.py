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
        items = []
        for namespace in _namespaces(store, resource):
            items += (await client.list(resource, namespace)).items
        store.took_list(resource, items)


async def sweep(client: ApiClient, store: Store) -> None:
    """Report to the store what is gone, and read what is newer than what it holds. Raises ApiError."""
    for resource in KINDS:
        for namespace in _namespaces(store, resource):
            await _sweep(client, store, resource, namespace)


async def _sweep(client: ApiClient, store: Store, resource: Resource, namespace: str | None) -> None:
    held = {
        key: stored
        for key in store.keys(resource.kind)
        if namespace in {None, key.namespace} and (stored := store.get(key)) is not None
    }
    listing = await client.list(resource, namespace, metadata_only=True)
    live = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in listing.items}
    for key, stored in held.items():
        item = live.get((key.namespace, key.name))
        replaced = item is not None and item["metadata"]["uid"] != stored.metadata.uid
        absent = item is None and stored.version <= version_number(listing.resource_version)
        if absent or replaced:
            store.gone(resource, key.namespace, key.name, stored.metadata.uid)
    for where, item in live.items():
        told = store.get(Key(resource.kind, *where))  # by now: meanwhile kopf's watch may have been faster
        if told is None or told.version < version_of(item):
            obj = await client.get(resource, *where)
            if obj is not None:
                store.seen(resource, obj)


def _namespaces(store: Store, resource: Resource) -> tuple[str | None, ...]:
    return store.scope.read if resource.kind == "AgentPolicy" else store.scope.managed
