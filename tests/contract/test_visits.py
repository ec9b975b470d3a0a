"""How long a turn's conversation is active, whatever becomes of the turn: on the pod's state and on a real Redis.

A state that carries out and does not answer is what a slow Redis, a cut connection and a turn that is ended while it
waits look like.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from regent_api.policy import StateError
from regent_api.types import Sensitivity
from regent_runtime.attendance import REFRESH_SECONDS, SELDOM_SECONDS, Attendance
from regent_runtime.callers.caller import ANONYMOUS
from regent_runtime.conversations import Conversations, owner
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.state.contract import Attended, Conversation, State, StateAway, Visit
from regent_runtime.state.pod import PodState
from regent_runtime.state.source import StateInUse
from tests.contract.states import World
from tests.fakes import configs

IDLE = 120.0
UNKNOWN = 10.0
"""What a conversation that nobody knows of is active for at the most: seconds."""
PODS = ("one", "two", "three")


@dataclass
class Silent:
    """A state that carries out what begins a turn and, while `silence` is there, does not answer."""

    state: State
    silence: str = ""
    """`away`: raises StateAway; `cancelled`: ends the turn that waits; `unreachable`: no look is carried out either."""
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def begin(self, *words: Any) -> int:
        self.asked.append(("begin",))
        active = await self.state.begin(*words)
        await self._say_nothing()
        return active

    async def attend(self, *words: Any) -> Attended | None:
        self.asked.append(("attend",))
        attended = await self.state.attend(*words)
        await self._say_nothing()
        return attended

    async def rest(self, id_: str, owner: str, visit: Visit) -> int:
        self.asked.append(("rest", id_))
        return await self.state.rest(id_, owner, visit)

    async def active(self, pod: str, running: Sequence[str], seconds: float) -> int:
        self.asked.append(("active", *running))
        if self.silence == "unreachable":
            raise StateAway("unreachable")
        return await self.state.active(pod, running, seconds)

    async def shorten(self, *words: Any) -> bool:
        return await self.state.shorten(*words)

    async def forget_all(self, owner: str) -> int:
        return await self.state.forget_all(owner)

    async def _say_nothing(self) -> None:
        if self.silence == "away":
            raise StateAway("timeout")
        if self.silence == "cancelled":
            turn = asyncio.current_task()
            assert turn is not None
            turn.cancel()
            await asyncio.sleep(0)


class Pod:
    """Its turns, under the world's clock."""

    def __init__(self, name: str, state: State, on_error: StateError = StateError.DENY) -> None:
        self.now = 0.0
        self.state = Silent(state)
        self.attendance = Attendance(name, lambda: self.now)
        self._in_use = StateInUse(
            cast("State", self.state), PodState(), on_error, lambda: None, attendance=self.attendance
        )

    def conversations(self, idle_after: float = IDLE) -> Conversations:
        made = configs.config(state={"conversations": True}, drain={"idleAfterSeconds": idle_after})
        return Conversations(made, self._in_use)

    @asynccontextmanager
    async def turn(self, id_: str | None = None) -> AsyncIterator[str]:
        """While open; its conversation's id, or empty."""
        record, conversations = TurnRecord(), self.conversations()
        async with conversations.attended(ANONYMOUS, record):
            await conversations.open(id_, ANONYMOUS, record)
            yield record.conversation

    async def keep(self, id_: str, seconds: float) -> None:
        """As a class whose `retention` this is."""
        label = Sensitivity.INTERNAL
        conversation = Conversation(id_, owner(ANONYMOUS), label, nonce="")
        await self.conversations().keep(conversation, label, seconds, TurnRecord())

    async def short_turn(self, id_: str | None = None) -> str:
        async with self.turn(id_) as begun:
            return begun

    async def silent_turn(self, silence: str, id_: str | None = None) -> None:
        """One that never learns that it has begun."""
        self.state.silence = silence
        with pytest.raises((Refused, asyncio.CancelledError)):
            await asyncio.create_task(self.short_turn(id_))
        self.state.silence = ""

    async def look(self) -> None:
        await self.attendance.refresh(cast("State", self.state), IDLE)


async def passes(world: World, seconds: float, *pods: Pod) -> None:
    """Time, in which pods look how many conversations are active."""
    for _ in range(round(seconds / REFRESH_SECONDS)):
        await world.advance(REFRESH_SECONDS)
        for pod in pods:
            pod.now += REFRESH_SECONDS
            await pod.look()


SILENCES = pytest.mark.parametrize("silence", ["away", "cancelled"])


async def counts(world: World) -> list[int]:
    return [await world.state.active(pod) for pod in PODS]


@SILENCES
async def test_conversations_that_nobody_knows_of_do_not_stay_active(world: World, silence: str) -> None:
    pod = Pod("one", world.state)
    for _ in range(20):
        await pod.silent_turn(silence)
    assert await world.state.active("one") == 20
    assert pod.attendance.figure(0) == 0
    await passes(world, UNKNOWN, pod)
    assert await world.state.active("one") == 0


async def test_a_turn_that_goes_on_without_its_conversation_leaves_none_active(world: World) -> None:
    pod = Pod("one", world.state, StateError.LOCAL)
    pod.state.silence = "away"
    async with pod.turn() as id_:
        assert id_ == ""
        await passes(world, UNKNOWN, pod)
        assert await world.state.active("one") == 0


@SILENCES
async def test_a_turn_that_never_learnt_that_it_began_is_the_last_that_was_tried(world: World, silence: str) -> None:
    """Who asked is still there: the conversation is as active as after a turn, and no longer."""
    pod = Pod("one", world.state)
    id_ = await pod.short_turn()
    await passes(world, IDLE - 1, pod)
    await pod.silent_turn(silence, id_)
    await passes(world, IDLE - 1, pod)
    assert await world.state.active("one") == 1
    await passes(world, 1, pod)
    assert await world.state.active("one") == 0


@SILENCES
async def test_one_that_never_began_takes_nothing_from_another_of_its_conversation(world: World, silence: str) -> None:
    pod = Pod("one", world.state)
    async with pod.turn() as id_:
        await pod.silent_turn(silence, id_)
        await passes(world, 3 * IDLE, pod)
        assert await world.state.active("one") == pod.attendance.figure(1) == 1
    await passes(world, IDLE - 1, pod)
    assert await world.state.active("one") == 1
    await passes(world, 1, pod)
    assert await world.state.active("one") == 0


async def test_a_turn_is_active_as_long_as_it_takes_and_asks_for_nothing_more(world: World) -> None:
    """What it takes is told with looks that are made anyway."""
    pod = Pod("one", world.state)
    async with pod.turn() as id_:
        for _ in range(3 * int(IDLE)):
            await passes(world, 1, pod)
            assert await world.state.active("one") == 1
    told = [ask for ask in pod.state.asked if ask != ("active",)]
    assert told == [("begin",), *[("active", id_)] * 12, ("rest", id_)]
    await passes(world, IDLE - 1, pod)
    assert await world.state.active("one") == 1
    await passes(world, 1, pod)
    assert await world.state.active("one") == 0


async def test_a_short_turn_is_told_twice_and_no_look_tells_it(world: World) -> None:
    pod = Pod("one", world.state)
    async with pod.turn() as id_:
        await passes(world, 2, pod)
    await passes(world, 1, pod)
    assert pod.state.asked == [("begin",), ("active",), ("active",), ("rest", id_), ("active",)]


async def test_a_turn_that_takes_longer_than_its_conversation_is_kept_keeps_it(world: World) -> None:
    """`retention` counts from the end of the last turn."""
    pod, kept_for = Pod("one", world.state), IDLE / 2
    async with pod.turn() as id_:
        await pod.keep(id_, kept_for)
        await passes(world, 3 * IDLE, pod)
        assert await world.state.active("one") == pod.attendance.figure(1) == 1
    await passes(world, kept_for - 1, pod)
    assert await pod.short_turn(id_) == id_
    await passes(world, kept_for, pod)
    with pytest.raises(Refused):
        await pod.short_turn(id_)


async def test_a_turn_that_goes_on_keeps_its_conversation_active_where_its_latest_one_was(world: World) -> None:
    one, two = Pod("one", world.state), Pod("two", world.another())
    async with one.turn() as id_:
        await passes(world, 1, one, two)
        assert await two.short_turn(id_) == id_
        await passes(world, 3 * IDLE, one, two)
        assert await counts(world) == [0, 1, 0]
        assert [pod.attendance.figure(turns) for pod, turns in ((one, 1), (two, 0))] == [0, 1]
    await passes(world, IDLE - 1, one, two)
    assert await counts(world) == [0, 1, 0]
    await passes(world, 1, one, two)
    assert await counts(world) == [0, 0, 0]


@pytest.mark.parametrize("unreachable", [("one",), ("one", "two")])
async def test_a_turn_that_goes_on_counts_again_where_its_latest_one_was_once_the_state_is_reached(
    world: World, unreachable: tuple[str, ...]
) -> None:
    one, two = Pod("one", world.state), Pod("two", world.another())
    async with one.turn() as id_:
        await passes(world, 1, one, two)
        assert await two.short_turn(id_) == id_
        for pod in (one, two):
            pod.state.silence = "unreachable" if pod.attendance.pod in unreachable else ""
        await passes(world, IDLE + 10, one, two)
        assert [*await counts(world), two.attendance.figure(0)] == [0, 0, 0, 0]
        one.state.silence = two.state.silence = ""
        await passes(world, 2 * SELDOM_SECONDS, one, two)
        assert await counts(world) == [0, 1, 0]
        assert [pod.attendance.figure(turns) for pod, turns in ((one, 1), (two, 0))] == [0, 1]


async def test_a_turn_that_goes_on_brings_back_no_conversation_that_was_deleted(world: World) -> None:
    pod = Pod("one", world.state)
    async with pod.turn():
        assert await pod.conversations().forget_all(ANONYMOUS.digest)
        await passes(world, IDLE, pod)
        assert await world.state.active("one") == 0


@dataclass
class Model:
    """What should be: for each conversation that is known the pod of its latest turn, and until when it is not idle."""

    now: float = 0.0
    known: dict[str, tuple[str, float]] = field(default_factory=dict)
    unknown: list[tuple[str, float]] = field(default_factory=list)
    """The same of those whose ids nobody has."""
    running: Counter[str] = field(default_factory=Counter)
    """Turns in flight of each conversation, at whatever pods."""

    def counts(self) -> list[int]:
        lasting = [pod for id_, (pod, until) in self.known.items() if self.running[id_] or until > self.now]
        ending = [pod for pod, until in self.unknown if until > self.now]
        return [[*lasting, *ending].count(pod) for pod in PODS]


@pytest.mark.parametrize("seed", range(3))
async def test_the_pods_add_up_whatever_is_not_answered(world: World, seed: int) -> None:
    """Turns begin, end and are not answered at any pod, with pauses, in any order, against a model."""
    rng, model, pods = random.Random(seed), Model(), [Pod(name, world.another()) for name in PODS]
    turns: list[tuple[str, AsyncExitStack]] = []
    for step in range(60):
        pod = rng.choice(pods)
        name = pod.attendance.pod
        id_ = rng.choice([*model.known, None])
        match rng.choice(("turn", "turn", "silent", "end", "end", "pause")):
            case "turn":
                stack = AsyncExitStack()
                begun = await stack.enter_async_context(pod.turn(id_))
                turns.append((begun, stack))
                model.known[begun] = name, model.now + IDLE
                model.running[begun] += 1
            case "silent":
                await pod.silent_turn(rng.choice(("away", "cancelled")), id_)
                if id_ is None:
                    model.unknown.append((name, model.now + UNKNOWN))
                else:
                    model.known[id_] = name, model.now + IDLE
            case "end" if turns:
                ended, stack = turns.pop(rng.randrange(len(turns)))
                await stack.aclose()
                model.running[ended] -= 1
                if not model.running[ended]:
                    model.known[ended] = model.known[ended][0], model.now + IDLE
            case "pause":
                pause = rng.choice((1.0, 9.0, 100.0))
                await passes(world, pause, *pods)
                model.now += pause
        assert await counts(world) == model.counts(), step
    for _, stack in turns:
        await stack.aclose()
