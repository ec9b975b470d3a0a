"""Starting, stopping, dying, and what must not be done before everything is known."""

import time
from typing import Any

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, Start, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually

QUIET_SECONDS = 8.0


def _settle(operator: RunningOperator) -> None:
    """Until the operator has written nothing for a while."""

    def quiet() -> bool:
        mark = operator.mark_now()
        time.sleep(QUIET_SECONDS)
        return not operator.writes(mark)

    eventually("no writes", quiet, 120)


def test_a_restart_with_nothing_changed_writes_nothing(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Any
) -> None:
    world.apply(
        route(), policy(selector={}), agent(scaling={"replicas": 2}), agent("lost", modelRouteRef={"name": "no"})
    )
    with start_operator("first") as first:
        world.await_ready("helper")
        world.await_ready("lost", "False", "RouteMissing")
        _settle(first)
        mark = first.mark_now()
    with start_operator("second", "--resync-seconds=2") as second:
        eventually("the second leads", second.leads)
        eventually("resyncs", lambda: second.metric("regent_operator_reconcile_seconds_count") > 15)
        time.sleep(QUIET_SECONDS)
        assert second.writes(mark) == []
        leases = second.metric('regent_operator_writes_total{resource="leases"}')
        assert second.metric("regent_operator_writes_total") == leases > 0
