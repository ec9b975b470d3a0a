"""On the node: conversations through the chart's metrics API, and real CPU through metrics-server, scale an agent.

And nobody who talks to it notices, while its pods come, go, are replaced and evicted.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster import metricsserver
from tests.cluster.ownnode import OwnNode
from tests.e2e import caller, followed, manifests, traffic
from tests.e2e.conftest import Installed, install
from tests.e2e.kube import Kube, Object, condition

PASSWORD = "correct-horse-battery"
CONVERSATIONS = 6
MOST = 3


@pytest.fixture(scope="module")
def measured(regent: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """With both metrics APIs, and without them again for the tests that come after."""
    node = regent.kube.cluster
    assert isinstance(node, OwnNode), "metrics-server must be reachable from the API server"
    with metricsserver.beside(node, tmp_path_factory.mktemp("metrics-server")):
        install(regent.kube, *followed.METRICS_API)
        yield regent
        install(regent.kube)


def figures(scaler: Object) -> dict[str, Object]:
    """Name of a metric -> what the autoscaler's controller has read of it."""
    found = {}
    for metric in scaler.get("status", {}).get("currentMetrics") or []:
        if metric["type"] == "Pods":
            found[metric["pods"]["metric"]["name"]] = metric["pods"]["current"]
        elif metric["type"] == "Resource":
            found[metric["resource"]["name"]] = metric["resource"]["current"]
    return found


def test_an_agent_follows_its_conversations_up_and_down_and_its_cpu_is_read(
    measured: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube, where = measured.kube, namespace
    measured.standin("cloud", where)
    secret = {"secretKeyRef": {"name": "redis", "key": "password"}}
    state = {"redis": {"url": f"redis://redis.{where}.svc", "passwordFrom": secret}}
    scaling = followed.bounds(MOST, activeConversations=2, cpuUtilization=90)
    kube.apply(
        *manifests.redis("redis", where, PASSWORD),
        manifests.route("route", where, [manifests.provider("cloud", f"cloud.{where}.svc")]),
        manifests.agent("helper", where, "route", scaling=scaling, state=state, drain={"idleAfter": "10m"}),
    )
    kube.until_ready("helper", where)
    assert len(kube.pods("helper", where)) == 1
    kube.until_condition("aiagent", "helper", where, "ScalingActive", "True", "MetricsAvailable")
    measures = figures(kube.get("horizontalpodautoscaler", "helper", where))
    assert measures["active_conversations"]["averageValue"] == "0"
    assert 0 < int(measures["cpu"]["averageUtilization"]) < 90, "CPU that a pod at rest really uses"

    friend = caller.start(kube, "friend", where, "friend", f"{where}/helper")
    begun = [friend.ask(f"{where}/helper") for _ in range(CONVERSATIONS)]
    assert {each.status for each in begun} == {200}
    since = time.monotonic()
    kube.until("three pods", lambda: len(kube.pods("helper", where)) == MOST)
    seconds_printed("6 conversations, 2 a pod: to 3 pods", time.monotonic() - since)
    kube.until_ready("helper", where)

    for each in begun:
        url = f"http://helper.{where}.svc:8080/v1/conversations/{each.headers['x-regent-conversation']}"
        assert friend.ask(f"{where}/helper", url=url, method="DELETE").status == 200
    since = time.monotonic()
    kube.until("one pod again", lambda: len(kube.pods("helper", where)) == 1)
    seconds_printed("no conversation: to 1 pod", time.monotonic() - since)
    assert condition(kube.get("aiagent", "helper", where), "ScalingActive")["status"] == "True"


def under_way(kube: Kube, where: str) -> None:
    """The agent of tests/e2e/traffic.py, Ready with one pod, which an autoscaler has figures of."""
    kube.apply(*manifests.redis("redis", where, PASSWORD), *traffic.provider(where))
    kube.apply(traffic.policy(where, 0), traffic.agent(where, followed.bounds(MOST)))
    for name in ("cloud", "redis"):
        kube("rollout", "status", f"deployment/{name}", "--namespace", where, "--timeout=120s", timeout=130)
    kube.until_ready("helper", where)
    kube.until_condition("aiagent", "helper", where, "ScalingActive", "True", "MetricsAvailable")


def test_nobody_is_lost_while_an_autoscaler_brings_and_takes_pods_that_are_replaced_and_evicted(
    measured: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube, where = measured.kube, namespace
    under_way(kube, where)
    with (
        kube.record("horizontalpodautoscaler", "helper", where) as scaler,
        traffic.talking(kube, where) as talk,
        traffic.edited(kube, where) as edits,
    ):
        talk.crowd(MOST * followed.PER_POD)
        kube.until("three pods", lambda: traffic.settled(kube, where, MOST))
        first = kube.pod_uids("helper", where)
        traffic.evict(kube, where, kube.pods("helper", where)[0]["metadata"]["name"])
        kube.until("three again", lambda: traffic.settled(kube, where, MOST))
        kube.apply(traffic.agent(where, followed.bounds(MOST), drain="4m"))
        kube.until("all others", lambda: not first & kube.pod_uids("helper", where))
        kube.until("three of them", lambda: traffic.settled(kube, where, MOST))
        talk.crowd(0)
        kube.until("one pod", lambda: traffic.settled(kube, where, 1))
        kube.until("the autoscaler's word", lambda: followed.asked_for(scaler)[-1:] == [1])
        asked = followed.asked_for(scaler)
        report = talk.stop()
    seconds_printed(
        f"{report.turns} turns, {report.streams} streams, repeated {report.retried}; pods {asked}; longest",
        report.longest,
    )
    assert report.failed == []
    assert report.stale(edits) == []
    assert edits.ready
    assert len({text for _, text in report.probes}) > 1
    assert (report.conversations > 10, report.streams > 3, report.longest > 10) == (True, True, True)
    assert max(asked) == MOST
