"""Pods bear how many conversations they have, roughly and not too often, so that the emptiest go first."""

from collections.abc import Sequence
from typing import Any

import pytest

from regent_operator.engine.deletioncosts import PAUSE_SECONDS, DeletionCosts
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import PODS, Key
from regent_operator.plan.deletioncost import ANNOTATION
from regent_operator.plan.echo import Echo
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient, meta

AGENT = Key("AIAgent", "n", "a")
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": True}


class Scene:
    """Pods `one` and `two`; what they are given comes back as the API server would send it."""

    def __init__(self) -> None:
        self.client, self.clock = FakeClient(), Clock()
        self.pods = Pods(lambda _: None, lambda _: None)
        self.costs = DeletionCosts(self.client, self.pods, self.clock)  # type: ignore[arg-type]
        self.given: list[tuple[str, str]] = []
        self.failure: ApiError | None = None
        self.version = 10
        self.client.merge = self._merge  # type: ignore[method-assign]
        for name in ("one", "two"):
            self.show(name)

    def show(self, name: str, owners: Sequence[dict[str, Any]] = (OWNER,), **more: Any) -> None:
        self.version += 1
        about = meta(name, self.version, labels={"regent.dev/agent": "a"}, ownerReferences=[*owners], **more)
        self.pods.seen(PODS, about | {"spec": {}, "status": {"podIP": "10.0.0.1"}}, full=True)

    def say(self, **conversations: int) -> None:
        for name, number in conversations.items():
            self.pods.echoed(f"uid-{name}", Echo(f"uid-{name}", active_conversations=number))

    async def tell(self, *, several: bool = True) -> float | None:
        return await self.costs.tell(AGENT, several=several)

    async def _merge(self, resource: Any, namespace: str, name: str, patch: Any) -> Any:
        assert patch["metadata"]["uid"] == f"uid-{name}"
        if self.failure:
            raise self.failure
        self.given.append((name, patch["metadata"]["annotations"][ANNOTATION]))
        self.show(name, annotations=patch["metadata"]["annotations"])
        return patch


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_each_pod_bears_about_how_many_conversations_it_has(scene: Scene) -> None:
    scene.say(one=5, two=0)
    assert await scene.tell() is None
    assert scene.given == [("one", "4")]
    scene.say(one=7)
    assert await scene.tell() is None
    assert scene.given == [("one", "4")]


async def test_a_pod_is_given_another_cost_at_most_once_a_minute(scene: Scene) -> None:
    scene.say(one=5, two=0)
    await scene.tell()
    scene.clock.advance(20)
    scene.say(one=9)
    assert await scene.tell() == 40
    assert scene.given == [("one", "4")]
    scene.clock.advance(40)
    assert await scene.tell() is None
    assert scene.given == [("one", "4"), ("one", "8")]


async def test_the_first_pod_that_may_be_told_is_waited_for(scene: Scene) -> None:
    scene.say(one=5, two=0)
    await scene.tell()
    scene.clock.advance(20)
    scene.say(two=5)
    await scene.tell()
    scene.say(one=9, two=9)
    assert await scene.tell() == 40


async def test_a_cost_that_somebody_else_wrote_is_put_right(scene: Scene) -> None:
    scene.say(one=1, two=2)
    scene.show("two", annotations={ANNOTATION: "-100"})
    await scene.tell()
    assert scene.given == [("one", "1"), ("two", "2")]


@pytest.mark.parametrize("several", [True, False])
async def test_where_there_is_one_pod_nobody_has_to_choose(scene: Scene, several: bool) -> None:
    if several:
        scene.pods.gone(PODS, "n", "two", "uid-two")
    scene.say(one=5, two=1)
    assert await scene.tell(several=several) is None
    assert scene.given == []


async def test_a_pod_that_ends_or_is_silent_keeps_what_it_bears(scene: Scene) -> None:
    scene.show("three", deletionTimestamp="2026-01-01T00:00:00Z")
    scene.show("four", annotations={ANNOTATION: "8"})
    scene.say(one=1, two=1, three=9)
    await scene.tell()
    assert scene.given == [("one", "1"), ("two", "1")]


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_what_was_not_written_is_written_a_minute_later(scene: Scene, status: int) -> None:
    scene.say(one=5, two=0)
    scene.failure = ApiError(status, "Refused", "by somebody's webhook")
    assert await scene.tell() == PAUSE_SECONDS
    scene.failure = None
    scene.clock.advance(PAUSE_SECONDS)
    assert await scene.tell() is None
    assert scene.given == [("one", "4")]


async def test_a_pod_that_no_replica_set_controls_is_left_alone(scene: Scene) -> None:
    scene.show("stray", owners=())
    scene.say(one=1, two=2, stray=9)
    await scene.tell()
    assert scene.given == [("one", "1"), ("two", "2")]


async def test_a_new_leader_goes_by_what_the_pods_bear(scene: Scene) -> None:
    scene.say(one=5, two=0)
    await scene.tell()
    scene.show("one", annotations={ANNOTATION: "8"})
    scene.say(one=9)
    assert await scene.tell() == PAUSE_SECONDS
    scene.costs.forget_all()
    assert await scene.tell() is None
    assert scene.given == [("one", "4")]


async def test_nothing_is_kept_of_an_agent_that_is_gone(scene: Scene) -> None:
    scene.say(one=5, two=0)
    await scene.tell()
    scene.costs.forget(AGENT)
    assert scene.costs._told == {}


async def test_who_begins_to_lead_meanwhile_is_told_at_the_next_look(scene: Scene) -> None:
    """What the other pod was given is forgotten while the patch of one is under way."""
    scene.say(one=5, two=9)
    await scene.tell()
    scene.show("three")
    scene.say(one=70, three=3)
    merge = scene.client.merge

    async def meanwhile(*call: Any) -> Any:
        scene.costs.forget_all()
        return await merge(*call)

    scene.client.merge = meanwhile  # type: ignore[method-assign]
    assert await scene.tell() is None
    assert await scene.tell() is None
    assert scene.given == [("one", "4"), ("two", "8"), ("three", "2"), ("one", "64")]
