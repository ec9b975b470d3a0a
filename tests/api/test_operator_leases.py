"""Who leads, by the API server's own account: looks at the Lease are counted, since a clock would measure the machine.

A replica that does not lead looks every STANDBY_SECONDS, so that N looks are N seconds on a machine that keeps up.
"""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass

from regent_operator.engine.lease import DURATION_SECONDS, STANDBY_SECONDS
from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, Start, World, agent, policy, route
from tests.api.running_operator import NAMESPACE, RunningOperator, eventually
from tests.api.slow_proxy import SlowProxy
from tests.cluster import Cluster, Request

TAKE_OVER_SECONDS = 20
HAND_OVER_SECONDS = 2


@dataclass(frozen=True)
class Handover:
    """From the last write of the Lease by the one that led to the first by the next."""

    holders: tuple[str, str]
    looks: int
    """Of the standby in between."""


def _asked(operator: RunningOperator, mark: int) -> list[Request]:
    return sorted((r for r in operator.requests(mark) if r.resource == "leases"), key=lambda request: request.at)


def _lease(cluster: Cluster) -> Object:
    found: Object = json.loads(cluster.kubectl("get", "lease", "regent-operator", "-n", NAMESPACE, "-o", "json"))
    return dict(found["spec"])


def _handover(cluster: Cluster, standby: RunningOperator, mark: int, end: Callable[[], object]) -> Handover:
    before = str(_lease(cluster)["holderIdentity"])
    end()
    eventually("the standby leads", standby.leads)
    spec = _lease(cluster)
    eventually("it is in the account", lambda: _asked(standby, mark)[-1].at > str(spec["acquireTime"]))
    asked = _asked(standby, mark)
    taken = next(i for i, r in enumerate(asked) if r.verb == "update" and r.at >= str(spec["acquireTime"]))
    last = max(i for i, r in enumerate(asked[:taken]) if r.verb == "update")
    looks = sum(r.verb == "get" for r in asked[last:taken])
    return Handover((before.partition("_")[0], str(spec["holderIdentity"]).partition("_")[0]), looks)


def test_a_clean_stop_is_followed_at_the_next_look(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    with start_operator("leader") as leader:
        eventually("it leads", leader.leads)
        with start_operator("standby") as standby:
            ended: list[int] = []
            eventually("the standby is warm", lambda: standby.page("/readyz")[0] == 200)
            handover = _handover(control_plane, standby, leader.mark, lambda: ended.append(leader.stop()))
            assert ended == [0]
            assert handover.holders == ("leader", "standby")
            assert handover.looks * STANDBY_SECONDS <= HAND_OVER_SECONDS


def test_a_killed_leader_is_followed_when_its_lease_has_expired(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    with start_operator("leader") as leader:
        eventually("it leads", leader.leads)
        with start_operator("standby") as standby:
            eventually("the standby is warm", lambda: standby.page("/readyz")[0] == 200)
            handover = _handover(control_plane, standby, leader.mark, leader.kill)
            assert handover.holders == ("leader", "standby")
            assert handover.looks * STANDBY_SECONDS <= TAKE_OVER_SECONDS
            assert _lease(control_plane)["leaseDurationSeconds"] == DURATION_SECONDS


def test_a_leader_that_was_frozen_in_the_middle_writes_nothing_when_it_thaws(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    """It wakes with keys in its workers' hands, and believes for no moment that the Lease is still its own.

    Whatever it asks about an agent whose name ends with 5 is held back, so that it cannot have finished.
    """
    with (
        SlowProxy(control_plane.kubeconfig, hold="5", agent="regent") as proxy,
        start_operator("frozen", server=proxy.url) as frozen,
    ):
        eventually("it leads", frozen.leads)
        with start_operator("standby") as standby:
            eventually("the standby is warm", lambda: standby.page("/readyz")[0] == 200)
            names = [f"a{number:02}" for number in range(30)]
            world.apply(route(), policy(selector={}), *map(agent, names))
            eventually("in the middle", lambda: proxy.held and len(world.all("deployments")) >= 3)
            assert frozen.process
            frozen.process.send_signal(signal.SIGSTOP)
            try:
                assert len(world.all("deployments")) < len(names)
                eventually("the standby leads", standby.leads)
                written = len(proxy.writes)
            finally:
                frozen.process.send_signal(signal.SIGCONT)
            for name in names:
                world.await_ready(name)
            eventually("it has looked at the Lease again", lambda: "stops leading" in frozen.log)
            assert not frozen.leads()
            assert standby.leads()
            assert proxy.writes[written:] == []
            assert len(world.all("pods")) == len(names)
