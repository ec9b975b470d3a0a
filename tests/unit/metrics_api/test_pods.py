"""Which pods may have conversations: those whose silence keeps back an agent's sum."""

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
