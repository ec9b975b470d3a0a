"""What is known of the children on the API server: enough to tell "nothing to do" from drift without reading again.

The quiet kinds are watched by metadata alone: a version that we did not write means that the content is unknown until
it is read or applied again. Deployments are watched whole, because their status counts.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from sys import intern
from typing import Any, NamedTuple

from regent_api.config import CONFIG_KEY
from regent_api.seal import SEAL_KEY
from regent_operator.engine.ownership import fingerprint, hash_of, owned_hash, sets_replicas
from regent_operator.engine.packed import PackedConfig
from regent_operator.engine.resources import (
    AGENTS,
    CHILD_BY_KIND,
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    OURS,
    UNWATCHED,
    Key,
    Resource,
    version_of,
    where_is,
)
from regent_operator.plan.deployment import AGENTS_FLAGS
from regent_operator.plan.observation import DeploymentSeen, deployment_seen

Object = dict[str, Any]
Program = bytes
"""Hash of the command line but for what is the agent's: it names image, keys and collector. All should run the same."""
Kinds = tuple[str, ...]
"""Of an agent's children, which all bear its name."""


class ChildKey(NamedTuple):
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Child:
    """A live object. `owner` is the uid of the AIAgent that controls it; empty: none does.

    `owned` hashes the live values of our fields; None: unknown at this version. `applied` is the hash of the body that
    brought the object to this content, `tolerated` the intrusion that stood there right after our own write: an
    admission webhook puts it there, and fighting it would never end.
    """

    uid: str
    version: int
    generation: int
    """Of the spec; 0 for kinds that count none."""
    owner: str
    deleting: bool
    entry: bytes | None
    intrusion: bytes
    """Of its Fingerprint."""
    sets_replicas: bool = False
    """Of a Deployment: whether we hold how many pods there are."""
    owned: bytes | None = None
    applied: bytes | None = None
    tolerated: bytes = b""

    def holds(self, wanted: bytes) -> bool:
        """Whether the object is exactly as wanted, so that no write is needed."""
        return wanted in {self.owned, self.applied} and not self.intruded

    @property
    def intruded(self) -> bool:
        return self.intrusion not in {b"", self.tolerated}

    @property
    def known(self) -> bool:
        return self.owned is not None or self.applied is not None


class Children:
    """Observer of the child collections. `touch` is called with the agent whose child changed by another's hand."""

    def __init__(self, touch: Callable[[Key], None]) -> None:
        self._touch = touch
        self._children: dict[ChildKey, Child] = {}
        self._deployments: dict[ChildKey, DeploymentSeen] = {}
        self._programs: dict[ChildKey, Program | None] = {}
        self._configs: dict[ChildKey, PackedConfig] = {}
        self._seals: dict[ChildKey, tuple[int, str | None]] = {}
        self._asked: dict[ChildKey, set[str]] = {}
        """Children that a request is out about -> uids that went since."""
        self._untold: dict[ChildKey, None] = {}
        """Children that only an answer has told of: their watch will, within moments, if they bear our label."""
        self._lists: dict[str, int] = {}
        """By kind: how often its watch lost its place."""

    def __len__(self) -> int:
        return len(self._children)

    def get(self, key: ChildKey) -> Child | None:
        return self._children.get(key)

    def uids(self, resources: Iterable[Resource]) -> dict[ChildKey, str]:
        kinds = {resource.kind for resource in resources}
        return {key: child.uid for key, child in self._children.items() if key.kind in kinds}

    def deployment(self, namespace: str, name: str) -> DeploymentSeen | None:
        return self._deployments.get(ChildKey(DEPLOYMENTS.kind, namespace, name))

    def program(self, namespace: str, name: str) -> Program | None:
        """Of the agent's live Deployment; None: there is none."""
        return self._programs.get(ChildKey(DEPLOYMENTS.kind, namespace, name))

    def written_config(self, namespace: str, name: str) -> str | None:
        """The AgentConfig that we wrote last, since we lead; None: none, or it is not known how our write ended."""
        config = self._configs.get(ChildKey(CONFIG_MAPS.kind, namespace, name))
        return config.text if config is not None else None

    def seal_is_known(self, key: ChildKey) -> bool:
        """Whether the ConfigMap's present version was read."""
        child, held = self._children.get(key), self._seals.get(key)
        return child is not None and held is not None and held[0] == child.version

    def seal(self, key: ChildKey) -> str | None:
        """The seal in the ConfigMap as it was read last; None: it holds none."""
        held = self._seals.get(key)
        return held[1] if held else None

    def forget_written(self) -> None:
        """Another replica led meanwhile, and may have written other configs."""
        self._configs.clear()

    def writing(self, key: ChildKey) -> None:
        """A write is about to leave: until it is answered, the last one may no longer be what stands there."""
        self._configs.pop(key, None)

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        """From a watch. What we wrote ourselves comes back here and changes nothing."""
        key = key_of(resource, obj)
        self._untold.pop(key, None)
        before = self._children.get(key)
        if before and before.uid != obj["metadata"]["uid"]:
            before = None
        if before and version_of(obj) <= before.version:
            return
        now = _child(obj)
        if before:
            now = self._carry_over(resource, before, now)
        if full and not now.known and key not in self._asked:  # its answer will tell
            now = replace(now, owned=owned_hash(obj))
        self._children[key] = now
        status_moved = full and self._read_body(resource, key, obj, ours=False)
        if status_moved or before is None or not now.known or not _same_content(before, now):
            self._touch(agent_of(key))

    async def answer(self, key: ChildKey, request: Awaitable[Object | None]) -> Object | None:
        """What a request about a child is answered; None too where the object went before, and its agent is touched.

        What was known before it was asked for, and is not found, is gone: no watch may tell of it.
        A watch may be quicker than the answer to our own write, and says but once that an object is gone; one that lost
        its place meanwhile may not have said it. What is asked for later counts: a watch by a label says so of an
        object that lost the label, too. Whoever asks holds the agent, so there is one such request at a time.
        """
        lists, before = self._lists.get(key.kind), self._children.get(key)
        went = self._asked[key] = set()
        try:
            obj = await request
        finally:
            del self._asked[key]
        if obj is None:
            if before is not None:
                self.gone(CHILD_BY_KIND[key.kind], key.namespace, key.name, before.uid)
            return None
        uid, child = obj["metadata"]["uid"], self._children.get(key)
        in_a_gap = lists != self._lists.get(key.kind) and (child is None or child.uid != uid)
        if uid not in went and not in_a_gap:
            return obj
        self._touch(agent_of(key))
        return None

    def listed_anew(self, resource: Resource) -> None:
        """A watch lost its place: what it has not told of may have gone unheard, and counts as not known."""
        self._lists[resource.kind] = self._lists.get(resource.kind, 0) + 1
        for key in [key for key in self._untold if key.kind == resource.kind]:
            self.forget_untold(key)

    def forget_untold(self, key: ChildKey) -> None:
        """What only an answer has told of: of an object without our label nobody will say that it is gone."""
        if key in self._untold:
            self.gone(CHILD_BY_KIND[key.kind], key.namespace, key.name, self._children[key].uid)

    def read(self, resource: Resource, obj: Object) -> Child:
        """From the answer to a read of the whole object.

        What it holds is known as long as a watch would tell of a change: one without our label is read again.
        """
        owned = owned_hash(obj) if _is_watched(obj) else None
        return self._take(resource, obj, replace(_child(obj), owned=owned), ours=False)

    def wrote(self, resource: Resource, obj: Object, wanted: bytes, *, stripped: bool) -> Child:
        """From the answer to our own write of the body that `wanted` hashes.

        `stripped`: whatever was not ours was cut away by it, so what is there nevertheless comes from admission.
        """
        now = replace(_child(obj), applied=wanted)
        if stripped:
            now = replace(now, tolerated=now.intrusion)
        return self._take(resource, obj, now, ours=True)

    def _take(self, resource: Resource, obj: Object, now: Child, *, ours: bool) -> Child:
        key = key_of(resource, obj)
        before = self._children.get(key)
        if before and before.uid == now.uid and before.version > now.version:
            if not before.known:
                tolerated = now.tolerated or before.tolerated
                before = self._children[key] = replace(self._carry_over(resource, now, before), tolerated=tolerated)
            return before
        if before and before.uid == now.uid and not now.tolerated:
            now = replace(now, tolerated=before.tolerated)
        if before is None or before.uid != now.uid:
            self._untold[key] = None
        self._children[key] = now
        self._read_body(resource, key, obj, ours=ours)
        return now

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        key = ChildKey(resource.kind, namespace, name)
        if key in self._asked:
            self._asked[key].add(uid)
        child = self._children.get(key)
        if child and child.uid == uid:
            del self._children[key]
            self._untold.pop(key, None)
            self._deployments.pop(key, None)
            self._programs.pop(key, None)
            self._configs.pop(key, None)
            self._seals.pop(key, None)
            self._touch(agent_of(key))

    @staticmethod
    def _carry_over(resource: Resource, before: Child, now: Child) -> Child:
        """Content that is known to be unchanged although the version moved."""
        now = replace(now, tolerated=before.tolerated)
        has_status = resource in {DEPLOYMENTS, DISRUPTION_BUDGETS, *UNWATCHED}
        only_status_moved = has_status and now.generation == before.generation and _same_print(before, now)
        return replace(now, owned=before.owned, applied=before.applied) if only_status_moved else now

    def _read_body(self, resource: Resource, key: ChildKey, obj: Object, *, ours: bool) -> bool:
        """Keep the little of the body that is needed later; whether a Deployment's observed state moved."""
        if resource == CONFIG_MAPS:
            seal = (obj.get("data") or {}).get(SEAL_KEY)
            self._seals[key] = (version_of(obj), None if seal is None else intern(seal))  # who made it holds it, too
        if resource == CONFIG_MAPS and ours:
            text = (obj.get("data") or {}).get(CONFIG_KEY)
            if isinstance(text, str):
                self._configs[key] = PackedConfig.of(text)
        if resource != DEPLOYMENTS:
            return False
        before, now = self._deployments.get(key), deployment_seen(obj)
        self._deployments[key] = now
        self._programs[key] = program_of(obj)
        return before != now


def key_of(resource: Resource, obj: Object) -> ChildKey:
    return ChildKey(resource.kind, *where_is(obj["metadata"]))


def program_of(deployment: Object) -> Program | None:
    """What the agent's container runs; None where a hand has left no container."""
    containers = (deployment.get("spec") or {}).get("template", {}).get("spec", {}).get("containers") or []
    if not containers:
        return None
    words = pairwise(("", *(containers[0].get("command") or ())))
    return hash_of([word for flag, word in words if AGENTS_FLAGS.isdisjoint((flag, word))])


def agent_of(key: ChildKey) -> Key:
    """Every child bears its agent's name."""
    return Key(AGENTS.kind, key.namespace, key.name)


def _child(obj: Object) -> Child:
    meta = obj["metadata"]
    seen = fingerprint(meta)
    owners = [
        owner["uid"]
        for owner in meta.get("ownerReferences") or []
        if owner.get("controller") and owner.get("kind") == AGENTS.kind
    ]
    return Child(
        uid=meta["uid"],
        version=version_of(obj),
        generation=meta.get("generation", 0),
        owner=intern(owners[0]) if owners else "",
        deleting="deletionTimestamp" in meta,
        entry=seen.entry,
        intrusion=seen.intrusion,
        sets_replicas=sets_replicas(meta),
    )


def _same_print(before: Child, now: Child) -> bool:
    return (before.entry, before.intrusion) == (now.entry, now.intrusion)


def _is_watched(obj: Object) -> bool:
    label, _, value = OURS.partition("=")
    return bool((obj["metadata"].get("labels") or {}).get(label) == value)


def _same_content(before: Child, now: Child) -> bool:
    moved = replace(before, version=now.version, entry=now.entry, intrusion=now.intrusion)
    return moved == now and before.intruded == now.intruded
