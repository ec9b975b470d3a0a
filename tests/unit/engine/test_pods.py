from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from regent_operator.engine.pods import MISSES, Pod, Pods
from regent_operator.engine.resources import PODS, Key
from regent_operator.plan.echo import Echo
from regent_operator.plan.trial import HOLDS, OPEN, Trial

Object = dict[str, Any]
A, B = Key("AIAgent", "n", "a"), Key("AIAgent", "n", "b")
REPLICA_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a-7", "controller": True}


def pod(version: int, agent: str = "a", *, owners: tuple[Object, ...] = (REPLICA_SET,), **status: Any) -> Object:
    meta = {"namespace": "n", "name": "a-1", "uid": "u", "resourceVersion": str(version)}
    labels = {"regent.dev/agent": agent}
    return {"metadata": meta | {"labels": labels, "ownerReferences": list(owners)}, "status": status}


@pytest.fixture
def moved() -> list[Key]:
    return []


@pytest.fixture
def pods(moved: list[Key]) -> Pods:
    return Pods(moved.append, lambda _: None)


def test_what_counts_touches_the_agent_and_nothing_else_does(pods: Pods, moved: list[Key]) -> None:
    pods.seen(PODS, pod(1), full=True)
    pods.seen(PODS, pod(2, startTime="now"), full=True)
    assert moved == [A]
    pods.seen(PODS, pod(3, podIP="10.0.0.1"), full=True)
    assert moved == [A, A]


def test_an_older_version_is_no_news(pods: Pods, moved: list[Key]) -> None:
    pods.seen(PODS, pod(5, podIP="10.0.0.1"), full=True)
    pods.seen(PODS, pod(4), full=True)
    assert pods.of(A)[0].address == "10.0.0.1"
    assert moved == [A]


def test_a_pod_that_is_given_to_another_agent_touches_both(pods: Pods, moved: list[Key]) -> None:
    pods.seen(PODS, pod(1), full=True)
    moved.clear()
    pods.seen(PODS, pod(2, "b"), full=True)
    assert moved == [A, B]
    assert (len(pods.of(A)), len(pods.of(B))) == (0, 1)


@pytest.mark.parametrize(
    "owners",
    [(), (REPLICA_SET | {"controller": False},), (REPLICA_SET | {"kind": "Job"},)],
    ids=["nobody", "not as its controller", "a Job"],
)
def test_a_pod_that_leaves_its_replica_set_is_no_proof_any_more(
    pods: Pods, moved: list[Key], owners: tuple[Object, ...]
) -> None:
    pods.seen(PODS, pod(1), full=True)
    pods.echoed("u", Echo("u"))
    moved.clear()
    pods.seen(PODS, pod(2, owners=owners), full=True)
    assert moved == [A]
    [left] = pods.of(A)
    assert not left.controlled
    assert left.seen.echo is None, "it serves nevertheless, so it counts as one that does not prove the policy"


def test_what_pods_said_is_forgotten_when_another_led(pods: Pods) -> None:
    pods.seen(PODS, pod(1), full=True)
    pods.meet("u")
    pods.echoed("u", Echo("u"))
    assert pods.of(A)[0].seen.echo
    pods.forget_echoes()
    [forgotten] = pods.of(A)
    assert (forgotten.seen.echo, forgotten.met) == (None, False)


def test_other_conversations_alone_are_counted_and_no_news() -> None:
    heard: list[Key] = []
    counted: list[Key] = []
    pods = Pods(lambda _: None, heard.append, counted=counted.append)
    pods.seen(PODS, pod(1), full=True)
    for active in (0, 0, 4):
        pods.echoed("u", Echo("u", active_conversations=active))
    assert (len(heard), len(counted)) == (1, 1)
    (found,) = pods.of(heard[0])
    assert found.seen.echo is not None
    assert found.seen.echo.active_conversations == 4


def test_whatever_is_learnt_of_a_pod_shows_at_once(pods: Pods) -> None:
    """Pods are kept together with their echoes between two looks."""
    learn: list[Callable[[], object]] = [
        partial(pods.seen, PODS, pod(1), full=True),
        partial(pods.seen, PODS, pod(2, podIP="10.0.0.1"), full=True),
        partial(pods.meet, "u"),
        partial(pods.echoed, "u", Echo("u")),
        partial(pods.echoed, "u", Echo("u", active_conversations=3)),
        partial(pods.tried, "u", HOLDS),
        lambda: [pods.silent("u") for _ in range(MISSES)],
        partial(pods.tried, "u", OPEN),
        pods.forget_echoes,
        partial(pods.gone, PODS, "n", "a-1", "u"),
    ]
    shown = []
    for step in learn:
        step()
        shown.append([_told(each) for each in pods.of(A)])
    assert shown == [
        [("", False, None, None)],
        [("10.0.0.1", False, None, None)],
        [("10.0.0.1", True, None, None)],
        [("10.0.0.1", True, 0, None)],
        [("10.0.0.1", True, 3, None)],
        [("10.0.0.1", True, 3, HOLDS)],
        [("10.0.0.1", True, None, HOLDS)],
        [("10.0.0.1", True, None, OPEN)],
        [("10.0.0.1", False, None, None)],
        [],
    ]


def _told(pod: Pod) -> tuple[str, bool, int | None, Trial | None]:
    return pod.address, pod.met, pod.seen.echo and pod.seen.echo.active_conversations, pod.seen.trial
