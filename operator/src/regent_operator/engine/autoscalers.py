"""The HorizontalPodAutoscalers of agents: listed once a minute and read when their agent is looked at, never watched.

Their status changes at every look of their controller, every 15 seconds for each of them; a watch would bring all of
that, and nothing hangs on the figures in it. Where KEDA scales agents, their ScaledObjects are the children, and what
is told is that of the autoscalers that KEDA makes of them, which bear our labels because ScaledObjects do.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from regent_operator.engine.children import ChildKey, Children, agent_of, key_of
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import (
    AGENTS,
    AUTOSCALERS,
    CHILD_BY_KIND,
    DEPLOYMENTS,
    OURS,
    SCALED_OBJECTS,
    Key,
    Resource,
)
from regent_operator.plan.observation import AutoscalerSeen, autoscaler_seen
from regent_operator.plan.scaledobject import MADE

log = logging.getLogger(__name__)
Object = dict[str, Any]
LIST_EVERY_SECONDS = 60.0
RETRY_SECONDS = 2.0


class Autoscalers:
    """`listed`: whether all of them were listed since this replica leads, or began. Nothing waits for it.

    `touch` is called with the agent whose autoscaler says other things than before, or was KEDA's and is gone.
    """

    def __init__(
        self,
        client: ApiClient,
        children: Children,
        namespaces: Sequence[str | None],
        touch: Callable[[Key], None],
        *,
        keda: bool = False,
    ) -> None:
        self.listed = False
        self._client = client
        self._children = children
        self._namespaces = namespaces
        self._touch = touch
        self._keda = keda
        self._seen: dict[Key, AutoscalerSeen] = {}
        self._uids: dict[ChildKey, str] = {}
        self._woken = asyncio.Event()

    def of(self, agent: Key) -> AutoscalerSeen | None:
        return self._seen.get(agent)

    def restart(self) -> None:
        """Another replica led meanwhile: what was listed is old."""
        self.listed = False
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.list()
                wait = LIST_EVERY_SECONDS
            except ApiError as error:
                log.warning("the autoscalers cannot be listed: %s", error)
                wait = error.retry_after or RETRY_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def list(self) -> None:
        """Raises ApiError."""
        resources = (AUTOSCALERS, SCALED_OBJECTS) if self._keda else (AUTOSCALERS,)
        known = self._uids | self._children.uids(resources)
        found: set[ChildKey] = set()
        for resource in resources:
            for namespace in self._namespaces:
                for item in await self._items(resource, namespace):
                    found.add(key_of(resource, item))
                    self._take(resource, item)
        for key in known.keys() - found:
            self._gone(key, known[key])
        if not self._woken.is_set():
            self.listed = True

    async def _items(self, resource: Resource, namespace: str | None) -> Sequence[Object]:
        try:
            return (await self._client.list(resource, namespace, labels=OURS)).items
        except ApiError as error:
            if resource == SCALED_OBJECTS and error.not_found:  # KEDA is not installed, or no more
                return []
            raise

    async def look(self, agent: Key, *, scaled: bool) -> ApiError | None:
        """Read what scales an agent, where anything may; why it cannot be read.

        `scaled`: whether anything should. Before all were listed, what did so before may still be there.
        """
        if not scaled and (self.listed or not self._is_left_to_one(agent)):
            return None
        try:
            await self.read(agent)
        except ApiError as error:
            return error
        return None

    def _is_left_to_one(self, agent: Key) -> bool:
        """Whether the number of pods is not ours. It is before one is made, and is ours again when that is gone."""
        deployment = self._children.get(ChildKey(DEPLOYMENTS.kind, agent.namespace, agent.name))
        return deployment is not None and not deployment.sets_replicas

    async def read(self, agent: Key) -> None:
        """Look at one agent's. Raises ApiError."""
        wanted = [(AUTOSCALERS, agent.name)]
        if self._keda:  # ours from before KEDA is known once all were listed
            before = [] if self.listed else wanted
            wanted = [(SCALED_OBJECTS, agent.name), (AUTOSCALERS, MADE + agent.name), *before]
        for resource, name in wanted:
            key = ChildKey(resource.kind, agent.namespace, name)
            known = self._uid_of(key)
            live = await self._client.get(resource, key.namespace, key.name)
            if live is not None:
                self._take(resource, live)
            elif known is not None:
                self._gone(key, known)

    def _take(self, resource: Resource, item: Object) -> None:
        key = key_of(resource, item)
        self._uids[key] = item["metadata"]["uid"]
        if not self._is_made(key):
            self._children.seen(resource, item, full=True)
        agent = self._teller_of(key)
        if agent is None:
            return
        before, now = self._seen.get(agent), autoscaler_seen(item)
        self._seen[agent] = now
        if before != now and (before is not None or self._is_made(key)):
            self._touch(agent)

    def _gone(self, key: ChildKey, uid: str) -> None:
        if self._uid_of(key) != uid:
            return
        self._uids.pop(key, None)
        agent = self._teller_of(key)
        if agent is not None:
            self._seen.pop(agent, None)
        if not self._is_made(key):
            self._children.gone(CHILD_BY_KIND[key.kind], key.namespace, key.name, uid)
        elif agent is not None:
            self._touch(agent)

    def _uid_of(self, key: ChildKey) -> str | None:
        """Of the one that is known, also where we made it since the last look: nobody else tells of its end."""
        child = self._children.get(key)
        return child.uid if child is not None else self._uids.get(key)

    def _is_made(self, key: ChildKey) -> bool:
        """Whether it is KEDA's autoscaler, which is no child of ours."""
        return self._keda and key.kind == AUTOSCALERS.kind and key.name.startswith(MADE)

    def _teller_of(self, key: ChildKey) -> Key | None:
        """The agent whose number of pods this says; None: it says none."""
        if not self._keda:
            return agent_of(key)
        return Key(AGENTS.kind, key.namespace, key.name.removeprefix(MADE)) if self._is_made(key) else None
