"""Where conversations are active: every test runs on the pod's state and on Redis', with a real server."""

import random
from dataclasses import dataclass, field

import pytest

from regent_api.types import Sensitivity
from regent_runtime.state.contract import CONVERSATION_SECONDS, Attended, Conversation, Visit
from tests.contract.states import World

LONGEST, IDLE = 300.0, 120.0
PODS = ("one", "two", "three")


def conversation(id_: str = "c-1", owner: str = "ann") -> Conversation:
    return Conversation(id_, owner, Sensitivity.INTERNAL, nonce="n-1")


def turn(pod: str) -> Visit:
    return Visit(pod, LONGEST)


def rest(pod: str) -> Visit:
    return Visit(pod, IDLE)


async def counts(world: World) -> list[int]:
    return [await world.state.active(pod) for pod in PODS]


async def test_a_conversation_is_active_from_its_first_turn_until_it_was_idle(world: World) -> None:
    assert await world.state.active("one") == 0
    assert await world.state.begin(conversation(), turn("one")) == 1
    await world.advance(IDLE + 1)
    assert await world.state.active("one") == 1, "its turn is still in flight"
    assert await world.state.rest("c-1", "ann", rest("one")) == 1
    await world.advance(IDLE - 1)
    assert await world.state.active("one") == 1
    await world.advance(1)
    assert await world.state.active("one") == 0
    assert await world.state.recall("c-1", "ann") is not None, "only active it is no longer"


async def test_it_counts_at_the_pod_of_its_latest_turn_alone(world: World) -> None:
    await world.state.begin(conversation(), turn("one"))
    await world.state.rest("c-1", "ann", rest("one"))
    assert await world.another().attend("c-1", "ann", turn("two")) == Attended(conversation(), 1)
    assert await counts(world) == [0, 1, 0]
    await world.state.rest("c-1", "ann", rest("one"))
    assert await counts(world) == [0, 1, 0], "a turn that ends at its former pod takes it not back"
    await world.advance(IDLE + 1)
    assert await counts(world) == [0, 1, 0], "nor ends the turn at its present one"


async def test_what_another_pod_tells_of_it_keeps_it_active_where_it_is(world: World) -> None:
    await world.state.begin(conversation(), turn("one"))
    await world.another().attend("c-1", "ann", rest("two"))
    await world.advance(IDLE - 1)
    assert await world.state.active("one", ["c-1"], IDLE) == 0
    await world.advance(IDLE - 1)
    assert await counts(world) == [0, 1, 0], "as long as its turn there goes on"
    await world.state.rest("c-1", "ann", rest("one"))
    await world.advance(IDLE - 1)
    assert await counts(world) == [0, 1, 0], "and as long as after any turn"
    await world.advance(1)
    assert await counts(world) == [0, 0, 0]


async def test_what_is_told_of_it_keeps_it(world: World) -> None:
    """Its class lets it be kept for less than a turn takes, and that much after its last one."""
    await world.state.begin(conversation(), turn("one"))
    await world.state.shorten("c-1", "ann", IDLE)
    for _ in range(3):
        await world.advance(IDLE - 1)
        assert await world.state.active("one", ["c-1"], LONGEST) == 1
    await world.advance(IDLE - 1)
    await world.state.rest("c-1", "ann", rest("one"))
    await world.advance(IDLE - 1)
    assert await world.state.raise_label("c-1", "ann", Sensitivity.INTERNAL) is not None
    await world.advance(1)
    assert await world.state.recall("c-1", "ann") is None


async def test_a_turn_revives_an_idle_one(world: World) -> None:
    await world.state.begin(conversation(), rest("one"))
    await world.advance(IDLE)
    attended = await world.state.attend("c-1", "ann", turn("one"))
    assert attended == Attended(conversation(), 1)


async def test_a_turn_that_outlasts_its_visit_rests_nevertheless(world: World) -> None:
    await world.state.begin(conversation(), turn("one"))
    await world.advance(LONGEST + 1)
    assert await world.state.active("one") == 0
    assert await world.state.rest("c-1", "ann", rest("one")) == 1


async def test_what_runs_at_a_pod_is_active_anew_where_its_latest_turn_was(world: World) -> None:
    for id_ in ("c-1", "c-2", "c-3"):
        await world.state.begin(conversation(id_), rest("one"))
    await world.state.attend("c-2", "ann", rest("two"))
    await world.state.forget("c-3", "ann")
    await world.advance(IDLE - 1)
    assert await world.state.active("one", ["c-1", "c-2", "c-3", "c-4"], IDLE) == 1
    await world.advance(IDLE - 1)
    assert await counts(world) == [1, 1, 0]
    await world.advance(1)
    assert await counts(world) == [0, 0, 0]
    assert await world.state.active("one", ["c-1"], IDLE) == 1, "a turn that was not seen for long runs nevertheless"
    assert await world.state.active("one", ["c-1"], IDLE) == 1
    await world.advance(CONVERSATION_SECONDS)
    assert await world.state.active("one", ["c-1"], IDLE) == 0, "it is forgotten"


async def test_one_that_is_deleted_is_active_nowhere(world: World) -> None:
    for id_ in ("c-1", "c-2", "c-3"):
        await world.state.begin(conversation(id_), turn("one"))
    await world.state.attend("c-2", "ann", turn("two"))
    assert await world.another().forget("c-1", "ann") is True
    assert await counts(world) == [1, 1, 0]
    assert await world.state.rest("c-1", "ann", rest("one")) == 1, "the turn that it was deleted in ends"
    assert await world.state.forget_all("ann") == 2
    assert await counts(world) == [0, 0, 0]


@pytest.mark.parametrize("ends", [True, False], ids=["its turn has ended", "it was seen to run"])
async def test_one_that_a_long_turn_has_kept_goes_with_all_of_its_owner(world: World, *, ends: bool) -> None:
    await world.state.begin(conversation(), turn("one"))
    for _ in range(20):
        await world.advance(LONGEST / 10)
        await world.state.active("one", ["c-1"], IDLE)
    if ends:
        await world.state.rest("c-1", "ann", rest("one"))
    await world.advance(CONVERSATION_SECONDS - LONGEST)
    await world.state.begin(conversation("c-2"), turn("one"))
    assert await world.state.forget_all("ann") == 2
    assert await world.state.recall("c-1", "ann") is None


async def test_a_strangers_turn_makes_none_active(world: World) -> None:
    await world.state.begin(conversation(), rest("one"))
    assert await world.state.attend("c-1", "bob", turn("two")) is None
    assert await world.state.rest("c-1", "bob", turn("one")) == 1
    assert await counts(world) == [1, 0, 0]
    await world.advance(IDLE)
    assert await counts(world) == [0, 0, 0]


async def test_one_that_goes_for_want_of_room_is_active_nowhere(world: World) -> None:
    for number in range(1001):
        await world.state.begin(conversation(f"a-{number}"), turn("one" if number % 2 else "two"))
    assert await counts(world) == [500, 500, 0]


@dataclass
class Model:
    """What should be: for each conversation its pod and until when; gone ones are not in it."""

    now: float = 0.0
    active: dict[str, tuple[str, float]] = field(default_factory=dict)

    def counts(self) -> list[int]:
        return [sum(at == pod and until > self.now for at, until in self.active.values()) for pod in PODS]


@pytest.mark.parametrize("seed", range(4))
async def test_the_pods_add_up_to_the_distinct_active_conversations(world: World, seed: int) -> None:
    """Turns that begin and end at any pod, deletions and pauses in any order, against a model."""
    rng, model = random.Random(seed), Model()
    for step in range(150):
        pod, known = rng.choice(PODS), [*model.active]
        id_ = rng.choice(known) if known else ""
        match rng.choice(("begin", "attend", "attend", "rest", "rest", "look", "forget", "pause")):
            case "begin":
                await world.another().begin(conversation(f"c-{step}"), turn(pod))
                model.active[f"c-{step}"] = pod, model.now + LONGEST
            case "attend" if known:
                await world.another().attend(id_, "ann", turn(pod))
                model.active[id_] = pod, model.now + LONGEST
            case "rest" if known:
                await world.another().rest(id_, "ann", rest(pod))
                at, until = model.active[id_]
                model.active[id_] = at, model.now + IDLE if at == pod else max(until, model.now + IDLE)
            case "forget" if known:
                await world.another().forget(id_, "ann")
                del model.active[id_]
            case "look":
                await world.another().active(pod, known, LONGEST)
                model.active = {each: (at, model.now + LONGEST) for each, (at, _) in model.active.items()}
            case "pause":
                pause = rng.choice((1.0, 30.0, 100.0))
                await world.advance(pause)
                model.now += pause
        assert await counts(world) == model.counts(), step
