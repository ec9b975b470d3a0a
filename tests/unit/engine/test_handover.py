"""How a Deployment's number of pods goes from us to an autoscaler; what the API server makes of it, tests/api says."""

from typing import Any

import pytest

from regent_operator.engine.apply import Applier
from regent_operator.engine.children import Children
from regent_operator.engine.handover import KEEPER
from regent_operator.engine.resources import DEPLOYMENTS
from tests.unit.engine.fake_client import FakeClient

Object = dict[str, Any]
OWNER = {"kind": "AIAgent", "uid": "agent", "controller": True}
BODY: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"namespace": "n", "name": "a", "ownerReferences": [OWNER]},
    "spec": {"paused": False},
}
WITH_NUMBER = ("f:paused", "f:replicas")


class Scene:
    """A client that keeps of each object what a manager holds, and the number of pods of whoever said one last."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Object]] = []
        self.left: list[Object] = []
        """The spec that each write left, which is what admission judges."""
        self.live: Object | None = None
        self.children = Children(lambda _: None)
        client = FakeClient()
        client.apply = self._apply  # type: ignore[method-assign]
        client.get = self._get  # type: ignore[method-assign]
        client.json_patch = self._json_patch  # type: ignore[attr-defined]
        self.patches: list[list[Object]] = []
        self.applier = Applier(client, self.children)  # type: ignore[arg-type]

    def holding(self, replicas: int, *fields: str, paused: bool = False) -> None:
        self.live = self._object(replicas, fields or ("f:paused",), paused=paused)
        self.children.seen(DEPLOYMENTS, self.live, full=True)

    async def bring(self, replicas: int) -> list[tuple[str, Object]]:
        await self.applier.apply("agent", (BODY,), replicas)
        return self.sent

    def intruded(self, replicas: int) -> None:
        """Another's hand has put something beside our fields."""
        self.live = self._object(replicas, ("f:paused",))
        theirs = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:minReadySeconds": {}}}}
        self.live["metadata"]["managedFields"].append(theirs)
        self.children.seen(DEPLOYMENTS, self.live, full=True)

    async def _json_patch(self, *words: Any) -> Object:
        self.patches.append(words[-1])
        return self._object(7, ("f:paused",))

    async def _get(self, *_: Any) -> Object | None:
        return self.live

    async def _apply(self, _: Any, obj: Object, manager: str = "regent") -> Object:
        self.sent.append((manager, obj["spec"]))
        spec = {"replicas": 1} | (self.live["spec"] if self.live else {}) | obj["spec"]
        self.left.append(spec)
        fields = tuple(f"f:{name}" for name in obj["spec"]) if manager == "regent" else WITH_NUMBER
        self.live = self._object(spec["replicas"], fields, paused=spec["paused"])
        return self.live

    def _object(self, replicas: int, fields: tuple[str, ...], *, paused: bool = False) -> Object:
        held = {"f:metadata": {"f:ownerReferences": {'k:{"uid":"agent"}': {}}}, "f:spec": {name: {} for name in fields}}
        entry = {"manager": "regent", "operation": "Apply", "time": "t", "fieldsV1": held}
        meta = {**BODY["metadata"], "uid": "u", "resourceVersion": str(100 + len(self.sent)), "managedFields": [entry]}
        return {"metadata": meta, "spec": {"paused": paused, "replicas": replicas}}


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_new_deployment_is_made_with_its_first_number_and_leaves_it_open(scene: Scene) -> None:
    assert await scene.bring(3) == [
        ("regent", {"paused": False, "replicas": 3}),
        (KEEPER, {"replicas": 3}),
        ("regent", {"paused": False}),
    ]


async def test_a_number_of_ours_is_held_by_another_before_we_let_go(scene: Scene) -> None:
    scene.holding(7, *WITH_NUMBER)
    assert await scene.bring(7) == [(KEEPER, {"replicas": 7}), ("regent", {"paused": False})]


async def test_a_number_that_is_not_ours_is_left_alone(scene: Scene) -> None:
    scene.holding(7)
    assert await scene.bring(7) == []


async def test_where_there_are_no_pods_an_autoscaler_would_rest(scene: Scene) -> None:
    scene.holding(0)
    assert (await scene.bring(3))[:2] == [("regent", {"paused": False, "replicas": 3}), (KEEPER, {"replicas": 3})]


@pytest.mark.parametrize("live", [7, 0], ids=["a number of ours", "a resume"])
async def test_a_deployment_of_another_version_is_as_planned_after_every_write(scene: Scene, live: int) -> None:
    """Else a policy of the cluster that knows the new version alone refuses the number, and all that comes behind it."""
    scene.holding(live, *WITH_NUMBER, paused=True)
    await scene.bring(7)
    assert scene.left == [{"paused": False, "replicas": 7}] * 3


async def test_what_is_cut_away_beside_ours_takes_no_number_with_it(scene: Scene) -> None:
    scene.intruded(7)
    assert await scene.bring(7) == []
    ((*_, spec),) = scene.patches
    assert spec == {"op": "add", "path": "/spec", "value": {"paused": False, "replicas": 7}}
