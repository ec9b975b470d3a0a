"""The HorizontalPodAutoscalers of agents: listed once a minute and read when their agent is looked at, never watched.

Their status changes at every look of their controller, every 15 seconds for each of them; a watch would bring all of
that, and nothing hangs on the figures in it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from regent_operator.engine.children import ChildKey, Children, agent_of, key_of
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import AUTOSCALERS, OURS, Key
from regent_operator.plan.observation import AutoscalerSeen, autoscaler_seen

log = logging.getLogger(__name__)
Object = dict[str, Any]
LIST_EVERY_SECONDS = 60.0
RETRY_SECONDS = 2.0


class Autoscalers:
    """`listed` is set while all of them were listed since this replica leads, or began.

    `touch` is called with the agent whose autoscaler says other things than before.
    """

    def __init__(
        self, client: ApiClient, children: Children, namespaces: Sequence[str | None], touch: Callable[[Key], None]
    ) -> None:
        self.listed = asyncio.Event()
        self._client = client
        self._children = children
        self._namespaces = namespaces
        self._touch = touch
        self._seen: dict[ChildKey, AutoscalerSeen] = {}
        self._uids: dict[ChildKey, str] = {}
        self._woken = asyncio.Event()

    def of(self, agent: Key) -> AutoscalerSeen | None:
        return self._seen.get(_key(agent))

    def restart(self) -> None:
        """Another replica led meanwhile: what was listed is old."""
        self.listed.clear()
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
        known = dict(self._uids)
        found: set[ChildKey] = set()
        for namespace in self._namespaces:
            listing = await self._client.list(AUTOSCALERS, namespace, labels=OURS)
            for item in listing.items:
                found.add(key_of(AUTOSCALERS, item))
                self._take(item)
        for key in known.keys() - found:
            self._gone(key, known[key])
        if not self._woken.is_set():
            self.listed.set()

    async def read(self, agent: Key) -> None:
        """Look at one agent's. Raises ApiError."""
        key = _key(agent)
        live = await self._client.get(AUTOSCALERS, key.namespace, key.name)
        if live is not None:
            self._take(live)
        elif key in self._uids:
            self._gone(key, self._uids[key])

    def _take(self, item: Object) -> None:
        key = key_of(AUTOSCALERS, item)
        self._children.seen(AUTOSCALERS, item, full=True)
        self._uids[key] = item["metadata"]["uid"]
        before, now = self._seen.get(key), autoscaler_seen(item)
        self._seen[key] = now
        if before is not None and before != now:
            self._touch(agent_of(key))

    def _gone(self, key: ChildKey, uid: str) -> None:
        if self._uids.get(key) == uid:
            del self._uids[key], self._seen[key]
            self._children.gone(AUTOSCALERS, key.namespace, key.name, uid)


def _key(agent: Key) -> ChildKey:
    return ChildKey(AUTOSCALERS.kind, agent.namespace, agent.name)
