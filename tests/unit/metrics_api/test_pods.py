"""Which pods are asked, and which of them may have conversations: their silence keeps back an agent's sum."""

from typing import Any

import pytest

from regent_operator.engine.resources import PODS
from regent_operator.metrics_api.pods import AgentPods
from tests.unit.engine.fake_client import meta

Object = dict[str, Any]


def pod(*, ready: bool, container: Object | None, **more: Any) -> Object:
    status: Object = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": str(ready)}]}
    if container is not None:
        status["containerStatuses"] = [container]
    return meta("p", 1, labels={"regent.dev/agent": "a"}, **more) | {"status": status}


@pytest.mark.parametrize(
    ("seen", "serves"),
    [
        (pod(ready=True, container={"started": True, "ready": True}), True),
        (pod(ready=False, container={"started": True, "ready": False}), True),
        (pod(ready=False, container={"started": True, "ready": False}, deletionTimestamp="2026-01-01"), False),
        (pod(ready=False, container={"started": True, "ready": True}), False),
        (pod(ready=False, container={"started": False, "ready": False}), False),
        (pod(ready=False, container=None), False),
    ],
    ids=["ready", "too busy for its probe", "ending", "on a silent node", "starting", "waiting for a node"],
)
def test_a_pod_that_runs_serves_also_while_it_is_too_busy_for_its_probe(seen: Object, serves: bool) -> None:
    pods = AgentPods()
    pods.seen(PODS, seen, full=True)
    assert [each.serves for each in pods.of("n", "a")] == [serves]


def running(name: str, version: int, agent: str = "a", phase: str = "Running") -> Object:
    return meta(name, version, labels={"regent.dev/agent": agent}) | {"status": {"podIP": f"at-{name}", "phase": phase}}


def test_the_pods_of_an_agent_are_those_that_run() -> None:
    pods = AgentPods()
    for each in (running("two", 2), running("one", 1), running("other", 3, agent="b")):
        pods.seen(PODS, each, full=True)
    assert [(each.name, each.address) for each in pods.of("n", "a")] == [("one", "at-one"), ("two", "at-two")]
    assert [each.name for each in pods.named("n", "other")] == ["other"]
    assert pods.of("elsewhere", "a") == pods.named("elsewhere", "other") == []


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_one_that_has_ended_or_is_gone_is_asked_no_more(phase: str) -> None:
    pods = AgentPods()
    for name in ("one", "two", "three"):
        pods.seen(PODS, running(name, 1), full=True)
    pods.seen(PODS, running("one", 2, phase=phase), full=True)
    pods.gone(PODS, "n", "two", "uid-two")
    pods.gone(PODS, "n", "three", "uid-of-one-before-it")
    assert [each.name for each in pods.of("n", "a")] == ["three"]


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    pods = AgentPods()
    pods.seen(PODS, running("one", 7), full=True)
    pods.seen(PODS, running("one", 6) | {"status": {"podIP": "where it was before"}}, full=True)
    assert [each.address for each in pods.of("n", "a")] == ["at-one"]
