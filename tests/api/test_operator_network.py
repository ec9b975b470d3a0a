"""NetworkRestricted as the operator finds it: pods that are stopped, pods that come through, and what a restart keeps.

The pods are a fake kubelet's, so the enforcer is a rule of the test; tests/e2e/test_network.py has a real one.
"""

import time

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, Start, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually
from tests.fakes.ports import free_port

QUIET_SECONDS = 12.0
KIND = "NetworkRestricted"


def _canary() -> str:
    return f"--canary-port={free_port()}"


def _found(world: World, wanted: tuple[str, str]) -> None:
    def holds() -> bool:
        assert world.conditions("helper").get(KIND) == wanted, (world.get("aiagent", "helper") or {}).get("status")
        return True

    eventually(f"{KIND} {wanted}", holds)


def _edit_the_walls(world: World) -> None:
    """By hand: it is healed, and the pods are asked to try again."""
    world.patch("networkpolicy", "helper", {"spec": {"egress": [{}]}})


def test_it_is_true_where_every_pod_is_stopped_and_false_where_one_comes_through(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start
) -> None:
    world.apply(route(), policy(selector={}), agent(scaling={"replicas": 2}))
    with start_operator("one", _canary()) as operator:
        _found(world, ("True", "Restricted"))
        kubelet.rules.enforces = False
        _edit_the_walls(world)
        _found(world, ("False", "NotEnforced"))
        world.await_ready("helper")
        message = next(c for c in world.get("aiagent", "helper")["status"]["conditions"] if c["type"] == KIND)[
            "message"
        ]
        assert message.startswith("helper-")
        assert message.endswith("Install a network plugin that enforces them.")
        kubelet.rules.enforces = True
        _edit_the_walls(world)
        _found(world, ("True", "Restricted"))
        assert operator.metric('regent_operator_network_trials_total{wall="open"}') >= 2


def _quiet(operator: RunningOperator) -> bool:
    mark = operator.mark_now()
    time.sleep(QUIET_SECONDS)
    return not operator.writes(mark)


def test_a_restart_keeps_what_was_found_and_writes_nothing(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start
) -> None:
    canary = _canary()
    world.apply(route(), policy(selector={}), agent())
    for enforces, wanted in ((True, ("True", "Restricted")), (False, ("False", "NotEnforced"))):
        kubelet.rules.enforces = enforces
        with start_operator(f"first-{enforces}", canary) as first:
            if not enforces:
                _edit_the_walls(world)
            _found(world, wanted)
            eventually("no writes", lambda operator=first: _quiet(operator))
            mark = first.mark_now()
        with start_operator(f"second-{enforces}", canary) as second:
            eventually("it leads", second.leads)
            tried = f'regent_operator_network_trials_total{{wall="{"holds" if enforces else "open"}"}}'
            eventually("it has tried the pod itself", lambda op=second, name=tried: op.metric(name) >= 1)
            time.sleep(QUIET_SECONDS)
            assert second.writes(mark) == []
            assert world.conditions("helper")[KIND] == wanted


def test_without_a_canary_nothing_is_claimed(world: World, operator: RunningOperator) -> None:
    world.apply(route(), policy(selector={}), agent())
    world.await_ready("helper")
    assert KIND not in world.conditions("helper")
