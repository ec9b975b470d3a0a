"""An agent that KEDA scales, on a real API server: KEDA's object in the autoscaler's place, and what its own says."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, Start, World, agent, policy, route
from tests.api.running_operator import PERMISSIONS, RunningOperator, eventually, render
from tests.cluster import Cluster

URL = "--keda-url=http://regent-metrics-api.regent-system.svc:8080"
AUTO = {"auto": {"minReplicas": 2, "maxReplicas": 6, "targets": {"activeConversations": 10}}}
OBJECT, SCALER, MADE = "scaledobject", "horizontalpodautoscaler", "keda-hpa-helper"
KIND = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "scope": "Namespaced",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
"""KEDA's kind by name; tests/unit/plan/test_scaledobject.py checks the object itself."""


@pytest.fixture
def permitted(control_plane: Cluster, operator_kubeconfig: object) -> Iterator[None]:
    """The operator's permissions where KEDA is the provider; those where it is not afterwards."""

    def permit(*words: str) -> None:
        made = [o for o in render(control_plane, *words) if o["kind"] in PERMISSIONS]
        ours = [o for o in made if o["metadata"]["name"].startswith("regent-operator")]
        control_plane.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(ours))

    permit("--set", "autoscaling.provider=KEDA")
    yield
    permit()


@contextmanager
def kedas_kind(cluster: Cluster) -> Iterator[None]:
    """Served meanwhile, and gone with its objects afterwards."""
    cluster.kubectl("apply", "-f", "-", text=json.dumps(KIND))
    try:
        cluster.kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=60s")
        yield
    finally:
        cluster.kubectl("delete", "crd", "scaledobjects.keda.sh")


@pytest.fixture
def keda(control_plane: Cluster, permitted: None) -> Iterator[None]:
    with kedas_kind(control_plane):
        yield


def deployment(world: World) -> tuple[int, int]:
    """How many pods it should have, and how often its spec was changed."""
    found = world.get("deployment", "helper")
    assert found is not None
    return found["spec"]["replicas"], found["metadata"]["generation"]


def kedas_autoscaler(world: World) -> Object:
    """As KEDA makes it of the object: with its labels, and the external metric that it serves itself."""
    made = world.get(OBJECT, "helper")
    assert made is not None
    metric = {"metric": {"name": "s0-metric-api-activeConversations"}}
    target = {"type": "AverageValue", "averageValue": "10"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": MADE, "namespace": world.namespace, "labels": made["metadata"]["labels"]},
        "spec": {
            "scaleTargetRef": made["spec"]["scaleTargetRef"],
            "minReplicas": made["spec"]["minReplicaCount"],
            "maxReplicas": made["spec"]["maxReplicaCount"],
            "metrics": [{"type": "External", "external": {**metric, "target": target}}],
        },
    }


def at_rest(operator: RunningOperator, world: World) -> bool:
    """Whether a look at the agent writes none of what says how many pods there are."""
    mark = operator.mark_now()
    world.patch("aiagent", "helper", {"metadata": {"labels": {"touched": str(time.time_ns())}}})
    time.sleep(3)
    written = {request.resource for request in operator.writes(mark) if request.namespace == world.namespace}
    return not written & {"deployments", "scaledobjects", "horizontalpodautoscalers"}


def test_kedas_object_comes_and_goes_without_changing_the_number_of_pods(
    world: World, keda: None, start_operator: Start, kubelet: FakeKubelet, floor: Object
) -> None:
    with start_operator("keda", URL) as operator:
        world.apply(route(), policy(selector={}), agent(scaling={"replicas": 3}))
        world.await_ready("helper")
        before = deployment(world)
        world.apply(agent(scaling=AUTO))
        eventually("KEDA's object", lambda: world.get(OBJECT, "helper"))
        assert world.get(SCALER, "helper") is None
        eventually("rest", lambda: at_rest(operator, world))
        assert deployment(world) == before

        world.cluster.kubectl("apply", "-f", "-", text=json.dumps(kedas_autoscaler(world)))
        unavailable = ("False", "MetricUnavailable")
        eventually("its word", lambda: world.conditions("helper").get("ScalingActive") == unavailable)
        world.cluster.kubectl("delete", SCALER, MADE, "-n", world.namespace)

        world.apply(agent(scaling={"replicas": 3}))
        eventually("no object", lambda: world.get(OBJECT, "helper") is None)
        eventually("rest", lambda: at_rest(operator, world))
        assert deployment(world) == before


def test_without_kedas_kind_the_agent_says_what_is_missing_and_heals_once_it_is_there(
    world: World, permitted: None, start_operator: Start, kubelet: FakeKubelet, floor: Object
) -> None:
    with start_operator("keda", URL):
        world.apply(route(), policy(selector={}), agent(scaling=AUTO))
        found = world.await_ready("helper", "False", "ApplyRefused")
        assert world.conditions("helper")["Accepted"] == ("False", "ApplyRefused")
        assert world.conditions("helper")["ScalingActive"] == ("Unknown", "Pending")
        (accepted,) = (each for each in found["status"]["conditions"] if each["type"] == "Accepted")
        assert accepted["message"] == (
            f"The API server refused ScaledObject {world.namespace}/helper: it serves no ScaledObject of keda.sh/v1alpha1 "
            "(is what brings it installed?). Correct the cause; it is tried again."
        )
        assert deployment(world)[0] == 2, "its pods serve: nothing but their number hangs on KEDA"
        with kedas_kind(world.cluster):
            eventually("KEDA's object", lambda: world.get(OBJECT, "helper"))
            world.await_ready("helper")
            assert world.conditions("helper")["Accepted"][0] == "True"
