"""Whose a child is, before anything is written into it."""

from typing import Any

import pytest

from regent_operator.engine.apply import Applier, Outcome
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Key,
    Resource,
)
from regent_operator.plan.observation import Refusal
from tests.unit.engine.fake_client import FakeClient, overtake

Object = dict[str, Any]
BODIES: tuple[Object, ...] = tuple(
    {"apiVersion": "v1", "kind": kind, "metadata": {"namespace": "n", "name": "a", "ownerReferences": []}}
    for kind in (SERVICE_ACCOUNTS.kind, SERVICES.kind)
)

WHOLE: tuple[Object, ...] = (
    *BODIES,
    *({**BODIES[0], "kind": kind, "spec": {"replicas": 1}} for kind in ("NetworkPolicy", "Deployment")),
)


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.touched: list[Key] = []
        self.children = Children(self.touched.append)
        self.applier = Applier(self.client, self.children)  # type: ignore[arg-type]

    def put(self, kind: str, owner: str | None, **more: Any) -> None:
        owners = [{"kind": "AIAgent", "uid": owner, "controller": True}] if owner else []
        meta = {"namespace": "n", "name": "a", "uid": f"uid-{kind}", "resourceVersion": "5", **more}
        self.client.objects[kind, "n", "a"] = {"metadata": meta | {"ownerReferences": owners}}

    def comes_and_goes_before_the_answer(self, verb: str) -> None:
        def told(resource: Resource, obj: Object) -> None:
            self.children.seen(resource, obj, full=False)
            self.goes(resource, obj)

        overtake(self.client, verb, told)

    def goes(self, resource: Resource, obj: Object) -> None:
        meta = obj["metadata"]
        self.client.objects.pop((resource.kind, meta["namespace"], meta["name"]), None)
        self.children.gone(resource, meta["namespace"], meta["name"], meta["uid"])

    @property
    def written(self) -> list[str]:
        return [call[1] for call in self.client.calls if call[0] == "apply"]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_nobody_told_of_is_made_without_a_look(scene: Scene) -> None:
    outcome = await scene.applier.apply("agent", BODIES)
    assert scene.client.calls == [("apply", "ServiceAccount", "n", "a"), ("apply", "Service", "n", "a")]
    assert outcome == Outcome(written={"ServiceAccount", "Service"})


async def test_a_foreign_object_is_never_written_into_and_ends_what_is_made(scene: Scene) -> None:
    scene.put("ServiceAccount", owner=None)
    before = dict(scene.client.objects)
    for _ in range(2):
        outcome = await scene.applier.apply("agent", BODIES)
        assert outcome.conflicts == ["ServiceAccount n/a"]
        assert scene.written == []
        assert scene.client.objects == before
    assert sum(call[0] == "refused" for call in scene.client.calls) == 1, "after that it is read first"


async def test_beside_a_foreign_object_ours_follow_the_plan(scene: Scene) -> None:
    scene.put("Service", owner=None)
    scene.put("ServiceAccount", owner="agent")
    outcome = await scene.applier.apply("agent", BODIES)
    assert outcome.conflicts == ["Service n/a"]
    assert scene.written == ["ServiceAccount"]


async def test_what_was_there_unheard_of_and_is_ours_follows_the_plan(scene: Scene) -> None:
    """A write of ours whose answer was lost, or a child whose label a hand has taken away."""
    scene.put("ServiceAccount", owner="agent")
    outcome = await scene.applier.apply("agent", BODIES[:1])
    assert [call[0] for call in scene.client.calls] == ["refused", "get", "apply"]
    assert not outcome.conflicts


async def test_what_is_refused_although_nothing_is_there_is_tried_again_later(scene: Scene) -> None:
    async def refuse(*_: Any) -> Object:
        raise ApiError(409, "Conflict", "a quota is being counted")

    scene.client.apply = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(ApiError, match="quota"):
        await scene.applier.apply("agent", BODIES)


async def test_the_number_of_pods_is_handed_over_into_no_foreign_deployment(scene: Scene) -> None:
    scene.put("Deployment", owner=None)
    open_ended = BODIES[0] | {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}
    outcome = await scene.applier.apply("agent", (open_ended,), 3)
    assert outcome.conflicts == ["Deployment n/a"]
    assert scene.written == []


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
    await scene.applier.apply("agent", (), absent=(ChildKey("Service", "n", "a"),))
    assert scene.client.calls == []


@pytest.mark.parametrize("status", [0, 401, 429])
async def test_an_api_server_that_cannot_be_asked_ends_the_look(scene: Scene, status: int) -> None:
    scene.client.failure = ApiError(status, "Unavailable", "not now")
    with pytest.raises(ApiError, match="not now"):
        await scene.applier.apply("agent", BODIES)


async def test_a_child_at_which_it_fails_is_told_when_it_fails_again_and_no_more_once_it_is_written(
    scene: Scene,
) -> None:
    scene.client.failure = ApiError(503, "Unavailable", "not now")
    first, second = [await scene.applier.apply("agent", BODIES[:1]) for _ in range(2)]
    assert (first.failed, first.refused) == (scene.client.failure, [])
    assert second.failed == scene.client.failure
    assert [refusal.message for refusal in second.refused] == ["not now"]
    scene.client.failure = None
    third = await scene.applier.apply("agent", BODIES[:1])
    assert (third.failed, third.refused) == (None, [])
    scene.applier.forget_all()
    scene.client.objects.clear()
    scene.client.failure = ApiError(503, "Unavailable", "not now")
    assert (await scene.applier.apply("agent", BODIES[1:2])).refused == []


@pytest.mark.parametrize("status", [403, 500])
async def test_no_deployment_is_made_without_its_walls(scene: Scene, status: int) -> None:
    apply = scene.client.apply

    async def no_walls(resource: Resource, body: Any, *more: Any) -> Any:
        if resource.kind == "NetworkPolicy":
            raise ApiError(status, "Refused", "by a webhook")
        return await apply(resource, body, *more)

    scene.client.apply = no_walls  # type: ignore[method-assign]
    assert (await scene.applier.apply("agent", WHOLE)).written == {"ServiceAccount", "Service"}
    assert {"NetworkPolicy", "Deployment"} <= (await Scene().applier.apply("agent", WHOLE)).written


@pytest.mark.parametrize(("replicas", "written"), [(0, True), (1, False)])
async def test_a_child_that_fails_keeps_no_pod_from_ending(scene: Scene, replicas: int, written: bool) -> None:
    scene.put("Deployment", owner="agent")
    apply = scene.client.apply

    async def no_service(resource: Resource, body: Any, *more: Any) -> Any:
        if resource.kind == "Service":
            raise ApiError(500, "InternalError", "failed calling webhook")
        return await apply(resource, body, *more)

    scene.client.apply = no_service  # type: ignore[method-assign]
    outcome = await scene.applier.apply("agent", WHOLE, replicas)
    assert outcome.failed is not None
    assert ("Deployment" in outcome.written) is written


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


@pytest.mark.parametrize(
    ("stays", "written"),
    [(DISRUPTION_BUDGETS, {"ServiceAccount", "Deployment"}), (AUTOSCALERS, {"ServiceAccount"})],
    ids=["a budget", "an autoscaler, which would fight for the number of pods"],
)
async def test_what_may_not_be_removed_holds_back_at_most_the_number_of_pods(
    scene: Scene, stays: Resource, written: set[str]
) -> None:
    async def refuse(*_: Any) -> None:
        raise ApiError(403, "Forbidden", "nothing is deleted here")

    scene.put(stays.kind, owner="agent")
    scene.children.seen(stays, scene.client.objects[stays.kind, "n", "a"], full=True)
    scene.client.delete = refuse  # type: ignore[method-assign]
    bodies = (BODIES[0], BODIES[0] | {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1}})
    outcome = await scene.applier.apply("agent", bodies, absent=(ChildKey(stays.kind, "n", "a"),))
    assert outcome.refused == [Refusal(f"{stays.kind} n/a", "nothing is deleted here")]
    assert outcome.written == written


@pytest.mark.parametrize(
    ("spec", "replicas", "written"),
    [({}, 3, True), ({"replicas": 3}, 3, False), ({"replicas": 0}, 0, True)],
    ids=["left to an autoscaler", "a number", "no pods"],
)
async def test_where_it_cannot_be_read_what_scales_an_agent_all_but_the_number_of_pods_is_written(
    scene: Scene, spec: Object, replicas: int, *, written: bool
) -> None:
    scene.put("Deployment", owner="agent")
    scene.children.seen(
        DEPLOYMENTS, scene.client.objects["Deployment", "n", "a"] | {"spec": {"replicas": 3}}, full=True
    )
    deployment, scaler = (BODIES[0] | {"kind": kind} for kind in ("Deployment", AUTOSCALERS.kind))
    unread = ApiError(403, "Forbidden", "not yours")
    outcome = await scene.applier.apply("agent", (*BODIES, deployment | {"spec": spec}, scaler), replicas, (), unread)
    assert outcome.unread is unread
    assert outcome.written == {"ServiceAccount", "Service"} | ({"Deployment"} if written else set())


async def test_an_autoscaler_of_which_nothing_is_known_to_be_ours_is_not_read_again(scene: Scene) -> None:
    scene.put(AUTOSCALERS.kind, owner="agent")
    scene.children.seen(AUTOSCALERS, scene.client.objects[AUTOSCALERS.kind, "n", "a"], full=True)
    outcome = await scene.applier.apply("agent", (*BODIES, BODIES[0] | {"kind": AUTOSCALERS.kind}))
    assert outcome.written == {"ServiceAccount", "Service", AUTOSCALERS.kind}
    assert {call[0] for call in scene.client.calls} == {"apply"}


def owned_by(uid: str, body: Object, **more: Any) -> Object:
    owner = {"kind": "AIAgent", "uid": uid, "controller": True}
    return body | more | {"metadata": body["metadata"] | {"ownerReferences": [owner]}}


async def test_a_child_that_went_before_our_write_was_answered_is_made_again(scene: Scene) -> None:
    body, asks = owned_by("agent", BODIES[0]), scene.client.apply
    scene.comes_and_goes_before_the_answer("apply")
    assert await scene.applier.apply("agent", (body,)) == Outcome()
    assert scene.touched[-1] == Key("AIAgent", "n", "a")
    scene.client.apply = asks  # type: ignore[method-assign]
    assert (await scene.applier.apply("agent", (body,))).written == {"ServiceAccount"}
    assert (await scene.applier.apply("agent", (body,))).written == set()
    edited = body | {"metadata": body["metadata"] | {"labels": {"x": "y"}}}
    assert await scene.applier.apply("agent", (edited,)) == Outcome(written={"ServiceAccount"})


async def test_a_child_that_went_before_it_was_read_is_made_again(scene: Scene) -> None:
    scene.put("ServiceAccount", owner="agent")
    live = scene.client.objects["ServiceAccount", "n", "a"]
    scene.children.seen(SERVICE_ACCOUNTS, {"metadata": live["metadata"]}, full=False)
    scene.comes_and_goes_before_the_answer("get")
    assert (await scene.applier.apply("agent", BODIES[:1])).written == {"ServiceAccount"}
    assert [call[0] for call in scene.client.calls] == ["get", "apply"]


async def test_what_is_left_of_one_that_went_so_keeps_no_new_agent_of_the_name_waiting(scene: Scene) -> None:
    asks = scene.client.apply
    scene.comes_and_goes_before_the_answer("apply")
    await scene.applier.apply("old", (owned_by("old", BODIES[0]),))
    scene.client.apply = asks  # type: ignore[method-assign]
    outcome = await scene.applier.apply("new", (owned_by("new", BODIES[0]),))
    assert outcome == Outcome(written={"ServiceAccount"})


async def test_a_deployment_that_went_before_its_number_was_handed_over_is_made_by_the_next_look(scene: Scene) -> None:
    body, asks = owned_by("agent", BODIES[0], kind="Deployment", spec={}), scene.client.apply
    scene.comes_and_goes_before_the_answer("apply")
    assert await scene.applier.apply("agent", (body,), 3) == Outcome()
    assert [call[0] for call in scene.client.calls] == ["apply"], "and no number without its Deployment"
    scene.client.apply = asks  # type: ignore[method-assign]
    assert (await scene.applier.apply("agent", (body,), 3)).written == {"Deployment"}


async def test_a_child_whose_label_a_hand_took_away_is_written_although_the_watch_said_that_it_is_gone(
    scene: Scene,
) -> None:
    """A watch by a label calls it deleted, under the uid that it keeps."""
    scene.put("ServiceAccount", owner="agent")
    live = scene.client.objects["ServiceAccount", "n", "a"]
    scene.children.seen(SERVICE_ACCOUNTS, live, full=True)
    scene.goes(SERVICE_ACCOUNTS, live)
    scene.client.objects["ServiceAccount", "n", "a"] = live
    assert await scene.applier.apply("agent", BODIES[:1]) == Outcome(written={"ServiceAccount"})
    assert [call[0] for call in scene.client.calls] == ["refused", "get", "apply"]
    assert scene.children.get(ChildKey("ServiceAccount", "n", "a")) is not None
