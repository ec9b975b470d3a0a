"""Namespaced mode, with the Roles that the chart gives for it: the floor holds, and nothing else is touched."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.api.fake_kubelet import FakeKubelet
from tests.api.kubectl import may
from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import NAMESPACE, PERMISSIONS, RunningOperator, eventually, namespace, render
from tests.cluster import Cluster

ACCOUNT = "regent-namespaced"


@pytest.fixture
def other_world(control_plane: Cluster) -> Iterator[World]:
    name = f"others-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("apply", "-f", "-", text=json.dumps(namespace(name)))
    yield World(control_plane, name)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespaced_kubeconfig(
    control_plane: Cluster, world: World, operator_kubeconfig: Path, tmp_path: Path
) -> Iterator[Path]:
    """The chart's permissions for one namespace, under an account of their own beside the cluster-wide one's."""
    objects = render(control_plane, "--set", f"watchNamespaces={{{world.namespace}}}")
    granted = [o for o in objects if o["kind"] in PERMISSIONS - {"ServiceAccount"} and not _is_hook(o)]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}}
    for obj in granted:
        obj["metadata"]["name"] += "-namespaced"
        if "roleRef" in obj:
            obj["roleRef"]["name"] += "-namespaced"
            obj["subjects"] = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]
    text = yaml.safe_dump_all([account, *granted])
    control_plane.kubectl("apply", "-f", "-", text=text)
    user, known = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}", ("list", "aiagents.regent.dev")
    eventually("its roles are known", lambda: may(control_plane, user, *known, "-n", world.namespace))
    token = control_plane.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE).strip()
    document = yaml.safe_load(operator_kubeconfig.read_text())
    document["users"][0]["user"] = {"token": token}
    path = tmp_path / "namespaced.kubeconfig"
    path.write_text(yaml.safe_dump(document))
    yield path
    control_plane.kubectl("delete", "-f", "-", "--wait=false", text=text)


def test_it_works_in_its_namespaces_under_the_floor(
    control_plane: Cluster,
    world: World,
    other_world: World,
    floor: Object,
    kubelet: FakeKubelet,
    namespaced_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    flags = (f"--watch-namespace={world.namespace}",)
    operator = RunningOperator(control_plane, namespaced_kubeconfig, tmp_path, "namespaced", flags).start()
    try:
        for place in (world, other_world):
            place.apply(_route(place), policy(selector={}), agent())
        world.await_ready("helper")
        sources = _config(world)["sources"]
        assert sources["callers.anonymous"] == [f"{NAMESPACE}/floor"]
        control_plane.kubectl(
            *("patch", "agentpolicy", "floor", "-n", NAMESPACE, "--type=merge"),
            *("-p", json.dumps({"spec": {"size": {"maxOutputTokens": 42}}})),
        )
        eventually("the floor is followed", lambda: _config(world)["policy"]["size"]["maxOutputTokens"] == 42)
        world.await_ready("helper")
        assert other_world.ready("helper") == ("Unknown", "Pending")
        assert other_world.get("deployment", "helper") is None
        refused = [r for r in operator.requests() if r.code == 403]
        assert refused == [], "it asks for nothing that the chart does not grant"
    finally:
        operator.stop()
        print(operator.log[-4000:])  # noqa: T201


def _route(place: World) -> Object:
    """To a Service of the same namespace: others may not be read."""
    local = route()["spec"]["providers"][0] | {"baseURL": f"http://model.{place.namespace}.svc:8080/v1"}
    return route(providers=[local])


def _is_hook(obj: Object) -> bool:
    return "helm.sh/hook" in (obj["metadata"].get("annotations") or {})


def _config(world: World) -> Object:
    document: Object = json.loads(world.get("configmap", "helper")["data"]["agent.json"])
    return document
