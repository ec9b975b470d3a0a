"""Who says how many pods there are, on a real API server with the real autoscaler's controller and no metrics."""

import json
import time
from typing import Any

import pytest

from regent_operator.plan.deletioncost import ANNOTATION
from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually

AUTO = {"auto": {"minReplicas": 2, "maxReplicas": 6}}
SCALER = "horizontalpodautoscaler"


def replicas(world: World) -> int:
    found = world.get("deployment", "helper")
    assert found is not None
    count: int = found["spec"]["replicas"]
    return count


def holders(world: World) -> dict[str, Any]:
    """Manager -> whether it holds how many pods there are, of those that wrote the Deployment's spec."""
    text = world.cluster.kubectl(
        "get", "deployment", "helper", "-n", world.namespace, "-o", "json", "--show-managed-fields"
    )
    entries = json.loads(text)["metadata"]["managedFields"]
    return {entry["manager"]: "f:replicas" in entry["fieldsV1"].get("f:spec", {}) for entry in entries}


def run(world: World, scaling: Object) -> None:
    world.apply(route(), policy(selector={}), agent(scaling=scaling))
    world.await_ready("helper")


def switch(world: World, scaling: Object) -> None:
    """As kubectl apply of another manifest does it."""
    world.apply(agent(scaling=scaling))


class Watched:
    """Every number of pods that the Deployment was seen to have."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = self._generations()

    def _generations(self) -> int:
        found = self._world.get("deployment", "helper")
        assert found is not None
        generation: int = found["metadata"]["generation"]
        return generation

    @property
    def edits(self) -> int:
        """Changes of the Deployment's spec: one of the number of pods and back would be two."""
        return self._generations() - self._before


def test_a_new_agent_begins_with_the_fewest_and_its_autoscaler_holds_the_number(
    world: World, operator: RunningOperator
) -> None:
    run(world, AUTO)
    assert replicas(world) == 2
    assert holders(world)["regent"] is False
    scaler = world.get(SCALER, "helper")
    assert scaler is not None
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 6)
    assert world.get("poddisruptionbudget", "helper") is not None


def test_no_metrics_are_told_as_such(world: World, operator: RunningOperator) -> None:
    run(world, AUTO)
    eventually(
        "the controller's word",
        lambda: world.conditions("helper").get("ScalingActive") == ("False", "MetricUnavailable"),
    )
    assert world.ready("helper") == ("True", "Ready"), "it serves, with the fewest pods"


@pytest.mark.parametrize("live", [3, 5])
def test_switching_on_and_off_changes_no_number(world: World, operator: RunningOperator, live: int) -> None:
    run(world, {"replicas": live})
    watched = Watched(world)
    switch(world, AUTO)
    eventually("an autoscaler", lambda: world.get(SCALER, "helper"))
    eventually("nobody of us holds the number", lambda: holders(world)["regent"] is False)
    assert replicas(world) == live
    assert watched.edits == 0
    world.cluster.kubectl("scale", "deployment", "helper", "-n", world.namespace, "--replicas=4")
    time.sleep(2)
    assert replicas(world) == 4, "what another says stands"
    watched = Watched(world)
    switch(world, {"replicas": 4})
    eventually("no autoscaler", lambda: world.get(SCALER, "helper") is None)
    eventually("the number is ours", lambda: holders(world)["regent"])
    assert replicas(world) == 4
    assert watched.edits == 0


def test_two_bounds_that_are_the_same_are_a_number(world: World, operator: RunningOperator) -> None:
    run(world, {"auto": {"minReplicas": 2, "maxReplicas": 2}})
    assert replicas(world) == 2
    assert world.get(SCALER, "helper") is None
    assert "ScalingActive" not in world.conditions("helper")


def test_suspending_takes_the_autoscaler_away_and_resuming_begins_with_the_fewest(
    world: World, operator: RunningOperator
) -> None:
    run(world, AUTO)
    world.cluster.kubectl("scale", "deployment", "helper", "-n", world.namespace, "--replicas=5")
    eventually("five", lambda: world.get("aiagent", "helper")["status"]["replicas"] == 5)  # type: ignore[index]
    world.patch("aiagent", "helper", {"spec": {"suspend": True}})
    world.await_ready("helper", "True", "Suspended")
    eventually("no pods", lambda: replicas(world) == 0)
    assert world.get(SCALER, "helper") is None
    assert "ScalingActive" not in world.conditions("helper")
    world.patch("aiagent", "helper", {"spec": {"suspend": False}})
    world.await_ready("helper")
    assert replicas(world) == 2
    assert holders(world)["regent"] is False
    assert world.get(SCALER, "helper") is not None


def test_an_agent_at_rest_is_written_to_no_more_and_a_hands_edit_of_its_autoscaler_is_healed(
    world: World, operator: RunningOperator
) -> None:
    run(world, AUTO)
    eventually("told", lambda: world.conditions("helper").get("ScalingActive", ("Unknown",))[0] != "Unknown")
    mark = operator.mark_now()
    world.patch("aiagent", "helper", {"metadata": {"labels": {"touched": "yes"}}})
    time.sleep(3)
    written = {request.resource for request in operator.writes(mark) if request.namespace == world.namespace}
    assert not written & {"deployments", "horizontalpodautoscalers"}
    world.patch(SCALER, "helper", {"spec": {"maxReplicas": 50}})
    eventually("healed", lambda: world.get(SCALER, "helper")["spec"]["maxReplicas"] == 6, 150)  # type: ignore[index]


def test_pods_taken_away_by_hand_come_back(world: World, operator: RunningOperator) -> None:
    run(world, AUTO)
    world.cluster.kubectl("scale", "deployment", "helper", "-n", world.namespace, "--replicas=0")
    eventually("the fewest again", lambda: replicas(world) == 2)


def test_of_several_pods_the_one_with_the_most_conversations_is_the_last_to_go(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    run(world, {"replicas": 3})
    eventually("all pods", lambda: world.get("aiagent", "helper")["status"]["enforced"] == "3/3")  # type: ignore[index]
    one, two, three = sorted(costs(world))
    kubelet.rules.conversations_of = {one: 1, two: 9, three: 5}
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 50}}})  # the pods are asked at once
    eventually("each bears its bucket", lambda: costs(world) == {one: "1", two: "8", three: "4"})
    world.patch("aiagent", "helper", {"spec": {"scaling": {"replicas": 2}}})
    eventually("one goes", lambda: set(costs(world)) == {two, three})
    world.patch("aiagent", "helper", {"spec": {"scaling": {"replicas": 1}}})
    eventually("another goes", lambda: set(costs(world)) == {two})


def costs(world: World) -> dict[str, str]:
    """Of each pod that is not ending."""
    living = [pod["metadata"] for pod in world.all("pods") if "deletionTimestamp" not in pod["metadata"]]
    return {meta["name"]: meta.get("annotations", {}).get(ANNOTATION, "") for meta in living}
