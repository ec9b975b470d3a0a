"""ConfigMaps with instructions and Services of in-cluster providers: what agents refer to beside the three kinds.

Only those that an agent refers to are read, once for each version: the watches bring metadata alone. Secrets are never
read. One instance serves one resource.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import Key, Resource, version_of
from regent_operator.plan.inputs import ServiceFacts
from regent_operator.plan.remembered import Remembered, Shared

Object = dict[str, Any]
Name = tuple[str, str]
"""Namespace, name."""


class Found(dict[str, Any]):
    """An object as it was read. What is made of it is remembered for as long as it is kept."""


_uses: Shared[frozenset[Name]] = Shared()
"""Agents of one route mostly refer to the same."""


class References:
    """Observer of a collection of which a few members matter. `touch` is called with each agent that uses one."""

    def __init__(
        self, client: ApiClient, resource: Resource, touch: Callable[[Key], None], watched: Callable[[str], bool]
    ) -> None:
        self._watched = watched
        self._client = client
        self._resource = resource
        self._touch = touch
        self._read: dict[Name, Found | None] = {}
        self._stale: set[Name] = set()
        self._users: dict[Name, set[Key]] = defaultdict(set)
        self._uses: dict[Key, frozenset[Name]] = {}

    def use(self, agent: Key, names: frozenset[Name]) -> None:
        """These are all that the agent refers to now; what nobody refers to any more is forgotten."""
        before = self._uses.get(agent, frozenset())
        for name in before - names:
            self._users[name].discard(agent)
            if not self._users[name]:
                del self._users[name]
                self._read.pop(name, None)
                self._stale.discard(name)
        for name in names:
            self._users[name].add(agent)
        if names:
            self._uses[agent] = _uses.of(*sorted(names), make=lambda: names)
        else:
            self._uses.pop(agent, None)

    async def read(self, name: Name) -> Found | None:
        """The object as of its newest version that we heard of; None: there is none. Raises ApiError.

        In a namespace that is not watched it is read each time; where we may not read, there is none for us.
        """
        if not self._watched(name[0]):
            return await self._read_unwatched(name)
        while name not in self._read:
            self._stale.discard(name)
            obj = await self._get(name)
            if name not in self._stale:
                self._read[name] = obj
                if name not in self._users:
                    return self._read.pop(name)
        return self._read[name]

    async def _read_unwatched(self, name: Name) -> Found | None:
        try:
            return await self._get(name)
        except ApiError as error:
            if error.status == 403:
                return None
            raise

    async def _get(self, name: Name) -> Found | None:
        obj = await self._client.get(self._resource, *name)
        return None if obj is None else Found(obj)

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        del resource, full
        name = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        held = self._read.get(name)
        if held is None or version_of(held) < version_of(obj):
            self._changed(name)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        del resource
        held = self._read.get((namespace, name))
        if held is None or held["metadata"]["uid"] == uid:
            self._changed((namespace, name))

    def touch_users(self, name: Name) -> None:
        """Something beside the object changed that matters to those who refer to it."""
        for agent in tuple(self._users.get(name, ())):
            self._touch(agent)

    def _changed(self, name: Name) -> None:
        if name in self._users:
            self._read.pop(name, None)
            self._stale.add(name)
            self.touch_users(name)


def service_facts(service: Found | None, named: Mapping[str, tuple[int, ...]]) -> ServiceFacts | None:
    """What a plan wants to know of a core/v1 Service: TCP ports alone. Of the same object always the same.

    `named`: name of a port of the Service -> the numbers behind its named target port, as far as they are known.
    """
    if service is None:
        return None
    return _facts.of(service, also=frozenset(named.items()), make=lambda: _facts_of(service, named))


_facts: Remembered[ServiceFacts] = Remembered()


def _facts_of(service: Object, named: Mapping[str, tuple[int, ...]]) -> ServiceFacts:
    spec = service.get("spec") or {}
    ports = [port for port in spec.get("ports") or [] if port.get("protocol", "TCP") == "TCP"]
    return ServiceFacts(
        selector=spec.get("selector") or {},
        target_ports={port["port"]: _target(port, named) for port in ports},
        external_name=spec.get("type") == "ExternalName",
    )


def _target(port: Object, named: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    target = port.get("targetPort") or port["port"]
    return (target,) if isinstance(target, int) else named.get(port.get("name") or "", ())
