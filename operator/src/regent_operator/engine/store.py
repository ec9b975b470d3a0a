"""What is known of the three kinds, and which keys an event on one object touches.

Fed from two sides (kopf's watches; our own lists and the answers to our own writes), so it takes them in any order: an
older version never replaces a newer one, and a uid that was reported as gone never comes back.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from regent_api.objects import AgentPolicy, AIAgent, Invalid, Metadata, ModelRoute, Valid, parse
from regent_operator.engine.packed import PackedStatus
from regent_operator.engine.queue import Priority
from regent_operator.engine.resources import (
    AGENTS,
    BY_KIND,
    POLICIES,
    ROUTES,
    SPECS,
    Key,
    Resource,
    version_of,
    where_is,
)
from regent_operator.engine.scope import Scope
from regent_operator.plan.status import AgentFigures

Object = dict[str, Any]
MOST_TOMBSTONES = 20_000


class Touch(Protocol):
    def __call__(self, key: Key, priority: Priority) -> None: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """`object` stays the very same while only the status moves: readings of it are remembered by identity."""

    object: Valid[Any] | Invalid
    version: int
    status: PackedStatus
    """Most of an object's memory would be its status, and it is looked at once a reconcile."""

    @property
    def metadata(self) -> Metadata:
        return self.object.metadata


class Store:
    def __init__(self, scope: Scope, touch: Touch) -> None:
        self.scope = scope
        self.complete: set[str] = set()
        """Kinds of which a whole list has been taken in."""
        self.newest_agent = 0
        """The latest version of an AIAgent that was heard of."""
        self._touch = touch
        self._objects: dict[Key, Stored] = {}
        self._names: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._policies: dict[str, tuple[AgentPolicy | Invalid, ...]] = {}
        """By namespace of agents, until a policy changes: each agent's plan holds all of them."""
        self._agents_of_route: dict[Key, set[Key]] = defaultdict(set)
        self._figures: dict[Key, AgentFigures] = {}
        self._users: dict[Key, set[Key]] = defaultdict(set)
        self._tombstones: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def get(self, key: Key) -> Stored | None:
        return self._objects.get(key)

    def keys(self, kind: str | None = None) -> list[Key]:
        return [key for key in self._objects if kind is None or key.kind == kind]

    def agents(self, namespace: str | None = None) -> Iterator[Key]:
        """Keys of the agents that exist, of one namespace or of all that we manage."""
        if namespace is None:
            return (key for key in self._objects if key.kind == AGENTS.kind)
        return (Key(AGENTS.kind, namespace, name) for name in self._names.get((AGENTS.kind, namespace), ()))

    def policies_for(self, namespace: str) -> tuple[AgentPolicy | Invalid, ...]:
        """Every policy of the operator's namespace and of the given one, in a stable order; mostly the very same."""
        known = self._policies.get(namespace)
        if known is None:
            known = self._policies_of(namespace)
            if (AGENTS.kind, namespace) in self._names:  # nobody would forget it otherwise
                self._policies[namespace] = known
        return known

    def _policies_of(self, namespace: str) -> tuple[AgentPolicy | Invalid, ...]:
        spaces = sorted({namespace, self.scope.own})
        keys = (
            Key(POLICIES.kind, space, name)
            for space in spaces
            for name in sorted(self._names.get((POLICIES.kind, space), ()))
        )
        return tuple(cast("AgentPolicy | Invalid", self._objects[key].object) for key in keys)

    def route(self, namespace: str, name: str) -> ModelRoute | Invalid | None:
        stored = self._objects.get(Key(ROUTES.kind, namespace, name))
        return cast("ModelRoute | Invalid", stored.object) if stored else None

    def figures_of_users(self, key: Key) -> Iterable[AgentFigures]:
        """Figures of the agents that use a policy or route, by agent."""
        return [self._figures[user] for user in sorted(self._users.get(key, ()))]

    def seen(self, resource: Resource, obj: Object, *, full: bool = True, meant: Object | None = None) -> None:
        """The object exists as it is here.

        `meant`: it answers our own write of this status; if that is what it bears, nobody needs to look at it.
        """
        if not full:
            raise ValueError(f"{resource.plural} are watched whole: plans are made of their specs")
        kind, meta = resource.kind, obj["metadata"]
        key = Key(kind, *where_is(meta))
        if not self._concerns(key) or meta["uid"] in self._tombstones:
            return
        if kind == AGENTS.kind:
            self.newest_agent = max(self.newest_agent, version_of(obj))
        before = self._objects.get(key)
        same = before is not None and before.metadata.uid == meta["uid"]
        if before is not None and version_of(obj) <= before.version:
            return
        status = PackedStatus.of(obj.get("status") or {})
        if before is not None and same and _unchanged(before.metadata, meta):
            self._objects[key] = Stored(before.object, version_of(obj), status)
            if status != before.status and obj.get("status") != meant:
                self._touch(key, Priority.RESYNC)
            return
        if before is not None and not same:
            self._bury(before.metadata.uid)
        self._put(key, Stored(parse(obj, SPECS[kind]), version_of(obj), status), before)
        self._touch_affected(key, Priority.EDIT)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """The object of this uid does not exist any more."""
        self._bury(uid)
        kind = resource.kind
        key = Key(kind, namespace, name)
        stored = self._objects.get(key)
        if stored is None or stored.metadata.uid != uid:
            return
        del self._objects[key]
        self._names[kind, namespace].discard(name)
        if kind == POLICIES.kind:
            self._policies.clear()
        if not self._names[kind, namespace]:
            del self._names[kind, namespace]
            if kind == AGENTS.kind:
                self._policies.pop(namespace, None)
        self._unlink(key, stored)
        self._touch_affected(key, Priority.EDIT)
        if kind == AGENTS.kind:
            self.set_figures(key, None)

    def took_list(self, resource: Resource) -> None:
        """All of a whole, consistent list of a kind (of everything that the scope reads) was seen."""
        self.complete.add(resource.kind)

    @property
    def ready(self) -> bool:
        """Whether all three kinds were listed: before that, planning would take what is missing for absent."""
        return self.complete >= set(BY_KIND)

    def set_figures(self, agent: Key, figures: AgentFigures | None) -> None:
        """Remember what an agent means to policies and routes, and touch those for which that changed.

        Of one that has gone meanwhile nothing is remembered: nobody would ever forget it.
        """
        if agent not in self._objects:
            figures = None
        before = self._figures.get(agent)
        if before == figures:
            return
        old, new = _used(before), _used(figures)
        for key in old - new:
            self._users[key].discard(agent)
            if not self._users[key]:
                del self._users[key]
        for key in new - old:
            self._users[key].add(agent)
        if figures is None:
            del self._figures[agent]
        else:
            self._figures[agent] = figures
        for key in old | new:
            self._touch(key, Priority.FOLLOW)

    def forget_figures(self) -> None:
        """What agents mean to policies and routes is not known any more; nobody is told."""
        self._figures.clear()
        self._users.clear()

    def touch_all(self, priority: Priority) -> None:
        for key in self._objects:
            self._touch(key, priority)

    def touch_namespace(self, namespace: str) -> None:
        """The namespace's labels changed: a floor policy may match now, or no more."""
        for key in list(self.agents(namespace)):
            self._touch(key, Priority.EDIT)

    def _concerns(self, key: Key) -> bool:
        return self.scope.reads(key.namespace) if key.kind == POLICIES.kind else self.scope.manages(key.namespace)

    def _put(self, key: Key, stored: Stored, before: Stored | None) -> None:
        if before is not None:
            self._unlink(key, before)
        self._objects[key] = stored
        self._names[key.kind, key.namespace].add(key.name)
        if key.kind == POLICIES.kind:
            self._policies.clear()
        if key.kind == AGENTS.kind and isinstance(stored.object, Valid):
            self._agents_of_route[_route_of(stored.object)].add(key)

    def _unlink(self, key: Key, stored: Stored) -> None:
        if key.kind == AGENTS.kind and isinstance(stored.object, Valid):
            users = self._agents_of_route[_route_of(stored.object)]
            users.discard(key)
            if not users:
                del self._agents_of_route[_route_of(stored.object)]

    def _bury(self, uid: str) -> None:
        self._tombstones[uid] = None
        if len(self._tombstones) > MOST_TOMBSTONES:
            self._tombstones.popitem(last=False)

    def _touch_affected(self, key: Key, priority: Priority) -> None:
        self._touch(key, priority)
        for agent in self._affected(key):
            self._touch(agent, priority)

    def _affected(self, key: Key) -> list[Key]:
        """The agents whose plan may look at the object."""
        if key.kind == ROUTES.kind:
            return list(self._agents_of_route.get(key, ()))
        if key.kind == POLICIES.kind:
            return list(self.agents(None if key.namespace == self.scope.own else key.namespace))
        return []


def _route_of(agent: AIAgent) -> Key:
    return Key(ROUTES.kind, agent.metadata.namespace, agent.spec.model_route_ref.name)


def _used(figures: AgentFigures | None) -> set[Key]:
    if figures is None:
        return set()
    return {
        Key(kind, *name.split("/", 1))
        for kind, names in ((POLICIES.kind, list(figures.policies)), (ROUTES.kind, [figures.route]))
        for name in names
    }


def _unchanged(before: Metadata, meta: Mapping[str, Any]) -> bool:
    """Whether nothing but the status moved."""
    return (
        before.generation == meta.get("generation", 0)
        and before.labels == (meta.get("labels") or {})
        and before.deleting == ("deletionTimestamp" in meta)
    )
