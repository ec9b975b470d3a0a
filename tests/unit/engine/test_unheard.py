"""Hands at an agent's children while it is looked at, also where no watch tells of them: one by our label says that an
object is gone when it loses the label, and nothing of it after that.
"""

import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from regent_operator.engine.apply import Applier, Outcome
from regent_operator.engine.children import Children
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import (
    CHILD_BY_KIND,
    CONFIG_MAPS,
    OURS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)

Object = dict[str, Any]
AGENT = "agent"
KINDS = tuple(resource.kind for resource in (SERVICE_ACCOUNTS, CONFIG_MAPS, SERVICES))
LABELS = dict([OURS.split("=")])
SCHEDULES = 300
LOOKS = 4
"""One for each thing that a hand can have done to a child unheard, and one that finds nothing to do."""


def owners(uid: str | None) -> list[Object]:
    return [{"kind": "AIAgent", "uid": uid, "controller": True}] if uid else []


BODIES: tuple[Object, ...] = tuple(
    {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"namespace": "n", "name": "a", "labels": LABELS, "ownerReferences": owners(AGENT)},
    }
    for kind in KINDS
)
FIELDS = {"f:metadata": {"f:labels": {f"f:{name}": {} for name in LABELS}, "f:ownerReferences": {}}}
APPLIED = {"managedFields": [{"manager": "regent", "operation": "Apply", "time": "t", "fieldsV1": FIELDS}]}


class Scene:
    """Children of one agent on a server, in whose requests others write, and the events that a watch still has to tell.

    `meanwhile` is called before and after each thing that the server does.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.meanwhile: Callable[[], object] = lambda: None
        self.children = Children(lambda _: None)
        self.applier = Applier(self, self.children)  # type: ignore[arg-type]
        self._events: deque[tuple[str, Object | None, str]] = deque()
        self._version = 100

    async def get(self, resource: Resource, _namespace: str, _name: str) -> Object | None:
        self.meanwhile()
        found = self.objects.get(resource.kind)
        self.meanwhile()
        return found

    async def apply(self, resource: Resource, body: Object) -> Object:
        self.meanwhile()
        live, meta = self.objects.get(resource.kind), dict(body["metadata"])
        uid = live["metadata"]["uid"] if live else None
        if meta.pop("uid", uid) != uid or (meta.pop("resourceVersion", None) and live):
            raise ApiError(409, "Conflict", "another is there, or none")
        self.put(resource.kind, **{**meta, **APPLIED})
        stored = self.objects[resource.kind]
        self.meanwhile()
        return stored

    def put(self, kind: str, **metadata: Any) -> None:
        """What is said here of an object, and what was said of it before."""
        self._version += 1
        before = self.objects.get(kind)
        about = before["metadata"] if before else {"namespace": "n", "name": "a", "uid": f"{kind}-{self._version}"}
        self._replace(kind, {"metadata": {**about, **metadata, "resourceVersion": str(self._version)}})

    def delete(self, kind: str) -> None:
        self._replace(kind, None)

    def hear(self) -> None:
        """One event."""
        if self._events:
            kind, obj, uid = self._events.popleft()
            if obj:
                self.children.seen(CHILD_BY_KIND[kind], obj, full=False)
            else:
                self.children.gone(CHILD_BY_KIND[kind], "n", "a", uid)

    async def look(self) -> Outcome:
        """After all that the watch has to tell."""
        while self._events:
            self.hear()
        return await self.applier.apply(AGENT, BODIES)

    def _replace(self, kind: str, now: Object | None) -> None:
        before = self.objects.pop(kind, None)
        if now:
            self.objects[kind] = now
        if now and now["metadata"].get("labels"):
            self._events.append((kind, now, ""))
        elif before and before["metadata"].get("labels"):
            self._events.append((kind, None, before["metadata"]["uid"]))


@pytest.fixture
async def scene() -> Scene:
    """All that is planned is there."""
    made = Scene()
    await made.look()
    assert await made.look() == Outcome()
    return made


async def test_a_child_that_went_without_its_label_between_a_read_and_a_write_is_made_again(scene: Scene) -> None:
    scene.put("Service", labels={})
    steps = iter(range(4))  # the write that is refused, the read, its answer, and the write into what was read
    scene.meanwhile = lambda: scene.delete("Service") if next(steps, 0) == 3 else None
    with pytest.raises(ApiError, match="none"):
        await scene.look()
    assert (await scene.look()).written == {"Service"}
    assert await scene.look() == Outcome()


@pytest.mark.parametrize("owner", [None, "predecessor"])
async def test_what_stood_in_a_child_s_place_without_our_label_is_gone_when_it_is_gone(
    scene: Scene, owner: str | None
) -> None:
    """It bears fields that we applied: a child of ours whose owner and label a hand took away, say."""
    scene.put("Service", labels={}, ownerReferences=owners(owner))
    outcome = await scene.look()
    assert (outcome.conflicts, outcome.waiting) == ([] if owner else ["Service n/a"], bool(owner))
    scene.delete("Service")
    assert (await scene.look()).written == {"Service"}


async def test_whatever_hands_do_and_whenever_watches_tell_of_it_the_children_are_there_in_the_end() -> None:
    for seed in range(SCHEDULES):
        rng, scene = random.Random(seed), Scene()

        def hand(rng: random.Random = rng, scene: Scene = scene) -> None:
            kind = rng.choice(KINDS)
            match rng.choice(("nothing", "nothing", "event", "event", "event", "label", "owner", "delete", "put")):
                case "event":
                    scene.hear()
                case "label" if kind in scene.objects:
                    scene.put(kind, labels={})
                case "owner" if kind in scene.objects:
                    scene.put(kind, ownerReferences=owners(rng.choice((None, "predecessor"))))
                case "delete":
                    scene.delete(kind)
                case "put" if kind not in scene.objects:
                    scene.put(kind)

        scene.meanwhile = hand
        for _ in range(10):
            with suppress(ApiError):
                await scene.applier.apply(AGENT, BODIES)
        scene.meanwhile = lambda: None
        for kind, obj in list(scene.objects.items()):
            if obj["metadata"].get("ownerReferences") != owners(AGENT):
                scene.delete(kind)
        outcomes = []
        for _ in range(LOOKS):
            with suppress(ApiError):
                outcomes.append(await scene.look())
        assert outcomes[-1] == Outcome(), seed
        made = [scene.objects[kind]["metadata"] for kind in KINDS]
        assert [(meta["labels"], meta["ownerReferences"]) for meta in made] == [(LABELS, owners(AGENT))] * 3, seed
