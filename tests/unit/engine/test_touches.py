"""Pods that lag are touched: once for each content, and a few times more while they stay behind."""

from typing import Any

import pytest

from regent_api.status import Digests
from regent_operator.engine.children import Children
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import TOUCHED, Pods
from regent_operator.engine.resources import CONFIG_MAPS, PODS, Key
from regent_operator.engine.touches import AFTER_SECONDS, Touches
from regent_operator.plan.echo import Echo
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient, meta

AGENT = Key("AIAgent", "n", "a")
NEW = "sha256:new"
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": True}


class Scene:
    """One pod, which has shown itself without a config."""

    def __init__(self) -> None:
        self.client, self.clock = FakeClient(), Clock()
        self.children = Children(lambda _: None)
        self.pods = Pods(lambda _: None, lambda _: None)
        self.touches = Touches(self.client, self.children, self.pods, self.clock)  # type: ignore[arg-type]
        self.marks: list[str] = []
        self.version = 10
        self.client.merge = self._merge  # type: ignore[method-assign]
        self.show_pod({})
        self.pods.echoed("uid-p", Echo("uid-p"))
        self.put_config()

    def put_config(self) -> None:
        self.version += 1
        self.children.seen(CONFIG_MAPS, meta("a", self.version), full=False)

    def show_pod(self, annotations: dict[str, str], phase: str = "Running") -> None:
        self.version += 1
        about = meta("p", self.version, labels={"regent.dev/agent": "a"}, ownerReferences=[OWNER])
        about["metadata"]["annotations"] = annotations
        self.pods.seen(PODS, about | {"spec": {}, "status": {"podIP": "10.0.0.1", "phase": phase}}, full=True)

    async def _merge(self, resource: Any, namespace: str, name: str, patch: Any) -> Any:
        assert patch["metadata"]["uid"] == "uid-p"
        self.marks.append(patch["metadata"]["annotations"][TOUCHED])
        self.show_pod(patch["metadata"]["annotations"])
        return patch

    def echoes(self, digest: str, error: str | None = None) -> None:
        digests = Digests.model_construct(config=digest, policy=digest, route=digest)
        self.pods.echoed("uid-p", Echo("uid-p", digests=digests, config_error=error))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_pod_that_takes_what_it_is_offered_is_never_touched(scene: Scene) -> None:
    assert await scene.touches.bring(AGENT, NEW) == AFTER_SECONDS[0]
    scene.echoes(NEW)
    scene.clock.advance(AFTER_SECONDS[-1])
    assert await scene.touches.bring(AGENT, NEW) is None
    assert scene.marks == []


async def test_a_pod_is_touched_for_each_version_of_the_config(scene: Scene) -> None:
    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    await scene.touches.bring(AGENT, NEW)
    await scene.touches.bring(AGENT, NEW)
    assert len(scene.marks) == 1
    scene.put_config()
    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    await scene.touches.bring(AGENT, NEW)
    assert len(set(scene.marks)) == 2


async def test_a_pod_that_lags_is_touched_again_and_not_for_ever(scene: Scene) -> None:
    wait = await scene.touches.bring(AGENT, NEW)
    while wait is not None:
        scene.clock.advance(wait)
        wait = await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(600)
    assert await scene.touches.bring(AGENT, NEW) is None
    assert len(set(scene.marks)) == len(scene.marks) == len(AFTER_SECONDS)


async def test_a_pod_that_echoes_another_config_is_touched(scene: Scene) -> None:
    scene.echoes("sha256:old")
    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    assert await scene.touches.bring(AGENT, NEW) == AFTER_SECONDS[1] - AFTER_SECONDS[0]
    assert len(scene.marks) == 1


async def test_a_pod_that_has_ended_or_never_showed_itself_is_not_touched(scene: Scene) -> None:
    scene.show_pod({}, phase="Failed")
    stranger = meta("q", 99, labels={"regent.dev/agent": "a"}, ownerReferences=[OWNER])
    scene.pods.seen(PODS, stranger | {"spec": {}, "status": {"podIP": "10.0.0.2"}}, full=True)
    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    assert await scene.touches.bring(AGENT, NEW) is None
    assert scene.marks == []


async def test_without_a_config_there_is_nothing_to_touch_for(scene: Scene) -> None:
    scene.clock.advance(AFTER_SECONDS[0])
    assert await scene.touches.bring(AGENT, None) is None
    scene.children.gone(CONFIG_MAPS, "n", "a", "uid-a")
    assert await scene.touches.bring(AGENT, NEW) is None


@pytest.mark.parametrize("gone", [True, False], ids=["the agent is gone", "another led"])
async def test_the_time_counts_anew(scene: Scene, gone: bool) -> None:
    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    scene.touches.forget(AGENT) if gone else scene.touches.forget_all()
    assert await scene.touches.bring(AGENT, NEW) == AFTER_SECONDS[0]
    assert scene.marks == []


async def test_a_pod_whose_volume_holds_something_else_is_touched_although_it_echoes_the_digest(scene: Scene) -> None:
    await scene.touches.bring(AGENT, NEW)
    scene.echoes(NEW, "seal: made for another agent")
    scene.clock.advance(AFTER_SECONDS[0])
    await scene.touches.bring(AGENT, NEW)
    assert len(scene.marks) == 1


async def test_a_touch_that_is_refused_is_tried_again_when_it_is_time(scene: Scene) -> None:
    merge = scene.client.merge

    async def refuse(*_: Any) -> Any:
        raise ApiError(403, "Forbidden", "by somebody's webhook")

    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    scene.client.merge = refuse  # type: ignore[method-assign]
    wait = await scene.touches.bring(AGENT, NEW)
    assert wait is not None
    scene.client.merge = merge  # type: ignore[method-assign]
    scene.clock.advance(wait)
    await scene.touches.bring(AGENT, NEW)
    assert len(scene.marks) == 1


async def test_a_pod_that_follows_is_left_alone(scene: Scene) -> None:
    await scene.touches.bring(AGENT, NEW)
    scene.clock.advance(AFTER_SECONDS[0])
    await scene.touches.bring(AGENT, NEW)
    scene.echoes(NEW)
    scene.clock.advance(AFTER_SECONDS[-1])
    assert await scene.touches.bring(AGENT, NEW) is None
    assert len(scene.marks) == 1
