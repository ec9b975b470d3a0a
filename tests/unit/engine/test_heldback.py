import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from regent_operator.engine import reconcile
from regent_operator.engine.errors import ApiError
from regent_operator.engine.queue import Priority
from regent_operator.engine.resources import AGENTS, AUTOSCALERS, DEPLOYMENTS, PODS, POLICIES, ROUTES, Key
from tests.unit.engine.fake_client import meta
from tests.unit.engine.world import AGENT, NAMESPACE, ROUTE, World

Object = dict[str, Any]
WORKLOAD = {"resources": {"requests": {"memory": "300Mi"}}}
RESOURCES = {"requests": {"cpu": "50m", "memory": "300Mi"}}
"""Of its pods then."""


async def in_the_middle_of_a_wave(monkeypatch: pytest.MonkeyPatch, agents: int = 20) -> World:
    """Each of them was looked at, the first ones have the new version and do not come to an end."""
    world = World(monkeypatch)
    await world.begin(agents)
    facts = world.engine.facts
    facts.installation = replace(facts.installation, runtime_image="runtime:2")
    for number in range(agents):
        await look(world, number)
    await world.settle()
    world.api.calls.clear()
    return world


async def look(world: World, number: int) -> None:
    await world.engine.reconciler.reconcile(key(number))


def key(number: int) -> Key:
    return Key(AGENTS.kind, NAMESPACE, f"a{number:03}")


def container(world: World, number: int) -> Object:
    deployment = world.api.objects[DEPLOYMENTS.kind, NAMESPACE, f"a{number:03}"]
    found: Object = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def given(world: World, agents: int = 20) -> list[int]:
    return [number for number in range(agents) if container(world, number)["image"] == "runtime:2"]


def finish(world: World, number: int) -> None:
    live = world.api.objects[DEPLOYMENTS.kind, NAMESPACE, f"a{number:03}"]
    world.api.version += 1
    about = live["metadata"] | {"resourceVersion": str(world.api.version)}
    counts = {"replicas": 2, "availableReplicas": 2, "updatedReplicas": 2, "observedGeneration": about["generation"]}
    world.engine.children.seen(DEPLOYMENTS, live | {"metadata": about, "status": counts}, full=True)


def due_within(world: World, seconds: float) -> Iterator[Key]:
    queue = world.engine.queue
    return (each for each, entry in queue._waiting.items() if entry.due < queue._clock() + seconds)


@pytest.mark.parametrize("scaling", [{"replicas": 2}, {"auto": {"minReplicas": 2, "maxReplicas": 5}}])
async def test_who_is_held_back_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, scaling: Object) -> None:
    monkeypatch.setitem(AGENT, "scaling", scaling)
    monkeypatch.setitem(AGENT, "state", {"redis": {"url": "redis://demo.models.svc:8080"}})
    world = World(monkeypatch)
    await world.begin(100)
    facts = world.engine.facts
    facts.installation = replace(facts.installation, runtime_image="runtime:2")
    world.engine.store.touch_all(Priority.FOLLOW)
    await world.settle()
    assert len(given(world, 100)) == 10
    world.api.calls.clear()
    held = {key(number) for number in range(100)} - {key(number) for number in given(world, 100)}
    assert held.isdisjoint(due_within(world, 60.0))
    await world.settle()
    assert world.api.calls == []


async def test_who_is_held_back_is_looked_at_when_there_is_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    assert given(world) == [0, 1]
    finish(world, 1)
    await world.settle()
    assert given(world) == [0, 1, 2]


async def test_a_look_at_who_is_held_back_costs_what_one_at_rest_does(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    await look(world, 9)
    made: list[Any] = []
    monkeypatch.setattr(reconcile, "children", lambda plan, *_: made.append(plan))
    monkeypatch.setattr(reconcile, "agent_status", lambda plan, *_: made.append(plan))
    await look(world, 9)
    assert made == []


async def test_another_leader_goes_on_within_the_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    for _ in range(3):
        world.lead_anew()
        for number in reversed(range(20)):
            await look(world, number)
    assert given(world) == [0, 1]


async def test_an_edit_goes_at_once_and_carries_no_new_version_past_the_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    for number in range(2, 12):
        edit = {"instructions": {"inline": "You answer politely."}}
        world.put(AGENTS.kind, f"a{number:03}", AGENT | edit)
        await look(world, number)
    assert given(world) == [0, 1]
    assert world.calls("apply", "ConfigMap") == 10
    assert world.calls("apply", "Deployment") == 0, "no pod is replaced for it"


async def test_a_tighter_policy_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    tighter = {"selector": {}, "models": {"localHosts": ["*.svc"]}, "size": {"maxOutputTokens": 55}}
    world.put(POLICIES.kind, "house", tighter)
    await world.settle()
    assert world.calls("apply", "ConfigMap") == 20
    assert world.calls("get", "Deployment") == 0
    assert given(world) == [0, 1]


async def test_an_edit_of_the_pods_goes_with_the_live_version(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    before = container(world, 9)
    world.put(AGENTS.kind, "a009", AGENT | {"workload": WORKLOAD, "drain": {"timeout": "1m"}})
    await world.settle()
    after, command = container(world, 9), list(before["command"])
    command[command.index("--drain-timeout") + 1] = "60"
    assert after == before | {"command": command, "resources": RESOURCES}
    assert world.calls("get", "Deployment") == 1
    world.api.calls.clear()
    await look(world, 9)
    assert world.api.calls == []
    for number in (0, 1):
        finish(world, number)
    await world.settle()
    assert given(world) == [0, 1, 2, 3]


async def test_an_edit_whose_write_failed_is_not_held_back_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status says that it was observed: what failed is told."""
    world = await in_the_middle_of_a_wave(monkeypatch)
    apply, failures = world.api.apply, [ApiError(500, "InternalError", "a webhook is down")]

    async def failing(resource: Any, obj: Object, manager: str = "regent") -> Object:
        if resource == DEPLOYMENTS and failures:
            raise failures.pop()
        return await apply(resource, obj, manager)

    monkeypatch.setattr(world.api, "apply", failing)
    world.put(AGENTS.kind, "a009", AGENT | {"workload": WORKLOAD})
    with pytest.raises(ApiError):
        await look(world, 9)
    await look(world, 9)
    assert container(world, 9)["resources"] == RESOURCES
    assert given(world) == [0, 1]


async def test_who_is_suspended_has_no_pods_to_replace_and_resumes_with_the_new_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    world.put(AGENTS.kind, "a009", AGENT | {"suspend": True})
    await world.settle()
    for number in range(2):
        world._gone(PODS, f"a009-{number}", world.engine.pods)
    await world.settle()
    assert world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"]["spec"]["replicas"] == 0
    world.put(AGENTS.kind, "a009", AGENT)
    await world.settle()
    assert world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"]["spec"]["replicas"] == 2
    assert given(world) == [0, 1, 9]


async def test_another_number_of_pods_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    world.put(AGENTS.kind, "a009", AGENT | {"scaling": {"replicas": 3}})
    await world.settle()
    assert world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"]["spec"]["replicas"] == 3
    assert given(world) == [0, 1]


async def test_a_key_that_a_route_gains_is_mounted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has edited the agent, and without the key its config could not be followed."""
    world = await in_the_middle_of_a_wave(monkeypatch)
    credentials = [{"name": "main", "secretKeyRef": {"name": "keys", "key": "token"}}]
    cloud = {"type": "OpenAI", "baseURL": "https://api.example.com/v1", "maxSensitivity": "Internal"}
    (provider,) = ROUTE["providers"]
    world.put(ROUTES.kind, "local", ROUTE | {"providers": [provider | cloud | {"credentials": credentials}]})
    await world.settle()
    spec = world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"]["spec"]["template"]["spec"]
    assert "keys" in json.dumps(spec["volumes"])
    assert {each["name"] for each in spec["volumes"]} >= {each["name"] for each in container(world, 9)["volumeMounts"]}
    assert given(world) == [0, 1]


async def test_a_new_agent_gets_the_new_version_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    world.put(AGENTS.kind, "a020", AGENT)
    await world.settle()
    assert given(world, 21) == [0, 1, 20]


async def test_a_name_conflict_is_told_and_waits_for_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await in_the_middle_of_a_wave(monkeypatch)
    foreign = meta("a020", 1, namespace=NAMESPACE, generation=1) | {
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"command": ["serve"]}]}}},
        "status": {"replicas": 2},
    }
    world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a020"] = foreign
    world.engine.children.seen(DEPLOYMENTS, foreign, full=True)
    world.put(AGENTS.kind, "a020", AGENT)
    await world.settle()
    assert world.ready("a020") == "NameConflict"


@pytest.mark.parametrize("part", ["securityContext", "volumeMounts", "volumes"])
async def test_an_edit_brings_back_what_a_hand_has_removed(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """It belongs to nobody then: no look can tell that a hand was there."""
    world = await in_the_middle_of_a_wave(monkeypatch)
    live = copy.deepcopy(world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"])
    spec = live["spec"]["template"]["spec"]
    before = {
        name: each.pop(part) for name, each in (("pod", spec), ("container", spec["containers"][0])) if part in each
    }
    world.api.version += 1
    live["metadata"] |= {"resourceVersion": str(world.api.version), "generation": live["metadata"]["generation"] + 1}
    world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"] = live
    world.engine.children.seen(DEPLOYMENTS, live, full=True)
    world.put(AGENTS.kind, "a009", AGENT | {"workload": WORKLOAD})
    await look(world, 9)
    spec = world.api.objects[DEPLOYMENTS.kind, NAMESPACE, "a009"]["spec"]["template"]["spec"]
    assert {name: {"pod": spec, "container": spec["containers"][0]}[name][part] for name in before} == before
    assert before
    assert container(world, 9)["resources"] == RESOURCES
    assert given(world) == [0, 1]


@pytest.mark.parametrize("status", [0, 500], ids=["no answer", "an error"])
async def test_who_comes_up_gives_its_place_back_although_its_autoscaler_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    world = World(monkeypatch)
    await world.begin(20)
    redis = {"redis": {"url": "redis://demo.models.svc:8080"}}
    scaled = AGENT | {"scaling": {"auto": {"minReplicas": 2, "maxReplicas": 5}}, "state": redis}
    for number in range(2):
        world.put(AGENTS.kind, f"a{number:03}", scaled)
    await world.settle()
    get = world.api.get

    async def reads_no_autoscaler(resource: Any, *words: Any, **more: Any) -> Any:
        if resource == AUTOSCALERS:
            raise ApiError(status, "Unreachable", "etcd of autoscalers is away")
        return await get(resource, *words, **more)

    monkeypatch.setattr(world.api, "get", reads_no_autoscaler)
    facts = world.engine.facts
    facts.installation = replace(facts.installation, runtime_image="runtime:2")
    for _ in range(2):
        for number in range(20):
            with suppress(ApiError):
                await look(world, number)
        for number in given(world):
            world.api.objects[DEPLOYMENTS.kind, NAMESPACE, f"a{number:03}"]["spec"]["replicas"] = 2
            finish(world, number)
    assert given(world) == [0, 1, 2, 3]


async def test_whose_write_is_answered_with_an_error_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    await world.begin(20)
    apply = world.api.apply

    async def failing(resource: Any, obj: Object, manager: str = "regent") -> Object:
        if resource == DEPLOYMENTS and obj["metadata"]["name"] in {"a000", "a001"}:
            raise ApiError(500, "InternalError", "a webhook of that team is down")
        return await apply(resource, obj, manager)

    monkeypatch.setattr(world.api, "apply", failing)
    facts = world.engine.facts
    facts.installation = replace(facts.installation, runtime_image="runtime:2")
    for number in range(20):
        with suppress(ApiError):
            await look(world, number)
    assert given(world) == [2, 3]
