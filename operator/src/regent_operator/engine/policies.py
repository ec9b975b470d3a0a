"""The policies that were there before an agent, for its first plan.

Each kind has a watch of its own, and the policies' may lag behind the agents': a new agent would get pods that follow
no policy which was applied before it. So its policies are listed first. What pods hold already, an edit follows.
"""

import asyncio
from weakref import WeakValueDictionary

from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import POLICIES
from regent_operator.engine.store import Store
from regent_operator.engine.sweep import sweep_namespace

MOST_NAMESPACES = 1024
"""Whose lists are remembered; beyond them they are listed once more."""


class Policies:
    """A list serves each agent that was written before it began.

    Such are all that bear no later version than one that had been heard of then: versions of one kind tell the order of
    writes, and nothing is said of those of different kinds.
    """

    def __init__(self, client: ApiClient, store: Store) -> None:
        self._client = client
        self._store = store
        self._served: dict[str, int] = {}
        """By namespace: the latest version of an agent that its last list serves."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def catch_up(self, namespace: str, version: int) -> None:
        """Have the store hold what was there before this version of an agent of the namespace. Raises ApiError."""
        for each in sorted({namespace, self._store.scope.own}):
            await self._list(each, version)

    async def _list(self, namespace: str, version: int) -> None:
        turn = self._turns.setdefault(namespace, asyncio.Lock())
        async with turn:
            if version <= self._served.get(namespace, -1):
                return
            serves = self._store.newest_agent
            await sweep_namespace(self._client, self._store, POLICIES, namespace)
            if len(self._served) >= MOST_NAMESPACES:
                self._served.clear()
            self._served[namespace] = serves
