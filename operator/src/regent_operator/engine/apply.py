"""How a child comes to be as planned: never by a write into a foreign object, and nothing twice.

- A child that nobody has told us of is made, on the condition that there is none: server-side apply would otherwise
  write into whatever bears the name. Where that is refused, it is read, and goes on as one that is known.
- Ours is applied with its uid, and only when the fields that we own differ from those that we want.
- Ours is what the agent's uid controls. An object of a deleted agent of the same name goes by itself: wait for it.
- What others put into a child beside our fields is cut away, since an apply leaves it standing.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from regent_api.objects import Metadata
from regent_operator.engine.children import Child, ChildKey, Children, Kinds, key_of
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.handover import KEEPER, is_due, is_open, number_alone, with_replicas
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import CHILD_BY_KIND, DEPLOYMENTS, NETWORK_POLICIES, UNWATCHED, Resource
from regent_operator.engine.together import together
from regent_operator.plan.observation import Refusal

log = logging.getLogger(__name__)
Object = dict[str, Any]
NOBODYS_VERSION = "1"
"""As the version of what is applied: a condition that no object fulfils, and that is not asked of one that is made.

The API server makes what is not there before it compares versions, and compares them before it writes into what is
there (`Store.Update` in apiserver's registry/generic). Versions are those of etcd, one more with each write, and
whatever lies in a namespace was written after the namespace. 0 would be no condition.
"""
SCALED = frozenset(resource.kind for resource in (DEPLOYMENTS, *UNWATCHED))
"""The Deployment and what says how many pods it has."""
IDENTITY_FIELDS = frozenset({"apiVersion", "kind", "metadata", "status"})


@dataclass
class Outcome:
    """What applying an agent's children came to. Names are KIND NAMESPACE/NAME."""

    conflicts: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    waiting: bool = False
    """Children of a predecessor, or children that are being deleted, are still there."""
    predecessor: bool = False
    held_back: bool = False
    """A new version of the Deployment waits for its wave."""
    written: set[str] = field(default_factory=set)
    """Kinds that were written."""
    healed: list[str] = field(default_factory=list)
    """Children that were not as we had left them."""
    failed: ApiError | None = None
    """Of transport, at one child (somebody's webhook that is down, say): the others were written nevertheless."""
    unread: ApiError | None = None
    """Why it is not known what scales the agent."""

    @property
    def smooth(self) -> bool:
        """Whether nothing kept a child from being as it was to be, nor from being known."""
        kept = self.conflicts or self.refused or self.waiting or self.predecessor
        return not (kept or self.failed or self.unread)


class Applier:
    def __init__(self, client: ApiClient, children: Children) -> None:
        self._client = client
        self._children = children
        self._wanted: dict[ChildKey, bytes] = {}
        self._failing: set[ChildKey] = set()
        """At which the last try failed."""

    async def apply(
        self,
        uid: str,
        bodies: tuple[Object, ...],
        replicas: int = 1,
        absent: tuple[ChildKey, ...] = (),
        unread: ApiError | None = None,
    ) -> Outcome:
        """Bring the children of the agent with this uid to what is planned. Raises ApiError for transport only.

        `replicas`: what an autoscaler begins with, where the Deployment leaves it to one.
        `absent`: what must not exist. It goes when all else but the number of pods is written, so that whoever keeps it
        from going holds back no policy; beside an autoscaler that stays, the number is left to that.
        `unread`: why it is not known what scales the agent. Then no autoscaler is made or changed, and no number.
        Beside a foreign object nothing more is made; children that are ours already follow the plan nevertheless, so
        that a name conflict cannot hold back a tighter policy. Neither can a child at which the API server fails
        (`Outcome.failed`): when it does so again, it counts as refused. Nothing but an end of all pods comes of the
        Deployment then, and none is made without its walls.
        """
        outcome = Outcome(unread=unread)
        found = list(zip(bodies, await together(map(self._look, bodies)), strict=True))
        for body, child in found:
            self._judge(uid, body, child, outcome)
        for body, child in found:
            if body["kind"] not in SCALED:
                await self._follow(uid, body, child, replicas, outcome)
        kept = [key.kind for key in absent if not await self._remove(uid, key, outcome)]
        if SCALED.isdisjoint(kept) and (outcome.failed is None or replicas == 0):
            unwalled = any(refusal.child.startswith(NETWORK_POLICIES.kind) for refusal in outcome.refused)
            for body, child in found:
                waits = (unwalled and child is None) or (unread is not None and _scales(body, child, replicas))
                if body["kind"] in SCALED and not waits:
                    await self._follow(uid, body, child, replicas, outcome)
        return outcome

    async def _follow(self, uid: str, body: Object, child: Child | None, replicas: int, outcome: Outcome) -> None:
        key = key_of(CHILD_BY_KIND[body["kind"]], body)
        try:
            if child is not None and _is_of(uid, child):
                await self._bring(body, child, replicas, outcome)
            elif child is None and not outcome.conflicts:
                await self._make(uid, body, replicas, outcome)
        except ApiError as error:
            self._note_failure(key, error, outcome)
        else:
            self._failing.discard(key)

    def _note_failure(self, key: ChildKey, error: ApiError, outcome: Outcome) -> None:
        """Raises it where the API server itself cannot be asked."""
        if error.status < 500:
            raise error
        outcome.failed = outcome.failed or error
        if key in self._failing:
            outcome.refused.append(Refusal(str(key), error.message))
        self._failing.add(key)

    async def _remove(self, uid: str, key: ChildKey, outcome: Outcome) -> bool:
        """Delete the child if it is ours; whether it is on its way."""
        child = self._children.get(key)
        if child is None or not _is_of(uid, child):
            return True
        resource = CHILD_BY_KIND[key.kind]
        try:
            await self._client.delete(resource, key.namespace, key.name, child.uid)
        except ApiError as error:
            if error.of_transport:
                self._note_failure(key, error, outcome)
            else:
                outcome.refused.append(Refusal(str(key), error.message))
            return False
        self._failing.discard(key)
        if resource in UNWATCHED:  # no watch will tell
            self._children.gone(resource, key.namespace, key.name, child.uid)
        return True

    def stand(self, agent: Metadata, present: Kinds, absent: Kinds) -> bool:
        """Whether each child of the agent holds what was wanted of it last, and none is there that must not be."""
        uid, namespace, name = agent.uid, agent.namespace, agent.name
        return all(self._stands(uid, ChildKey(kind, namespace, name)) for kind in present) and not any(
            self._is_ours(uid, ChildKey(kind, namespace, name)) for kind in absent
        )

    def _stands(self, uid: str, key: ChildKey) -> bool:
        child, wanted = self._children.get(key), self._wanted.get(key)
        return child is not None and wanted is not None and self._is_ours(uid, key) and child.holds(wanted)

    def _is_ours(self, uid: str, key: ChildKey) -> bool:
        child = self._children.get(key)
        return child is not None and _is_of(uid, child)

    def forget(self, namespace: str, name: str) -> None:
        """The agent is gone."""
        for kind in CHILD_BY_KIND:
            key = ChildKey(kind, namespace, name)
            self._wanted.pop(key, None)
            self._failing.discard(key)
            self._children.forget_untold(key)

    def forget_all(self) -> None:
        """Another replica may have written since: what differs is no drift from what we wanted."""
        self._wanted.clear()
        self._failing.clear()

    async def _look(self, body: Object) -> Child | None:
        """The live child, as far as we were told of one; read when it is not known what it holds.

        Of an autoscaler's nobody asks again: it was read for this look, or cannot be.
        """
        resource = CHILD_BY_KIND[body["kind"]]
        child = self._children.get(key_of(resource, body))
        return child if child is None or child.known or resource in UNWATCHED else await self._read(body)

    async def _read(self, body: Object) -> Child | None:
        resource = CHILD_BY_KIND[body["kind"]]
        key = key_of(resource, body)
        live = await self._children.answer(key, self._client.get(resource, key.namespace, key.name))
        return self._children.read(resource, live) if live is not None else None

    def _judge(self, uid: str, body: Object, child: Child | None, outcome: Outcome) -> None:
        if child is None:
            return
        key = key_of(CHILD_BY_KIND[body["kind"]], body)
        if child.owner == uid:
            outcome.waiting |= child.deleting
        elif child.owner:
            outcome.waiting = outcome.predecessor = True
        else:
            outcome.conflicts.append(str(key))

    async def _make(self, uid: str, body: Object, replicas: int, outcome: Outcome) -> None:
        """Where one is there nevertheless, whose it is decides on what is done with it."""
        try:
            await self._bring(body, None, replicas, outcome)
        except ApiError as error:
            if error.status != 409:
                raise
            child = await self._read(body)
            if child is None:
                raise
            self._judge(uid, body, child, outcome)
            if _is_of(uid, child):
                await self._bring(body, child, replicas, outcome)

    async def _bring(self, body: Object, child: Child | None, replicas: int, outcome: Outcome) -> None:
        resource = CHILD_BY_KIND[body["kind"]]
        key, wanted = key_of(resource, body), wanted_hash(body)
        due = is_due(body, child, self._children.deployment(key.namespace, key.name))
        if child is not None and child.holds(wanted) and not due:
            self._wanted[key] = child.owned if child.owned == wanted else wanted  # equal, and there once
            return
        drifted = child is not None and self._wanted.get(key) == wanted
        try:
            if due:
                child = await self._hand_over(resource, body, child, replicas)
            if child is not None or not due:
                child = await self._write(resource, body, child, wanted)
        except ApiError as error:
            if error.of_transport:
                raise
            outcome.refused.append(Refusal(str(key), _words(error, body)))
            return
        if child is None:  # the next look makes it
            return
        self._wanted[key] = wanted
        outcome.written.add(resource.kind)
        if drifted:
            log.info("%s was changed by another's hand and is put right", key)
            outcome.healed.append(str(key))

    async def _hand_over(self, resource: Resource, body: Object, child: Child | None, replicas: int) -> Child | None:
        """Let KEEPER hold the number of pods, in a Deployment that is as planned; None: it is gone already.

        Admission judges the whole that a write would leave: a number would be refused with what stands there still.
        """
        whole = with_replicas(body, replicas)
        child = await self._write(resource, whole, child, wanted_hash(whole))
        if child is None:
            return None
        number = self._client.apply(resource, number_alone(body, child.uid, replicas), KEEPER)
        answer = await self._children.answer(key_of(resource, body), number)
        return self._children.read(resource, answer) if answer is not None else None

    async def _write(self, resource: Resource, body: Object, child: Child | None, wanted: bytes) -> Child | None:
        """None: it is gone already."""
        key = key_of(resource, body)
        if child is None or wanted not in {child.owned, child.applied}:
            condition = {"uid": child.uid} if child else {"resourceVersion": NOBODYS_VERSION}
            self._children.writing(key)
            written = self._client.apply(resource, _with_metadata(body, **condition))
            answer = await self._children.answer(key, written)
            if answer is None:
                return None
            child = self._children.wrote(resource, answer, wanted, stripped=False)
        if child.intruded:
            answer = await self._children.answer(key, self._strip(resource, body, child))
            if answer is None:
                return None
            child = self._children.wrote(resource, answer, wanted, stripped=True)
        return child

    async def _strip(self, resource: Resource, body: Object, child: Child) -> Object:
        """Replace each part of the object by ours alone; what the API server fills in, it fills in again."""
        meta = body["metadata"]
        live = await self._client.get(resource, meta["namespace"], meta["name"])
        if live is None or live["metadata"]["uid"] != child.uid:
            raise ApiError(409, "Conflict", f"{key_of(resource, body)} was replaced meanwhile")
        patch: list[Object] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/metadata/ownerReferences", "value": meta["ownerReferences"]},
        ]
        if is_open(body):
            body = with_replicas(body, live["spec"]["replicas"])
        for name in sorted((set(live) | set(body)) - IDENTITY_FIELDS):
            path = f"/{name}"
            if name in body:
                patch.append({"op": "add", "path": path, "value": body[name]})
            else:
                patch.append({"op": "remove", "path": path})
        return await self._client.json_patch(resource, meta["namespace"], meta["name"], patch)


def _words(error: ApiError, body: Object) -> str:
    """Of a kind that the API server does not serve it says that there is no such page."""
    if error.message.startswith("404 page not found"):
        return f"it serves no {body['kind']} of {body['apiVersion']} (is what brings it installed?)"
    return error.message


def _scales(body: Object, child: Child | None, replicas: int) -> bool:
    """Whether the body could change how many pods there are, of those that something else may scale.

    A Deployment that leaves the number to that keeps it, and one without pods is at rest whatever scales it.
    """
    return body["kind"] != DEPLOYMENTS.kind or not (child is None or is_open(body) or replicas == 0)


def _is_of(uid: str, child: Child) -> bool:
    """Whether the child is the agent's with this uid, and stays."""
    return child.owner == uid and not child.deleting


def _with_metadata(body: Object, **more: str) -> Object:
    return body | {"metadata": body["metadata"] | more}
