"""A new agent is planned under every policy that was there when it was heard of, whatever the watches have told."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from regent_operator.engine import policies
from regent_operator.engine.answers import Page
from regent_operator.engine.errors import ApiError
from regent_operator.engine.policies import Policies
from regent_operator.engine.resources import AGENTS, POLICIES, Key, Resource
from regent_operator.engine.scope import Scope
from regent_operator.engine.store import Store
from tests.unit.engine.fake_client import FakeClient, meta
from tests.unit.engine.world import AGENT, NAMESPACE, SYSTEM, World

Object = dict[str, Any]


def policy(name: str, namespace: str = NAMESPACE, **spec: Any) -> Object:
    return meta(name, 90, namespace=namespace, generation=1) | {"kind": POLICIES.kind, "spec": {"selector": {}, **spec}}


def unheard(world: World, obj: Object) -> None:
    world.api.objects[POLICIES.kind, obj["metadata"]["namespace"], obj["metadata"]["name"]] = obj


@pytest.mark.parametrize("namespace", [NAMESPACE, SYSTEM])
async def test_a_new_agent_follows_a_policy_that_no_watch_has_told_of(
    monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    world = World(monkeypatch)
    await world.begin(0)
    unheard(world, policy("late", namespace, size={"maxOutputTokens": 64}))
    world.put(AGENTS.kind, "new", AGENT)
    await world.settle()
    assert world.calls("apply", "ConfigMap") == 1, "none that was laxer"
    document = json.loads(world.api.objects["ConfigMap", NAMESPACE, "new"]["data"]["agent.json"])
    assert document["policy"]["size"]["maxOutputTokens"] == 64


async def test_a_new_agent_gets_no_pods_that_a_policy_forbids_which_no_watch_has_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    await world.begin(0)
    unheard(world, policy("late", models={"allow": [{"host": "api.example.com"}]}))
    world.put(AGENTS.kind, "new", AGENT)
    await world.settle()
    assert world.ready("new") == "NoProviderAllowed"
    assert world.calls("apply", "Deployment") == 0


async def test_while_its_policies_cannot_be_listed_a_new_agent_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    await world.begin(0)

    async def away(*_: Any, **__: Any) -> AsyncIterator[Page]:
        raise ApiError(503, "Unavailable", "not now")
        yield

    monkeypatch.setattr(world.api, "pages", away)
    world.put(AGENTS.kind, "new", AGENT)
    with pytest.raises(ApiError, match="not now"):
        await world.engine.reconciler.reconcile(Key(AGENTS.kind, NAMESPACE, "new"))
    assert [call for call in world.api.calls if call[0] == "apply"] == []


async def test_only_a_first_plan_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    await world.begin(1)
    world.put(AGENTS.kind, "a000", AGENT | {"sensitivity": "Confidential"})
    world.lead_anew()
    await world.settle()
    assert world.calls("list", POLICIES.kind) == 0


class Gated(FakeClient):
    """Lists hold until they are let through; `begun` are those that have begun."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Semaphore(0)
        self.begun: list[str] = []

    async def pages(self, resource: Resource, namespace: str | None = None, **_: Any) -> AsyncIterator[Page]:
        assert resource == POLICIES
        self.begun.append(namespace or "")
        await self.gate.acquire()
        if self.failure:
            raise self.failure
        yield Page([], "100")


class Scene:
    """Agents of the operator's own namespace, so that there is one list."""

    def __init__(self) -> None:
        self.client = Gated()
        self.store = Store(Scope(SYSTEM), lambda *_: None)
        self.policies = Policies(self.client, self.store)  # type: ignore[arg-type]

    def ask(self, version: int) -> asyncio.Task[None]:
        """For an agent that is heard of now."""
        agent = meta(f"a{version}", version, namespace=SYSTEM, generation=1) | {"spec": AGENT}
        self.store.seen(AGENTS, agent)
        return asyncio.create_task(self.policies.catch_up(SYSTEM, version))


async def test_a_list_serves_all_agents_that_were_written_before_it() -> None:
    scene = Scene()
    scene.client.gate = asyncio.Semaphore(4)
    await asyncio.gather(*(scene.ask(version) for version in (5, 9, 7)))
    await scene.policies.catch_up(SYSTEM, 8)
    assert scene.client.begun == [SYSTEM], "one of version 8 was written before that of 9, whenever it is heard of"
    assert len(scene.policies._turns) == 0, "nobody waits"


async def test_an_agent_that_was_heard_of_while_a_list_ran_waits_for_another() -> None:
    """The one that runs may have been taken before a policy was made that was there before the agent."""
    scene = Scene()
    first = scene.ask(5)
    await asyncio.sleep(0)
    second = scene.ask(6)
    scene.client.gate.release()
    await first
    await asyncio.sleep(0)
    assert (scene.client.begun, second.done()) == ([SYSTEM] * 2, False)
    scene.client.gate.release()
    await second


async def test_a_list_that_failed_serves_nobody() -> None:
    scene = Scene()
    asked = [scene.ask(version) for version in (5, 6)]
    await asyncio.sleep(0)
    scene.client.failure = ApiError(503, "Unavailable", "not now")
    scene.client.gate.release()
    with pytest.raises(ApiError, match="not now"):
        await asked[0]
    scene.client.failure = None
    scene.client.gate.release()
    await asked[1]
    assert scene.client.begun == [SYSTEM] * 2


async def test_what_is_remembered_of_lists_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "MOST_NAMESPACES", 2)
    scene = Scene()
    for number in range(5):
        scene.client.gate.release()
        scene.client.gate.release()
        await scene.policies.catch_up(f"n{number}", number)
        assert len(scene.policies._served) <= 2
