"""What the operator remembers hangs on what is there: not on how often it was edited, nor on what was there once."""

import asyncio
import gc
import itertools
import json
import subprocess
import sys
import tracemalloc
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import pytest

from regent_operator.engine.engine import Engine
from regent_operator.engine.resources import AGENTS, BY_KIND, DEPLOYMENTS, POLICIES, ROUTES, SERVICES
from tests.unit.engine.fake_client import meta
from tests.unit.engine.world import AGENT, NAMESPACE, ROUTE, World

EDITS, MORE = 10, 30
"""MORE twice: what is left grows by both, and what Python allocates once by one."""
MOST_CACHED = 64
"""Characters of a string that pydantic's parser of JSON has once for all; of those it keeps 16,384."""
FEW_BYTES = 300_000
"""A half of what is made of one edit. What Python and pydantic keep of objects that are gone, to make others of, varies."""
AGENTS_EACH = 20
MOST_BYTES_EACH = 13_750
"""Of an agent of two pods: a hundredth more than it takes. Before decision 52 it took 20,293."""
LEFT = {
    "Store._tombstones": "uids of what is gone, 20,000 at the most",
    "Recorder._series": "Events of late, 4,096 at the most, with 1 KiB of words each",
    "WorkQueue._later": "stale places, no more than some and two for each key that waits",
    "WorkQueue._ready": "the same",
    "EchoRounds._due": "stale places, which go when their time has come",
}
"""What outlives the agents it is about, and why that has an end."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return made_world(monkeypatch)


def made_world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch)
    for resource in (AGENTS, POLICIES, ROUTES):
        made.engine.store.took_list(resource)
    return made


async def look_at_all(world: World) -> None:
    """At every key that somebody touched, without a clock. Nobody writes down what happens."""
    engine = world.engine
    engine.leadership.held.set()
    engine.leadership._renewed_at = float("inf")
    for key in 2 * tuple(engine.queue._waiting):  # configs go first, so a status is told by the second look
        engine.queue.drop(key)
        await engine._reconcile(key)
    world.api.calls.clear()
    while not engine.recorder._waiting.empty():
        engine.recorder._waiting.get_nowait()


def edit(world: World, number: int) -> None:
    """All that somebody may write, at once, and so that nothing is as it was ever before."""
    names = [f"edit-{number:04}-{'a' * MOST_CACHED}-{each:02}" for each in range(64)]
    callers = {"serviceAccounts": [{"name": name} for name in names]}
    links = {"allow": [f"{name}.example.com" for name in names]}
    world.put(POLICIES.kind, "house", {"selector": {}, "models": {"localHosts": ["*.svc"]}, "callers": callers})
    world.put(POLICIES.kind, "tried", {"selector": {}, "mode": "Audit", "guardrails": {"output": {"links": links}}})
    world.put(POLICIES.kind, "named", {"egress": {"hosts": [*links["allow"][:32], "demo.models.svc"]}})
    matches = [{"when": f"'{name}' in turn.callerGroups"} for name in names[:16]]
    rules = [{"name": f"r{at}", "match": match, "providers": [{"name": "demo"}]} for at, match in enumerate(matches)]
    world.put(ROUTES.kind, "local", ROUTE | {"rules": rules})
    world.api.version += 1
    service = meta("demo", world.api.version, namespace="models", annotations={"seen": 4 * " ".join(names)})
    service = world.api.objects["Service", "models", "demo"] | service
    world.api.objects["Service", "models", "demo"] = service
    world.engine.services.seen(SERVICES, service, full=False)
    for agent, more in (("a000", {}), ("a001", {"policyRefs": [{"name": "named"}]})):
        own = {"instructions": {"inline": " ".join(names)}, "drain": {"timeout": f"{number + 1}s"}}
        world.put(AGENTS.kind, agent, AGENT | own | more)


def memory() -> int:
    """Bytes that Python has allocated and not let go."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_an_edit_leaves_nothing_of_what_was_made_of_the_object_before() -> None:
    """In a process of its own: what other tests have left running would be counted, too."""
    process = subprocess.run([sys.executable, "-m", __name__], capture_output=True, check=True, text=True)
    found = json.loads(process.stdout)
    assert min(found[1] - found[0], found[2] - found[1]) < FEW_BYTES, found


async def edited() -> list[int]:
    """The memory after EDITS, and after MORE, twice."""
    found, numbers = [], itertools.count()
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = made_world(monkeypatch)
        tracemalloc.start()
        for edits in (EDITS, MORE, MORE):
            for number in itertools.islice(numbers, edits):
                edit(world, number)
                await look_at_all(world)
            found.append(memory())
        tracemalloc.stop()
    assert {world.ready(name) for name in ("a000", "a001")} == {"Progressing"}, "all of it was made"
    return found


async def test_an_agent_takes_no_more_than_it_did(world: World) -> None:
    """Bytes of what hangs on the engine's containers, counted by object, so that no allocator and no clock is in it."""
    few, many = AGENTS_EACH, 2 * AGENTS_EACH
    await world.begin(few)
    before = size(world.engine)
    await world.begin(many)
    each = (size(world.engine) - before) / (many - few)
    assert each < MOST_BYTES_EACH, each


async def test_agents_that_came_and_went_leave_nothing(world: World) -> None:
    found = []
    for called in ("one", "other"):
        await world.begin(AGENTS_EACH, called)
        present = held(world.engine)
        for number in range(AGENTS_EACH):
            world.delete(f"{called}{number:03}")
        await world.settle()
        found.append(held(world.engine))
    assert sum(present.values()) > sum(found[0].values()) + 50 * AGENTS_EACH, "all of it is seen"
    assert {part for part, entries in found[1].items() if entries > found[0][part]} <= LEFT.keys()


async def test_what_came_and_went_while_another_replica_led_leaves_nothing(world: World) -> None:
    """Nobody takes keys there."""
    await world.begin(1)
    world.engine.leadership.held.clear()
    before = held(world.engine)
    for number in range(AGENTS_EACH):
        world.put(AGENTS.kind, f"other{number}", AGENT)
        world.engine.children.seen(DEPLOYMENTS, meta(f"other{number}", 1) | {"spec": {}}, full=True)
        world.engine.store.gone(BY_KIND[AGENTS.kind], NAMESPACE, f"other{number}", f"uid-other{number}")
        world.engine.children.gone(DEPLOYMENTS, NAMESPACE, f"other{number}", f"uid-other{number}")
    after = held(world.engine)
    assert {part for part, entries in after.items() if entries > before[part]} <= LEFT.keys()
    assert len(world.engine.queue) == len(world.engine.store)


def held(engine: Engine) -> Counter[str]:
    """How many entries the containers of the engine's parts have, by class and attribute."""
    found: Counter[str] = Counter()
    met: set[int] = set()

    def walk(where: str, part: Any) -> None:
        if isinstance(part, Mapping | list | tuple | set | frozenset | deque):
            found[where] += len(part)
            for each in part.values() if isinstance(part, Mapping) else part:
                walk(where, each)
        elif type(part).__module__.startswith("regent_operator.engine") and id(part) not in met:
            met.add(id(part))
            for name in {*getattr(part, "__dict__", ()), *getattr(type(part), "__slots__", ())}:
                walk(f"{type(part).__name__}.{name}", getattr(part, name))

    walk("", engine)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(edited())))


def test_what_only_patterns_need_is_not_loaded_without_them() -> None:
    program = "import sys, regent_operator.app; print('re2' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def size(engine: Engine) -> int:
    """Bytes of the containers of the engine's parts and of all that they hold, each object once."""
    met: set[int] = set()
    parts: list[Any] = [engine]
    found = 0
    while parts:
        part = parts.pop()
        ours = type(part).__module__.startswith(("regent", "builtins", "collections"))
        if id(part) in met or not ours or isinstance(part, type) or callable(part):
            continue
        met.add(id(part))
        found += sys.getsizeof(part)
        if isinstance(part, Mapping):
            parts += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set | frozenset | deque):
            parts += part
        parts.append(getattr(part, "__dict__", None))
        parts += [getattr(part, name, None) for base in type(part).__mro__ for name in vars(base).get("__slots__", ())]
    return found
