"""Many agents at once: all become Ready, and the API server says what that cost."""

import json
import re
import time
from collections import Counter, defaultdict
from datetime import datetime

from regent_operator.engine.statuses import FIGURES_SECONDS
from tests.api.operator_fixtures import World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually
from tests.cluster import Request

AGENTS = 100
CHILDREN = ("serviceaccounts", "configmaps", "services", "networkpolicies", "deployments")
READS = 0
"""Of an agent's children: each is made on the condition that there is none."""
STATUSES = 2
"""Of an agent: one before its pods serve, and the one that says so. docs/limits.md has both numbers. While its pods come
up, one more every FIGURES_SECONDS.
"""
USERS = 60
"""Of policy and route, and of each one more every FIGURES_SECONDS."""
OTHERS = AGENTS // 5
"""What a busy machine adds: of a pod that did not answer at once, say, another reason is told, and at once."""


def test_a_hundred_agents_at_once_become_ready(world: World, operator: RunningOperator) -> None:
    eventually("it leads", lambda: operator.page("/readyz")[0] == 200 and operator.leads())
    mark, started, cpu = operator.mark_now(), time.monotonic(), operator.cpu_seconds
    world.apply(route(), policy(selector={}), *(agent(f"a{n:03}") for n in range(AGENTS)))

    def all_ready() -> bool:
        states = Counter(_ready(item) for item in world.all("aiagents"))
        assert states == {("True", "Ready"): AGENTS}, states
        return True

    eventually("all Ready", all_ready)
    took = time.monotonic() - started
    eventually("the policy counts them", lambda: world.get("agentpolicy", "internal")["status"]["agents"] == AGENTS)
    enforced = f"{AGENTS}/{AGENTS}"
    eventually("in force", lambda: world.get("agentpolicy", "internal")["status"]["enforced"] == enforced)
    _expect_each_told_of_once(operator, world)
    ours, counted = _asked(operator, world, mark), _count(operator, world, mark)
    writes = sum(n for (verb, _), n in counted.items() if verb not in {"get", "list", "watch"})
    print(f"{AGENTS} agents Ready in {took:.1f} s, {writes / AGENTS:.1f} writes an agent: {counted}")  # noqa: T201
    spent = (operator.cpu_seconds - cpu) / AGENTS
    print(f"{spent * 1000:.1f} ms CPU an agent, {operator.resident_mib:.0f} MiB resident")  # noqa: T201
    for child in CHILDREN:
        assert counted["patch", child] == AGENTS, f"each {child} is written once"
    assert sum(counted["get", child] for child in CHILDREN) == READS * AGENTS
    assert AGENTS <= counted["patch", "aiagents/status"] <= _most_statuses(ours) + OTHERS
    assert counted["create", "events"] <= AGENTS + OTHERS
    users = counted["patch", "agentpolicies/status"] + counted["patch", "modelroutes/status"]
    assert users <= USERS + 2 * took // FIGURES_SECONDS
    assert counted["patch", "pods"] == 0


def _asked(operator: RunningOperator, world: World, mark: int) -> list[Request]:
    return [r for r in operator.requests(mark) if r.namespace == world.namespace]


def _expect_each_told_of_once(operator: RunningOperator, world: World) -> None:
    """That it is Ready. An Event that could not be written, with the Lease lost for a moment, say, is only logged."""
    names = {item["metadata"]["name"] for item in world.all("aiagents")}
    eventually("each was told of", lambda: set(_told(world)) | _lost(operator, world) == names)
    operator.settle()
    told = _told(world)
    assert set(told.values()) == {1}, told
    assert len(names - set(told)) <= OTHERS, told


def _told(world: World) -> Counter[str]:
    """How many Events say of an agent that it is Ready. They are written when there is nothing more urgent to do."""
    events = [event for event in world.all("events.events.k8s.io") if event["reason"] == "Ready"]
    return Counter(e["regarding"]["name"] for e in events if e["regarding"]["kind"] == "AIAgent")


def _lost(operator: RunningOperator, world: World) -> set[str]:
    return set(re.findall(rf"an Event on AIAgent {world.namespace}/(\S+) was not written", operator.log))


def _count(operator: RunningOperator, world: World, mark: int) -> Counter[tuple[str, str]]:
    """By verb and resource, with its subresource."""
    asked = _asked(operator, world, mark)
    return Counter((r.verb, r.resource + (f"/{r.subresource}" if r.subresource else "")) for r in asked)


def _most_statuses(asked: list[Request]) -> int:
    """Of all agents, by how long each took from its first status to its last."""
    told = defaultdict(list)
    for each in asked:
        if (each.resource, each.subresource, each.verb) == ("aiagents", "status", "patch"):
            told[each.name].append(datetime.fromisoformat(each.at))
    took = [(max(times) - min(times)).total_seconds() for times in told.values()]
    return sum(STATUSES + int(seconds // FIGURES_SECONDS) for seconds in took)


def test_an_edit_of_one_policy_reaches_every_agent(world: World, operator: RunningOperator) -> None:
    world.apply(route(), policy(selector={}), *(agent(f"a{n}", scaling={"replicas": 2}) for n in range(20)))
    eventually("all enforced", lambda: _enforced(world, {"2/2"}))
    before = {item["status"]["digests"]["config"] for item in world.all("aiagents")}
    started, mark = time.monotonic(), operator.mark_now()
    world.patch("agentpolicy", "internal", {"spec": {"size": {"maxOutputTokens": 128}}})
    eventually("new digests", lambda: not before & {i["status"]["digests"]["config"] for i in world.all("aiagents")})
    eventually("all enforced again", lambda: _enforced(world, {"2/2"}) and all(map(_is_ready, world.all("aiagents"))))
    print(f"20 agents x 2 pods: policy edit to all enforced, as kubectl sees it: {time.monotonic() - started:.1f} s")  # noqa: T201
    _print_phases(operator, world, mark)
    texts = [json.loads(item["data"]["agent.json"]) for item in world.all("configmaps") if "agent.json" in item["data"]]
    assert {text["policy"]["size"]["maxOutputTokens"] for text in texts} == {128}


def _print_phases(operator: RunningOperator, world: World, mark: int) -> None:
    """When, by the API server's clock and counted from the edit, the operator's writes of each kind came.

    Pods are handed the config; one that has not taken it after 1.5 s, on a busy machine, is touched.
    """
    assert operator.cluster.audit
    edit = next(r for r in operator.cluster.audit.since(mark) if r.resource == "agentpolicies" and r.verb == "patch")
    start = datetime.fromisoformat(edit.at)
    for what in ("configmaps", "aiagents", "pods"):
        ours = [r for r in operator.writes(mark) if r.namespace == world.namespace and r.resource == what]
        times = sorted((datetime.fromisoformat(r.at) - start).total_seconds() for r in ours)
        if times:
            print(f"  {what}: {len(times)} writes, {times[0]:.2f} to {times[-1]:.2f} s after the edit")  # noqa: T201


def _ready(item: dict[str, object]) -> tuple[str, str]:
    conditions = item["status"]["conditions"]  # type: ignore[index]
    return next((c["status"], c["reason"]) for c in conditions if c["type"] == "Ready")


def _is_ready(item: dict[str, object]) -> bool:
    return _ready(item) == ("True", "Ready")


def _enforced(world: World, wanted: set[str]) -> bool:
    return {item["status"].get("enforced") for item in world.all("aiagents")} == wanted
