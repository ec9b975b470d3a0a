"""`make bench-operator` in short: what is asked in each of its parts, exactly, and edits at a pace that are all applied."""

import asyncio
import json
import time

from regent_operator.engine.access import from_kubeconfig
from tests.api.fake_kubelet import REFRESH_SECONDS, FakeKubelet
from tests.api.operator_fixtures import Object, Start, World, agent, policy, route
from tests.api.running_operator import eventually
from tests.bench import expected, paced
from tests.bench.account import Account
from tests.cluster import Cluster

AGENTS = 6
EDITS_PER_SECOND = 20


def _unexpected(world: World, account: Account, phase: expected.Phase) -> dict[str, str]:
    """Other tests' namespaces may still be going; the provider's Service is in none of them."""
    asked = [r for r in account.read().requests if r.namespace in {world.namespace, "models"}]
    return expected.unexpected(phase, asked, _names(world))


def _names(world: World) -> list[tuple[str, str]]:
    return [(world.namespace, f"a{number}") for number in range(AGENTS)]


def _all_ready(world: World) -> bool:
    return all(world.ready(name) == ("True", "Ready") for _, name in _names(world))


def test_creation_edits_restart_and_resync_ask_for_what_is_expected_and_nothing_else(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    agents = _names(world)
    world.apply(route(), policy(selector={}, size={"maxOutputTokens": 900}), *(agent(name) for _, name in agents))
    with start_operator("first") as first:
        account = Account(control_plane.audit, first.mark)
        eventually("every agent is Ready", lambda: account.settled(AGENTS))
        first.settle()
        assert _unexpected(world, account, expected.CREATION) == {}

        account = Account(control_plane.audit, first.mark_now(), ready=agents)
        world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 500}}})
        eventually("every agent is Ready under the edited policy", lambda: account.settled(AGENTS))
        first.settle()
        assert _unexpected(world, account, expected.EDIT) == {}
        assert _all_ready(world)

        account = Account(control_plane.audit, first.mark_now(), ready=agents)
        sent = asyncio.run(paced.edit(from_kubeconfig(control_plane.kubeconfig), agents, EDITS_PER_SECOND))
        assert [one.status for one in sent] == [200] * AGENTS
        edits = eventually("every edit is applied", lambda: _applied(sent, account))
        first.settle()
        assert _unexpected(world, account, expected.EDIT_OF_AGENTS) == {}
        print(paced.figures(edits))  # noqa: T201
        for one in sent:
            _is_applied(world, one)

        asked = kubelet.requests["GET configmaps"]
        time.sleep(REFRESH_SECONDS)
        assert kubelet.requests["GET configmaps"] == asked, "what stands beside the operator polls nothing"

    with start_operator("second", "--resync-seconds=2") as second:
        account = Account(control_plane.audit, second.mark)
        looks = 'regent_operator_reconcile_seconds_count{kind="AIAgent"}'
        eventually("everything was looked at", lambda: second.metric(looks) >= AGENTS)
        assert _unexpected(world, account, expected.RESTART) == {}
        before = second.metric(looks)
        account = Account(control_plane.audit, second.mark_now())
        eventually("everything was looked at again", lambda: second.metric(looks) - before >= 3 * AGENTS)
        time.sleep(1)
        assert _unexpected(world, account, expected.RESYNC) == {}


def _applied(sent: list[paced.Sent], account: Account) -> list[paced.Applied]:
    edits = paced.applied(sent, account.read().everyones)
    return edits if len(edits) == len(sent) and paced.are_applied(edits) else []


def _is_applied(world: World, edit: paced.Sent) -> None:
    """In the ConfigMap, and by the status."""
    _, name = edit.agent
    document = json.loads(world.get("configmap", name)["data"]["agent.json"])
    assert document["maxOutputTokens"] == edit.tokens
    status = world.get("aiagent", name)["status"]
    assert status["observedGeneration"] == edit.generation
    assert world.ready(name) == ("True", "Ready")
