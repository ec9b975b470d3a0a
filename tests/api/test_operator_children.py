"""The children of an agent on a real API server: made, left alone, healed, collected."""

import asyncio
import json
import time
from typing import Any

import pytest

from regent_operator.engine.access import from_kubeconfig
from regent_operator.engine.apply import NOBODYS_VERSION
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import CHILD_BY_KIND
from tests.api.fake_kubelet import NobodyCounts
from tests.api.operator_fixtures import CHILDREN, Object, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually
from tests.cluster import Cluster

QUIET_SECONDS = 4.0
BUSY = {409, 500, 503, 504}
"""What a busy API server answers to a write: that it failed or took too long, and then that the child is there already."""
MOST_REFUSED = 3
"""Of an agent's writes, on a busy machine. Who tries each child in vain is refused once for each of them."""
PLURALS = (
    "configmaps",
    "deployments",
    "networkpolicies",
    "poddisruptionbudgets",
    "serviceaccounts",
    "services",
)


def test_an_agent_gets_every_child_and_becomes_ready(world: World, operator: RunningOperator) -> None:
    mark = operator.mark_now()
    world.apply(route(), policy(selector={}), agent(scaling={"replicas": 2}))
    world.await_ready("helper")
    children = {kind: world.get(kind, "helper") for kind in (*CHILDREN, "poddisruptionbudget")}
    assert all(children.values()), children
    uid = world.get("aiagent", "helper")["metadata"]["uid"]
    assert {child["metadata"]["ownerReferences"][0]["uid"] for child in children.values()} == {uid}
    eventually("both pods counted", lambda: _counts(world) == (2, "2/2"))
    world.await_ready("internal", reason="Enforced", kind="agentpolicy")
    world.await_ready("local", reason="Enforced", kind="modelroute")
    ours = [r for r in operator.writes(mark) if r.namespace == world.namespace and not r.subresource]
    written = [r for r in ours if r.resource not in {"events", "pods"}]
    made = [r.resource for r in written if r.code < 300]
    assert sorted(made) == sorted(PLURALS), "each child is written once"
    refused = [(r.resource, r.code, r.message) for r in written if r.code >= 300]
    assert {code for _, code, _ in refused} <= BUSY, refused
    assert len(refused) <= MOST_REFUSED, refused


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("serviceaccount", {"automountServiceAccountToken": True}),
        ("configmap", {"data": {"agent.json": "{}"}}),
        ("configmap", {"data": {"more": "text"}}),
        ("service", {"spec": {"selector": {"regent.dev/agent": "other"}}}),
        ("networkpolicy", {"spec": {"ingress": [{}]}}),
        ("poddisruptionbudget", {"spec": {"maxUnavailable": 2}}),
        ("deployment", {"spec": {"replicas": 5}}),
        ("deployment", {"spec": {"template": {"spec": {"hostNetwork": True}}}}),
        ("deployment", {"spec": {"template": {"spec": {"serviceAccountName": "default"}}}}),
        ("service", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "hand"}}}),
        ("networkpolicy", {"metadata": {"ownerReferences": None}}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)
def test_a_child_edited_by_hand_is_healed(quiet_agent: World, kind: str, edit: Object) -> None:
    world = quiet_agent
    before = _content(world, kind)
    world.patch(kind, "helper", edit)
    if kind == "networkpolicy" and "metadata" in edit:
        world.await_ready("helper", "False", "NameConflict")
        return
    eventually(f"{kind} healed", lambda: _content(world, kind) == before)
    world.await_ready("helper")


@pytest.mark.parametrize("kind", [*CHILDREN, "poddisruptionbudget"])
def test_a_child_deleted_by_hand_comes_back(quiet_agent: World, kind: str) -> None:
    before = quiet_agent.get(kind, "helper")
    quiet_agent.delete(kind, "helper")

    def back() -> bool:
        now = quiet_agent.get(kind, "helper")
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    eventually(f"{kind} made again", back)
    quiet_agent.await_ready("helper")


def test_a_sidecar_added_by_hand_is_cut_away(quiet_agent: World) -> None:
    world = quiet_agent
    sidecar = {"name": "spy", "image": "spy:1"}
    containers = world.get("deployment", "helper")["spec"]["template"]["spec"]["containers"]
    patch = {"spec": {"template": {"spec": {"containers": [*containers, sidecar]}}}}
    world.patch("deployment", "helper", patch)
    eventually(
        "one container", lambda: len(world.get("deployment", "helper")["spec"]["template"]["spec"]["containers"]) == 1
    )
    world.await_ready("helper")


def test_what_others_may_do_to_a_child_stays(quiet_agent: World, control_plane: Any) -> None:
    """A restart by kubectl, labels and annotations are anyone's, and are not fought."""
    world = quiet_agent
    world.patch("configmap", "helper", {"metadata": {"labels": {"team": "mine"}}})
    control_plane.kubectl("rollout", "restart", "deployment/helper", "-n", world.namespace)
    time.sleep(QUIET_SECONDS)
    template = world.get("deployment", "helper")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    assert world.get("configmap", "helper")["metadata"]["labels"]["team"] == "mine"
    world.await_ready("helper")


def test_an_agent_takes_its_children_along(quiet_agent: World) -> None:
    quiet_agent.delete("aiagent", "helper")
    eventually(
        "no child left",
        lambda: not any(quiet_agent.get(kind, "helper") for kind in (*CHILDREN, "poddisruptionbudget")),
    )


def test_an_agent_that_is_made_again_at_once_gets_children_of_its_own(quiet_agent: World) -> None:
    world = quiet_agent
    before = world.get("aiagent", "helper")["metadata"]["uid"]
    world.delete("aiagent", "helper")
    world.apply(agent(scaling={"replicas": 2}))
    world.await_ready("helper")
    now = world.get("aiagent", "helper")["metadata"]["uid"]
    assert now != before

    def owned() -> bool:
        children = [world.get(kind, "helper") for kind in (*CHILDREN, "poddisruptionbudget")]
        return all(c and c["metadata"]["ownerReferences"][0]["uid"] == now for c in children)

    eventually("every child is the new agent's", owned)
    world.await_ready("helper")


@pytest.mark.parametrize("kind", ["configmap", "service", "serviceaccount"])
def test_a_foreign_object_of_the_name_is_reported_and_left_alone(
    world: World, operator: RunningOperator, kind: str
) -> None:
    foreign = {
        "configmap": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "yes"}},
        "service": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
        "serviceaccount": {"apiVersion": "v1", "kind": "ServiceAccount"},
    }[kind] | {"metadata": {"name": "helper"}}
    world.apply(foreign)
    before = world.get(kind, "helper")
    world.apply(route(), agent())
    world.await_ready("helper", "False", "NameConflict")
    assert world.conditions("helper")["Stalled"][0] == "True"
    assert world.get(kind, "helper") == before
    assert world.get("deployment", "helper") is None
    world.delete(kind, "helper")
    world.patch("aiagent", "helper", {"metadata": {"labels": {"again": "now"}}})
    world.await_ready("helper")


@pytest.mark.parametrize("kind", [*CHILDREN, "poddisruptionbudget"])
def test_what_is_made_where_there_is_none_is_never_written_into_one(
    quiet_agent: World, control_plane: Cluster, kind: str
) -> None:
    """By the API server's own account, for each kind of child: the condition under which children are made."""
    before = quiet_agent.get(kind, "helper")
    named = {"namespace": quiet_agent.namespace, "name": "helper"}
    taken = named | {"labels": {"taken": "over"}, "resourceVersion": NOBODYS_VERSION}
    resource = CHILD_BY_KIND[before["kind"]]

    async def take_over() -> None:
        async with ApiClient(from_kubeconfig(control_plane.kubeconfig), NobodyCounts()) as client:
            await client.apply(
                resource, {"apiVersion": before["apiVersion"], "kind": before["kind"], "metadata": taken}
            )

    with pytest.raises(ApiError) as refused:
        asyncio.run(take_over())
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    assert _content(quiet_agent, kind) == _content_of(before)


@pytest.fixture
def quiet_agent(world: World, operator: RunningOperator) -> World:
    """An agent of two pods that is Ready."""
    world.apply(route(), policy(selector={}), agent(scaling={"replicas": 2}))
    world.await_ready("helper")
    return world


def _counts(world: World) -> tuple[int, str]:
    """The pods that Kubernetes says are available, and those that prove the config: each is told when it is known."""
    status = world.get("aiagent", "helper")["status"]
    return status["replicas"], status["enforced"]


def _content(world: World, kind: str) -> Object:
    return _content_of(world.get(kind, "helper") or {})


def _content_of(found: Object) -> Object:
    content = {name: value for name, value in found.items() if name not in {"metadata", "status"}}
    kept = ("labels", "ownerReferences")
    return content | {name: found.get("metadata", {}).get(name) for name in kept}
