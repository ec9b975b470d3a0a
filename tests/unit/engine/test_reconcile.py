"""What one look brings about beside children and status, and when a key is looked at again although nothing happens to it."""

from dataclasses import replace

import pytest

from regent_operator.engine.queue import WorkQueue
from regent_operator.engine.reconcile import CONFLICT_SECONDS
from regent_operator.engine.resources import AGENTS, Key
from regent_operator.plan.deletioncost import ANNOTATION
from tests.unit.engine.fake_client import meta
from tests.unit.engine.world import AGENT, NAMESPACE, World

AUTOSCALED = Key(AGENTS.kind, NAMESPACE, "scaled")


async def test_an_agent_whose_autoscaler_tells_nothing_is_looked_at_when_that_is_to_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing else would bring the operator back before the resync, half an hour later."""
    world = World(monkeypatch)
    await world.begin(0)
    monkeypatch.setattr(world.engine.reconciler._statuses, "now", lambda: "2026-11-25T20:41:00Z")
    world.put(AGENTS.kind, AUTOSCALED.name, AGENT | {"scaling": {"auto": {"minReplicas": 2}}})
    await world.settle()
    conditions = world.api.objects[AUTOSCALED]["status"]["conditions"]
    assert [each["reason"] for each in conditions if each["type"] == "ScalingActive"] == ["Pending"]
    monkeypatch.setattr(world.engine.reconciler._statuses, "now", lambda: "2026-11-25T20:43:00Z")
    again = await world.engine.reconciler.reconcile(AUTOSCALED)
    assert again.after == 180.0
    monkeypatch.setattr(world.engine.reconciler._statuses, "now", lambda: "2026-11-25T20:46:00Z")
    assert (await world.engine.reconciler.reconcile(AUTOSCALED)).after is None
    conditions = world.api.objects[AUTOSCALED]["status"]["conditions"]
    assert [each["reason"] for each in conditions if each["type"] == "ScalingActive"] == ["MetricUnavailable"]


async def test_a_name_conflict_ends_when_the_foreign_object_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watch tells of that: it bears no label of ours."""
    world = World(monkeypatch)
    await world.begin(0)
    key, place = Key(AGENTS.kind, NAMESPACE, "taken"), ("Service", NAMESPACE, "taken")
    world.api.objects[place] = meta("taken", 50, generation=1) | {"spec": {"ports": [{"port": 80}]}}
    world.put(AGENTS.kind, key.name, AGENT)
    await world.settle()
    assert world.ready(key.name) == "NameConflict"
    assert (await world.engine.reconciler.reconcile(key)).after == CONFLICT_SECONDS
    del world.api.objects[place]
    await world.engine.reconciler.reconcile(key)
    assert world.ready(key.name) != "NameConflict"
    assert world.calls("apply", "Service") == 1


async def test_what_took_an_agent_s_name_is_forgotten_with_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    await world.begin(0)
    world.api.objects["ServiceAccount", NAMESPACE, "taken"] = meta("taken", 50, generation=1)
    world.put(AGENTS.kind, "taken", AGENT)
    await world.settle()
    assert len(world.engine.children) == 1
    world.engine.store.gone(AGENTS, NAMESPACE, "taken", "uid-taken")
    await world.settle()
    assert len(world.engine.children) == 0


async def test_pods_are_told_what_their_end_would_cost_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    await world.begin(2)
    alone = Key(AGENTS.kind, NAMESPACE, "a001")
    world.put(AGENTS.kind, alone.name, AGENT | {"scaling": {"replicas": 1}})
    for key in world.engine.store.agents():
        for pod, conversations in zip(world.engine.pods.of(key), (9, 0), strict=True):
            echo = pod.seen.echo
            assert echo is not None
            world.engine.pods.echoed(pod.seen.uid, replace(echo, active_conversations=conversations))
        await world.engine.reconciler.reconcile(key)
    borne = {
        name: pod["metadata"].get("annotations", {}).get(ANNOTATION)
        for (kind, _, name), pod in world.api.objects.items()
        if kind == "Pod"
    }
    assert borne == {"a000-0": "8", "a000-1": None, "a001-0": None, "a001-1": None}


async def test_pods_run_into_their_walls_when_they_answer_and_when_the_walls_were_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    await world.begin(2)
    uids, asked = {f"uid-a{agent:03}-{pod}" for agent in range(2) for pod in range(2)}, world.engine.trials._queue
    assert taken(asked) == uids
    world.put(AGENTS.kind, "a000", AGENT | {"sensitivity": "Confidential"})
    await world.settle()
    assert set(asked._waiting) == set(), "its walls stay"
    world.put("AgentPolicy", "house", {"selector": {}, "models": {"localHosts": ["*.svc"]}, "callers": CALLERS})
    await world.settle()
    assert set(asked._waiting) == uids


CALLERS = {"serviceAccounts": [{"namespace": "other", "name": "*"}]}


def taken(queue: WorkQueue[str]) -> set[str]:
    """All that is due; none of it comes again by itself."""
    found = set[str]()
    while (uid := queue.take()) is not None:
        found.add(uid)
        queue.done(uid)
    return found
