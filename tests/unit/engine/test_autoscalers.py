"""What is known of autoscalers that nobody watches."""

import asyncio
from typing import Any

import pytest

from regent_operator.engine.autoscalers import Autoscalers
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.client import Listing
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import AUTOSCALERS, DEPLOYMENTS, SCALED_OBJECTS, Key
from tests.unit.engine.fake_client import FakeClient, meta

Object = dict[str, Any]
AGENT = Key("AIAgent", "n", "a")
KIND = "HorizontalPodAutoscaler"
CHILD = ChildKey(KIND, "n", "a")
OWNER = {"kind": "AIAgent", "uid": "agent", "controller": True}


def scaler(version: int, *, active: bool = True, figure: str = "1") -> Object:
    conditions = [{"type": "ScalingActive", "status": "True" if active else "False", "message": "why"}]
    current = {"type": "Pods", "pods": {"metric": {"name": "m"}, "current": {"averageValue": figure}}}
    found = meta("a", version, ownerReferences=[OWNER])
    return found | {"status": {"conditions": conditions, "currentMetrics": [current]}}


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.touched: list[Key] = []
        self.children = Children(lambda _: None)
        self.scalers = Autoscalers(self.client, self.children, [None], self.touched.append)  # type: ignore[arg-type]

    async def list(self, *items: Object) -> None:
        self.client.lists.append(Listing(list(items), "9"))
        await self.scalers.list()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_one_that_says_other_things_is_told_and_its_figures_are_not(scene: Scene) -> None:
    await scene.list(scaler(1))
    await scene.list(scaler(2, figure="5"))
    assert scene.touched == []
    await scene.list(scaler(3, active=False))
    assert scene.touched == [AGENT]
    found = scene.scalers.of(AGENT)
    assert found is not None
    assert (found.active, found.message) == (False, "why")


async def test_one_that_was_made_before_we_led_is_known_and_can_be_removed(scene: Scene) -> None:
    assert scene.scalers.of(AGENT) is None
    await scene.list(scaler(1))
    child = scene.children.get(CHILD)
    assert child is not None
    assert child.owner == "agent"


async def test_one_that_is_gone_is_forgotten(scene: Scene) -> None:
    await scene.list(scaler(1))
    await scene.list()
    assert scene.scalers.of(AGENT) is None
    assert scene.children.get(CHILD) is None
    await scene.list(scaler(4))
    await scene.scalers.read(AGENT)
    assert scene.scalers.of(AGENT) is None, "there is none on the server"


@pytest.mark.parametrize("way", ["read", "list"])
async def test_one_that_we_made_and_that_went_before_anybody_met_it_is_forgotten(scene: Scene, way: str) -> None:
    scene.children.wrote(AUTOSCALERS, scaler(1), "wanted", stripped=False)
    await (scene.scalers.read(AGENT) if way == "read" else scene.list())
    assert scene.children.get(CHILD) is None


async def test_one_that_we_made_after_the_last_was_met_is_forgotten_too(scene: Scene) -> None:
    await scene.list(scaler(1))
    another = scaler(2)
    another["metadata"]["uid"] = "another"
    scene.children.wrote(AUTOSCALERS, another, "wanted", stripped=False)
    await scene.list()
    assert (scene.children.get(CHILD), scene.scalers.of(AGENT)) == (None, None)


async def test_one_that_we_made_while_they_were_listed_stays(scene: Scene) -> None:
    listed = scene.client.list_objects

    async def made_meanwhile(*words: Any, **more: Any) -> Listing:
        answer = await listed(*words, **more)
        scene.children.wrote(AUTOSCALERS, scaler(1), "wanted", stripped=False)
        return answer

    scene.client.list = made_meanwhile  # type: ignore[method-assign]
    await scene.list()
    assert scene.children.get(CHILD) is not None


async def test_reading_one_finds_what_no_list_has_told_yet(scene: Scene) -> None:
    scene.client.objects[KIND, "n", "a"] = scaler(5)
    await scene.scalers.read(AGENT)
    assert scene.scalers.of(AGENT) is not None


async def test_after_another_led_all_are_listed_anew_before_they_count_as_listed(scene: Scene) -> None:
    scene.client.lists += [ApiError(503, "Unavailable", "not now"), Listing([], "9")]
    running = asyncio.create_task(scene.scalers.run())
    async with asyncio.timeout(60):
        while not scene.client.calls:  # noqa: ASYNC110 - the fake cannot tell
            await asyncio.sleep(0)
    assert not scene.scalers.listed
    scene.scalers.restart()
    await until_listed(scene)
    scene.client.lists.append(Listing([scaler(6)], "9"))
    scene.scalers.restart()
    assert not scene.scalers.listed
    await until_listed(scene)
    assert scene.scalers.of(AGENT) is not None
    running.cancel()


async def until_listed(scene: Scene) -> None:
    async with asyncio.timeout(1):
        while not scene.scalers.listed:  # noqa: ASYNC110 - nobody waits for it but this test
            await asyncio.sleep(0)


def deployment(*ours: str) -> Object:
    fields = {"f:spec": {field: {} for field in ours}}
    entry = {"manager": "regent", "operation": "Apply", "fieldsV1": fields}
    return meta("a", 1, ownerReferences=[OWNER], managedFields=[entry]) | {"spec": {"replicas": 3}}


@pytest.mark.parametrize(
    ("live", "listed", "asks"),
    [
        (None, False, False),
        (deployment("f:replicas"), False, False),
        (deployment("f:paused"), False, True),
        (deployment("f:paused"), True, False),
    ],
    ids=["a new agent", "its number is ours", "its number was left to an autoscaler", "the list has told"],
)
async def test_of_an_agent_without_an_autoscaler_one_is_asked_for_where_it_may_still_be(
    scene: Scene, live: Object | None, *, listed: bool, asks: bool
) -> None:
    if live:
        scene.children.seen(DEPLOYMENTS, live, full=True)
    scene.scalers.listed = listed
    scene.client.objects[KIND, "n", "a"] = scaler(5)
    assert await scene.scalers.look(AGENT, scaled=False) is None
    assert (scene.children.get(CHILD) is not None) is asks
    assert scene.client.calls == ([("get", KIND, "n", "a")] if asks else [])


async def test_why_one_cannot_be_read_is_told(scene: Scene) -> None:
    scene.client.failure = ApiError(403, "Forbidden", "not yours")
    assert await scene.scalers.look(AGENT, scaled=True) == scene.client.failure


class KedaScene(Scene):
    """Where KEDA scales agents: a ScaledObject is the child, and its autoscaler is KEDA's."""

    def __init__(self) -> None:
        super().__init__()
        self.scalers = Autoscalers(
            self.client,  # type: ignore[arg-type]
            self.children,
            [None],
            self.touched.append,
            keda=True,
        )

    async def list_both(self, autoscalers: list[Object], objects: list[Object] | ApiError) -> None:
        self.client.lists.append(Listing(autoscalers, "9"))
        self.client.lists.append(objects if isinstance(objects, ApiError) else Listing(objects, "9"))
        await self.scalers.list()


OBJECT = meta("a", 1, ownerReferences=[OWNER])


def made(version: int, *, active: bool = True) -> Object:
    """KEDA's autoscaler of OBJECT."""
    found = scaler(version, active=active)
    return found | {"metadata": found["metadata"] | {"name": "keda-hpa-a", "uid": "made", "ownerReferences": []}}


async def test_what_kedas_autoscaler_says_is_the_agents() -> None:
    scene = KedaScene()
    await scene.list_both([made(1)], [OBJECT])
    assert scene.children.get(ChildKey("ScaledObject", "n", "a")) is not None
    assert scene.children.get(ChildKey(KIND, "n", "keda-hpa-a")) is None, "it is no child of ours"
    await scene.list_both([made(2, active=False)], [OBJECT])
    assert scene.touched[-1] == AGENT
    found = scene.scalers.of(AGENT)
    assert found is not None
    assert (found.active, found.message) == (False, "why")
    await scene.list_both([], [])
    assert scene.scalers.of(AGENT) is None
    assert scene.children.get(ChildKey("ScaledObject", "n", "a")) is None


async def test_that_kedas_autoscaler_is_gone_is_told_although_its_object_stays() -> None:
    scene = KedaScene()
    await scene.list_both([made(1)], [OBJECT])
    scene.touched.clear()
    await scene.list_both([], [OBJECT])
    assert (scene.scalers.of(AGENT), scene.touched) == (None, [AGENT])
    await scene.scalers.read(AGENT)
    assert scene.touched == [AGENT]


async def test_ours_from_before_keda_is_known_so_that_it_can_be_removed_and_tells_nothing() -> None:
    scene = KedaScene()
    await scene.list_both([scaler(1)], [])
    assert scene.children.get(CHILD) is not None
    assert scene.scalers.of(AGENT) is None


async def test_an_agent_is_looked_at_by_its_object_and_kedas_autoscaler() -> None:
    scene = KedaScene()
    scene.client.objects["ScaledObject", "n", "a"] = OBJECT
    scene.client.objects[KIND, "n", "keda-hpa-a"] = made(1)
    await scene.scalers.read(AGENT)
    assert scene.scalers.of(AGENT) is not None
    assert scene.children.get(ChildKey("ScaledObject", "n", "a")) is not None


async def test_until_all_were_listed_ours_from_before_keda_is_asked_for_too() -> None:
    scene = KedaScene()
    scene.client.objects[KIND, "n", "a"] = scaler(1)
    await scene.scalers.read(AGENT)
    assert scene.children.get(CHILD) is not None
    await scene.list_both([scaler(1)], [])
    scene.client.calls.clear()
    await scene.scalers.read(AGENT)
    assert scene.client.calls == [("get", "ScaledObject", "n", "a"), ("get", KIND, "n", "keda-hpa-a")]


@pytest.mark.parametrize("way", ["read", "list"])
async def test_an_object_that_we_made_and_that_went_before_anybody_met_it_is_forgotten(way: str) -> None:
    scene = KedaScene()
    scene.children.wrote(SCALED_OBJECTS, OBJECT, "wanted", stripped=False)
    await (scene.scalers.read(AGENT) if way == "read" else scene.list_both([], []))
    assert scene.children.get(ChildKey("ScaledObject", "n", "a")) is None


async def test_a_cluster_without_keda_does_not_stop_the_operator() -> None:
    scene = KedaScene()
    await scene.list_both([], ApiError(404, "NotFound", "the server could not find the requested resource"))
    assert scene.scalers.listed
    with pytest.raises(ApiError):
        await scene.list_both([], ApiError(403, "Forbidden", "not yours"))
