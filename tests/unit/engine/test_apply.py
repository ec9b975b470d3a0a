"""Whose a child is, before anything is written into it."""

from typing import Any

import pytest

from regent_operator.engine.apply import Applier
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import SERVICE_ACCOUNTS, SERVICES
from regent_operator.plan.observation import Refusal
from tests.unit.engine.fake_client import FakeClient

Object = dict[str, Any]
BODIES: tuple[Object, ...] = tuple(
    {"apiVersion": "v1", "kind": kind, "metadata": {"namespace": "n", "name": "a", "ownerReferences": []}}
    for kind in (SERVICE_ACCOUNTS.kind, SERVICES.kind)
)


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.children = Children(lambda _: None)
        self.applier = Applier(self.client, self.children)  # type: ignore[arg-type]

    def put(self, kind: str, owner: str | None, **more: Any) -> None:
        owners = [{"kind": "AIAgent", "uid": owner, "controller": True}] if owner else []
        meta = {"namespace": "n", "name": "a", "uid": f"uid-{kind}", "resourceVersion": "5", **more}
        self.client.objects[kind, "n", "a"] = {"metadata": meta | {"ownerReferences": owners}}

    @property
    def written(self) -> list[str]:
        return [call[1] for call in self.client.calls if call[0] == "apply"]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_is_not_there_is_made(scene: Scene) -> None:
    answer = scene.client.apply

    async def apply(resource: Any, obj: Object, manager: str = "regent") -> Object:
        stored = await answer(resource, obj, manager)
        return stored | {"metadata": stored["metadata"] | {"uid": "new"}}

    scene.client.apply = apply  # type: ignore[method-assign]
    outcome = await scene.applier.apply("agent", BODIES)
    assert scene.written == ["ServiceAccount", "Service"]
    assert outcome.written == {"ServiceAccount", "Service"}
    assert not outcome.conflicts


async def test_beside_a_foreign_object_nothing_new_is_made_and_ours_follow(scene: Scene) -> None:
    scene.put("Service", owner=None)
    outcome = await scene.applier.apply("agent", BODIES)
    assert outcome.conflicts == ["Service n/a"]
    assert scene.written == []
    scene.put("ServiceAccount", owner="agent")
    await scene.applier.apply("agent", BODIES)
    assert scene.written == ["ServiceAccount"]


@pytest.mark.parametrize(
    ("owner", "more", "predecessor"),
    [("predecessor", {}, True), ("agent", {"deletionTimestamp": "2026-01-01T00:00:00Z"}, False)],
    ids=["of a deleted agent of the name", "ours, being deleted"],
)
async def test_what_goes_by_itself_is_waited_for(scene: Scene, owner: str, more: Object, *, predecessor: bool) -> None:
    scene.put("ServiceAccount", owner, **more)
    outcome = await scene.applier.apply("agent", BODIES[:1])
    assert (outcome.waiting, outcome.predecessor) == (True, predecessor)
    assert scene.written == []


async def test_what_is_not_ours_is_not_deleted(scene: Scene) -> None:
    scene.put("Service", owner="another")
    scene.children.seen(SERVICES, scene.client.objects["Service", "n", "a"], full=True)
    await scene.applier.remove("agent", ChildKey("Service", "n", "a"))
    assert scene.client.calls == []


async def test_a_failure_of_transport_is_raised_as_it_is(scene: Scene) -> None:
    scene.client.failure = ApiError(503, "Unavailable", "not now")
    with pytest.raises(ApiError, match="not now"):
        await scene.applier.apply("agent", BODIES)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiError(403, "Forbidden", "exceeded quota"), "exceeded quota"),
        (
            ApiError(404, "Not Found", "404 page not found\n"),
            "it serves no Service of v1 (is what brings it installed?)",
        ),
    ],
    ids=["refused", "a kind that is not served"],
)
async def test_a_refusal_is_told_beside_the_children_that_are_taken(scene: Scene, error: ApiError, words: str) -> None:
    scene.put("ServiceAccount", owner="agent")
    answer = scene.client.apply

    async def refuses_services(resource: Any, obj: Object, manager: str = "regent") -> Object:
        if resource == SERVICES:
            raise error
        return await answer(resource, obj, manager)

    scene.client.apply = refuses_services  # type: ignore[method-assign]
    outcome = await scene.applier.apply("agent", BODIES)
    assert outcome.refused == [Refusal("Service n/a", words)]
    assert outcome.written == {"ServiceAccount"}
