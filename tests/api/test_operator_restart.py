"""Starting, stopping, dying, and what must not be done before everything is known."""

import time
from typing import Any

import pytest

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, Start, World, agent, policy, route
from tests.api.running_operator import NAMESPACE, QUIET_SECONDS, eventually
from tests.api.slow_proxy import SlowProxy

SWEEPS_SECONDS = 500.0
"""The first sweep is five seconds after the start, and on a slow machine too early; the next is within 450."""
LEASE_WRITES = 'regent_operator_writes_total{resource="leases"}'
"""Counted when tried: one that both saw free is refused to the second."""
WORKLOAD = {
    "resources": {"requests": {"cpu": "0.50", "memory": "1024Ki"}, "limits": {"cpu": "1", "memory": "0.5Gi"}},
    "nodeSelector": {"example.com/pool": "agents"},
    "tolerations": [{"key": "agents", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
    "imagePullSecrets": [{"name": "pull"}],
}
"""Written as people write it, and stored otherwise by the API server."""
AUTO = {"auto": {"minReplicas": 2, "maxReplicas": 6, "targets": {"activeConversations": 1000}}}
"""Stored as `1k`."""


def test_a_restart_with_nothing_changed_writes_nothing(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Any
) -> None:
    world.apply(route(), policy(selector={}), agent(scaling={"replicas": 2}))
    world.apply(agent("lost", modelRouteRef={"name": "no"}), agent("full", workload=WORKLOAD))
    world.apply(agent("grows", scaling=AUTO))
    with start_operator("first") as first:
        world.await_ready("helper")
        world.await_ready("full")
        world.await_ready("lost", "False", "RouteMissing")
        world.await_ready("grows")
        eventually("told", lambda: world.conditions("grows").get("ScalingActive", ("Unknown",))[0] != "Unknown")
        first.settle()
        mark = first.mark_now()
    with start_operator("second", "--resync-seconds=2") as second:
        eventually("the second leads", second.leads)
        eventually("resyncs", lambda: second.metric("regent_operator_reconcile_seconds_count") > 15)
        time.sleep(QUIET_SECONDS)
        assert second.writes(mark) == []
        leases = second.metric('regent_operator_writes_total{resource="leases"}')
        assert second.metric("regent_operator_writes_total") == leases > 0


@pytest.mark.parametrize("kind", ["agentpolicies", "aiagents", "modelroutes"])
def test_no_worker_starts_before_all_three_kinds_are_listed(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Any, kind: str
) -> None:
    world.apply(route(), policy(selector={}), agent())
    with (
        SlowProxy(control_plane.kubeconfig, hold=f"/{kind}") as proxy,
        start_operator(server=proxy.url) as operator,
    ):
        eventually("the list is asked for", lambda: proxy.held)
        eventually("it leads", operator.leads)
        time.sleep(QUIET_SECONDS)
        assert operator.writes() == []
        assert world.get("configmap", "helper") is None
        code, text = operator.page("/readyz")
        assert (code, "three kinds" in text) == (503, True)
        assert operator.page("/livez")[0] == 200
        proxy.let_go()
        world.await_ready("helper")
        assert operator.page("/readyz") == (200, "ok")


def test_one_that_is_stopped_while_it_starts_gives_the_lease_back(
    floor: Object, start_operator: Start, control_plane: Any
) -> None:
    with SlowProxy(control_plane.kubeconfig, hold="/modelroutes") as proxy:
        with start_operator("early", server=proxy.url) as early:
            eventually("it leads", early.leads)
            eventually("it waits for a list", lambda: proxy.held)
            assert early.stop() == 0
        lease = control_plane.reader.find("lease", "regent-operator", NAMESPACE)
        assert lease["spec"]["holderIdentity"] == "", "the next one need not wait"


def test_a_deletion_that_no_watch_reports_is_found(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Any
) -> None:
    """kopf says nothing of what was deleted before its first list; neither does it after a 410."""
    world.apply(route(), policy(selector={}, size={"maxOutputTokens": 99}), agent())
    proxy = SlowProxy(control_plane.kubeconfig, hold="/agentpolicies", agent="kopf")
    with proxy, start_operator(server=proxy.url):
        eventually("kopf asks for the policies", lambda: proxy.held)
        world.await_ready("helper")
        world.delete("agentpolicy", "internal")
        assert world.get("agentpolicy", "internal") is None
        eventually("planned without it", lambda: '"maxOutputTokens":99' not in _config_text(world), SWEEPS_SECONDS)


def test_the_standby_takes_over_from_a_killed_leader(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start
) -> None:
    world.apply(route(), policy(selector={}), agent())
    with start_operator("leader") as leader, start_operator("standby") as standby:
        world.await_ready("helper")
        first, second = (leader, standby) if leader.leads() else (standby, leader)
        eventually("the standby is warm", lambda: second.page("/readyz")[0] == 200)
        assert not second.leads()
        assert set(second.metrics("regent_operator_writes_total")) <= {LEASE_WRITES}
        world.apply(*(agent(f"more-{n}") for n in range(5)))
        first.kill()
        killed = time.monotonic()
        eventually("the standby leads", second.leads)
        print(f"take-over after {time.monotonic() - killed:.1f} s")  # noqa: T201
        for n in range(5):
            world.await_ready(f"more-{n}")
        world.delete("agentpolicy", "internal")
        world.await_ready("helper")


def test_a_standby_takes_over_what_was_edited_while_it_waited(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start
) -> None:
    """What it listed when it started is old by then, and no base for the plan of an agent whose policy is missing."""
    world.apply(route(), policy(size={"maxOutputTokens": 99}), agent(policyRefs=[{"name": "internal"}]))
    with start_operator("leader") as leader:
        world.await_ready("helper")
        with start_operator("standby") as standby:
            eventually("the standby is warm", lambda: standby.page("/readyz")[0] == 200)
            world.apply(policy(size={"maxOutputTokens": 55}))
            eventually("the edit", lambda: '"maxOutputTokens":55' in _config_text(world))
            world.await_ready("helper")
            world.delete("agentpolicy", "internal")
            world.await_ready("helper", "False", "PolicyMissing")
            leader.kill()
            world.patch("aiagent", "helper", {"spec": {"suspend": True}})
            eventually("the standby leads", standby.leads)
            eventually("suspended", lambda: '"suspended":true' in _config_text(world))
            assert '"maxOutputTokens":55' in _config_text(world)
            status = world.get("aiagent", "helper")["status"]
            assert status["digests"]
            assert status["effective"]
            world.await_ready("helper", "False", "PolicyMissing")


def test_it_comes_back_when_every_connection_is_cut(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Any
) -> None:
    world.apply(route(), policy(selector={}), agent())
    with SlowProxy(control_plane.kubeconfig) as proxy, start_operator(server=proxy.url) as operator:
        world.await_ready("helper")
        proxy.refuse = True
        proxy.cut()
        world.patch("configmap", "helper", {"data": {"agent.json": "{}"}})
        world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 55}}})
        time.sleep(10)
        assert operator.page("/livez")[0] == 200, "an API server that is away is no reason to restart"
        assert not operator.leads(), "nobody writes on a lease that could not be renewed"
        proxy.refuse = False
        eventually("healed and enforced", lambda: '"maxOutputTokens":55' in _config_text(world))
        world.await_ready("helper")


def test_a_new_runtime_rolls_agents_in_waves_and_a_bad_one_stops_at_the_first(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start
) -> None:
    names = [f"a{n}" for n in range(5)]
    world.apply(route(), policy(selector={}), *map(agent, names))
    with start_operator("old"):
        for name in names:
            world.await_ready(name)
    kubelet.rules.bad_image = "regent/runtime:next"
    with start_operator("next", "--runtime-image=regent/runtime:next") as operator:
        eventually("the first wave", lambda: _images(world).count("regent/runtime:next") == 2)
        operator.settle()
        assert _images(world).count("regent/runtime:next") == 2
        for name in names:
            world.await_ready(name)
        kubelet.rules.bad_image = ""
        eventually("all waves", lambda: _images(world) == ["regent/runtime:next"] * 5)
        for name in names:
            world.await_ready(name)


def _images(world: World) -> list[str]:
    return [d["spec"]["template"]["spec"]["containers"][0]["image"] for d in world.all("deployments")]


def _config_text(world: World) -> str:
    text: str = world.get("configmap", "helper")["data"]["agent.json"]
    return text.replace(" ", "")
