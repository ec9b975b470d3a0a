"""One contract, two implementations: every test here runs on the pod's state and on Redis', with a real server."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from regent_api.types import Sensitivity
from regent_runtime.state.answers import OVERHEAD
from regent_runtime.state.contract import (
    CONVERSATION_SECONDS,
    MEANINGS_AT_ONCE,
    MOST_APPROVALS_OF_AN_OWNER,
    Approval,
    Conversation,
    Meaning,
    Meanings,
    OwnerFull,
    Slots,
    State,
    StateFull,
    Verdict,
    Visit,
    Window,
    hashed,
)
from regent_runtime.state.shared import ANSWER_OVERHEAD
from tests.contract.states import PodWorld, World, redis_world

MINUTE = Window("caller", 3, 60.0)
VISIT = Visit("one", 120.0)


@pytest.fixture(params=["pod", "redis"])
async def bounded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Whose answers take 3,000 bytes and what the tables take of three."""
    if request.param == "pod":
        yield PodWorld(most_answer_bytes=3 * (1000 + OVERHEAD))
    else:
        async with redis_world(tmp_path) as made:
            made.state = made.another(most_answer_bytes=3 * (1000 + ANSWER_OVERHEAD))
            yield made


def conversation(id_: str = "c-1", owner: str = "ann", label: Sensitivity = Sensitivity.INTERNAL) -> Conversation:
    return Conversation(id_, owner, label, nonce="n-1")


async def test_a_window_lets_in_as_many_as_it_says_and_tells_when_it_has_room(world: World) -> None:
    waits = []
    for _ in range(4):
        waits.append(await world.state.take([MINUTE], "t"))
        await world.advance(1)
    assert waits == [(0.0,), (0.0,), (0.0,), (57.0,)]


async def test_after_the_wait_it_is_let_in_and_not_a_second_before(world: World) -> None:
    for _ in range(3):
        await world.state.take([MINUTE], "t")
        await world.advance(0.3)
    (wait,) = await world.state.take([MINUTE], "t")
    retry_after = math.ceil(wait)
    await world.advance(retry_after - 1)
    assert (await world.state.take([MINUTE], "t"))[0] > 0
    await world.advance(1)
    assert await world.state.take([MINUTE], "t") == (0.0,)


async def test_a_window_slides(world: World) -> None:
    """A counter that starts anew each minute would let six in around the turn of the minute."""
    times = []
    for second in range(121):
        if await world.state.take([MINUTE], "t") == (0.0,):
            times.append(second)
        await world.advance(1)
    assert times == [0, 1, 2, 60, 61, 62, 120]


async def test_all_windows_are_checked_before_any_is_taken(world: World) -> None:
    hour = Window("agent", 2, 3600.0)
    assert await world.state.take([MINUTE, hour], "t") == (0.0, 0.0)
    assert await world.state.take([MINUTE, hour], "t") == (0.0, 0.0)
    assert await world.state.take([MINUTE, hour], "t") == (0.0, 3600.0)
    assert await world.state.take([MINUTE], "t") == (0.0,), "the refused one took nothing"
    assert await world.state.take([MINUTE], "t") == (60.0,)


async def test_two_windows_of_one_bucket_share_its_log(world: World) -> None:
    both = [Window("caller", 2, 60.0), Window("caller", 3, 3600.0)]
    assert await world.state.take(both, "t") == (0.0, 0.0)
    assert await world.state.take(both, "t") == (0.0, 0.0)
    assert await world.state.take(both, "t") == (60.0, 0.0)
    await world.advance(60)
    assert await world.state.take(both, "t") == (0.0, 0.0)
    assert await world.state.take(both, "t") == (0.0, 3540.0)


async def test_a_limit_that_is_lowered_or_raised_keeps_what_was_counted(world: World) -> None:
    for _ in range(3):
        await world.state.take([Window("caller", 5, 60.0)], "t")
    assert await world.state.take([Window("caller", 2, 60.0)], "t") == (60.0,)
    assert await world.state.take([Window("caller", 4, 60.0)], "t") == (0.0,)
    assert await world.state.take([Window("caller", 4, 60.0)], "t") == (60.0,)


async def test_buckets_do_not_see_one_another(world: World) -> None:
    one, other = Window("a", 1, 60.0), Window("b", 1, 60.0)
    assert await world.state.take([one], "t") == (0.0,)
    assert await world.state.take([other], "t") == (0.0,)
    assert await world.state.take([one], "t") == (60.0,)


async def test_slots_are_free_when_given_back_and_only_the_holders(world: World) -> None:
    slots = Slots("caller", 2, 60.0)
    assert await world.state.take([slots], "one") == (0.0,)
    assert await world.state.take([slots], "two") == (0.0,)
    assert await world.state.take([slots], "three") == (1.0,)
    await world.state.give_back(["caller"], "three")
    assert await world.state.take([slots], "three") == (1.0,)
    await world.state.give_back(["caller"], "one")
    assert await world.state.take([slots], "three") == (0.0,)


async def test_a_slot_whose_pod_died_is_free_after_its_lease(world: World) -> None:
    slots = Slots("caller", 1, 60.0)
    await world.state.take([slots], "dead")
    await world.advance(59.999)
    assert await world.state.take([slots], "next") == (1.0,)
    await world.advance(0.001)
    assert await world.state.take([slots], "next") == (0.0,)


async def test_a_full_set_of_slots_takes_no_window(world: World) -> None:
    slots = Slots("caller", 1, 60.0)
    assert await world.state.take([MINUTE, slots], "one") == (0.0, 0.0)
    for _ in range(5):
        assert await world.state.take([MINUTE, slots], "two") == (0.0, 1.0)
    await world.state.give_back(["caller"], "one")
    assert await world.state.take([MINUTE, slots], "two") == (0.0, 0.0)


async def test_windows_agree_with_a_plain_model(world: World) -> None:
    """Random traffic on random windows: let in exactly when the definition of a sliding window says so."""
    chance = random.Random(7)
    windows = [Window("a", 5, 10.0), Window("a", 8, 60.0), Window("b", 3, 5.0)]
    let_in: dict[str, list[float]] = {"a": [], "b": []}
    now = 0.0
    for _ in range(400):
        buckets = chance.choice([{"a"}, {"b"}, {"a", "b"}])
        wants = [window for window in windows if window.bucket in buckets]
        expected = tuple(model_wait(want, let_in[want.bucket], now) for want in wants)
        assert await world.state.take(wants, "t") == pytest.approx(expected, abs=1e-5)
        if not any(expected):
            for bucket in buckets:
                let_in[bucket].append(now)
        step = chance.choice([0, 0, 0.25, 0.5, 1, 4])
        await world.advance(step)
        now += step


def model_wait(window: Window, let_in: list[float], now: float) -> float:
    """The smallest wait after which fewer than `most` lie within the window that ends then."""
    within = sorted(moment for moment in let_in if moment + window.seconds > now)
    return 0.0 if len(within) < window.most else within[-window.most] + window.seconds - now


async def test_a_conversation_is_seen_by_its_owner_alone(world: World) -> None:
    await world.state.begin(conversation(), VISIT)
    assert await world.state.recall("c-1", "ann") == conversation()
    assert await world.state.recall("c-1", "bob") is None
    assert await world.state.recall("c-2", "ann") is None


async def test_a_strangers_hand_changes_no_conversation(world: World) -> None:
    await world.state.begin(conversation(), VISIT)
    assert await world.state.raise_label("c-1", "bob", Sensitivity.RESTRICTED) is None
    assert await world.state.forget("c-1", "bob") is False
    assert await world.state.forget_all("bob") == 0
    assert await world.state.recall("c-1", "ann") == conversation()


async def test_a_label_rises_and_never_falls(world: World) -> None:
    await world.state.begin(conversation(), VISIT)
    seen = [
        await world.state.raise_label("c-1", "ann", label)
        for label in (Sensitivity.PUBLIC, Sensitivity.RESTRICTED, Sensitivity.CONFIDENTIAL)
    ]
    assert seen == [Sensitivity.INTERNAL, Sensitivity.RESTRICTED, Sensitivity.RESTRICTED]
    assert await world.state.recall("c-1", "ann") == conversation(label=Sensitivity.RESTRICTED)


async def test_labels_raised_at_once_end_at_the_highest(world: World) -> None:
    await world.state.begin(conversation(label=Sensitivity.PUBLIC), VISIT)
    labels = [*Sensitivity] * 8
    random.Random(3).shuffle(labels)
    await asyncio.gather(*(world.another().raise_label("c-1", "ann", label) for label in labels))
    assert await world.state.recall("c-1", "ann") == conversation(label=Sensitivity.RESTRICTED)


async def test_a_conversation_ends_a_day_after_its_last_turn(world: World) -> None:
    await world.state.begin(conversation(), VISIT)
    await world.advance(CONVERSATION_SECONDS - 1)
    assert await world.state.recall("c-1", "ann") is not None
    await world.advance(CONVERSATION_SECONDS - 1)
    assert await world.state.recall("c-1", "ann") is not None
    await world.advance(CONVERSATION_SECONDS - 1)
    assert await world.state.attend("c-1", "ann", VISIT) is not None
    await world.advance(CONVERSATION_SECONDS - 1)
    assert await world.state.recall("c-1", "ann") is not None
    await world.advance(CONVERSATION_SECONDS)
    assert await world.state.recall("c-1", "ann") is None
    assert await world.state.raise_label("c-1", "ann", Sensitivity.PUBLIC) is None
    assert await world.state.forget("c-1", "ann") is False
    assert await world.state.forget_all("ann") == 0


async def test_a_conversation_may_be_given_less_and_never_more(world: World) -> None:
    await world.state.begin(conversation(), VISIT)
    assert await world.state.shorten("c-1", "ann", 3600) is True
    assert await world.state.shorten("c-1", "ann", 7200) is True
    assert await world.state.shorten("c-1", "bob", 60) is False
    await world.advance(3599)
    assert await world.state.recall("c-1", "ann") == conversation(), "its hour begins anew"
    await world.advance(3600)
    assert await world.state.recall("c-1", "ann") is None
    assert await world.state.shorten("c-1", "ann", 3600) is False


async def test_what_a_conversation_is_given_counts_from_when_it_is_given(world: World) -> None:
    await world.state.begin(conversation(), VISIT)
    assert await world.state.shorten("c-1", "ann", 3600) is True
    await world.advance(3600)
    assert await world.state.recall("c-1", "ann") is None


async def test_forgetting(world: World) -> None:
    for number in range(3):
        await world.state.begin(conversation(f"a-{number}", "ann"), VISIT)
    await world.state.begin(conversation("b-1", "bob"), VISIT)
    assert await world.state.forget("a-0", "ann") is True
    assert await world.state.forget("a-0", "ann") is False
    assert await world.state.forget_all("ann") == 2
    assert await world.state.recall("a-1", "ann") is None
    assert await world.state.recall("b-1", "bob") is not None


async def test_a_caller_at_the_bound_loses_its_own_oldest_conversation(world: World) -> None:
    await world.state.begin(conversation("b-1", "bob"), VISIT)
    for number in range(1000):
        await world.state.begin(conversation(f"a-{number}", "ann"), VISIT)
        await world.advance(0.001)
    await world.state.recall("a-0", "ann")
    await world.state.begin(conversation("a-1000", "ann"), VISIT)
    assert await world.state.recall("a-1", "ann") is None, "the least recently used went"
    assert await world.state.recall("a-0", "ann") is not None
    assert await world.state.recall("a-2", "ann") is not None
    assert await world.state.recall("b-1", "bob") is not None


def approval(id_: str = "a-1", binding: str = "x", content: bytes = b"\x00secret") -> Approval:
    return Approval(id_, binding, "ann", content)


async def test_an_approval_is_decided_once_and_used_once(world: World) -> None:
    state = world.state
    proposed = await state.propose(approval(), 60)
    assert (proposed.id, proposed.verdict, proposed.content) == ("a-1", Verdict.PENDING, b"\x00secret")
    assert await state.consume("a-1", "x") is False, "nobody has approved it yet"
    decided = await state.decide("a-1", Verdict.APPROVED, "eve")
    assert decided is not None
    assert (decided.verdict, decided.decided_by) == (Verdict.APPROVED, "eve")
    again = await state.decide("a-1", Verdict.DENIED, "mallory")
    assert again is not None
    assert (again.verdict, again.decided_by) == (Verdict.APPROVED, "eve")
    assert await state.consume("a-1", "another") is False
    assert await state.consume("a-1", "x") is True
    assert await state.consume("a-1", "x") is False
    assert await state.approval("a-1") is None


async def test_of_many_who_use_an_approval_at_once_one_may(world: World) -> None:
    await world.state.propose(approval(), 60)
    await world.state.decide("a-1", Verdict.APPROVED, "eve")
    used = await asyncio.gather(*(world.another().consume("a-1", "x") for _ in range(20)))
    assert used.count(True) == 1


async def test_a_denied_approval_cannot_be_used(world: World) -> None:
    await world.state.propose(approval(), 60)
    await world.state.decide("a-1", Verdict.DENIED, "eve")
    assert await world.state.consume("a-1", "x") is False
    found = await world.state.approval("a-1")
    assert found is not None
    assert found.verdict is Verdict.DENIED


async def test_equal_requests_wait_each_for_itself(world: World) -> None:
    """Each has a name of its own, which the state does not know, so it could not tell a second caller of the first."""
    await world.state.propose(approval(), 60)
    assert (await world.state.propose(approval("a-2"), 60)).id == "a-2"
    for each in ("a-1", "a-2"):
        await world.state.decide(each, Verdict.APPROVED, "eve")
        assert await world.state.consume(each, "x") is True


async def test_the_approvals_of_an_owner_are_discarded_and_nobody_elses(world: World) -> None:
    for number in range(3):
        await world.state.propose(approval(f"a-{number}"), 60)
    await world.state.propose(replace(approval("b-1"), owner="bob"), 60)
    await world.state.decide("a-0", Verdict.APPROVED, "eve")
    assert await world.another().discard_approvals("ann") == 3
    assert await world.state.discard_approvals("ann") == 0
    assert await world.state.consume("a-0", "x") is False
    assert [await world.state.approval(f"a-{number}") for number in range(3)] == [None] * 3
    assert await world.state.approval("b-1") is not None
    for number in range(MOST_APPROVALS_OF_AN_OWNER):
        await world.state.propose(approval(f"c-{number}"), 60)


async def test_one_owner_takes_sixteen_places_and_no_more(world: World) -> None:
    for number in range(MOST_APPROVALS_OF_AN_OWNER):
        await world.state.propose(approval(f"a-{number}"), 60)
    with pytest.raises(OwnerFull):
        await world.another().propose(approval("more"), 60)
    assert await world.state.approval("more") is None
    await world.state.propose(replace(approval("b-1"), owner="bob"), 60)
    await world.state.decide("a-0", Verdict.APPROVED, "eve")
    with pytest.raises(OwnerFull):
        await world.state.propose(approval("more"), 60)
    await world.state.consume("a-0", "x")
    await world.state.propose(approval("more"), 60)
    with pytest.raises(OwnerFull):
        await world.state.propose(approval("one-more"), 60)
    await world.advance(60)
    for number in range(MOST_APPROVALS_OF_AN_OWNER):
        await world.state.propose(approval(f"c-{number}"), 60)


async def test_an_approval_expires_whatever_was_decided(world: World) -> None:
    await world.state.propose(approval(), 60)
    await world.advance(59)
    await world.state.decide("a-1", Verdict.APPROVED, "eve")
    await world.advance(1)
    assert await world.state.consume("a-1", "x") is False
    assert await world.state.approval("a-1") is None
    assert await world.state.decide("a-1", Verdict.APPROVED, "eve") is None
    assert (await world.state.propose(approval("a-2"), 60)).id == "a-2"


async def test_an_approval_tells_how_long_it_has_left(world: World) -> None:
    assert (await world.state.propose(approval(), 60)).seconds_left == 60
    await world.advance(45)
    found = await world.state.approval("a-1")
    assert found is not None
    assert found.seconds_left == 15


@pytest.mark.parametrize(
    ("look", "nothing"),
    [
        (lambda state: state.approval("a-1"), None),
        (lambda state: state.decide("a-1", Verdict.APPROVED, "eve"), None),
        (lambda state: state.discard_approvals("ann"), 0),
    ],
    ids=["look", "decide", "discard"],
)
async def test_who_looks_first_at_an_approval_that_has_expired_finds_none(
    world: World, look: Callable[[State], Awaitable[object]], nothing: object
) -> None:
    await world.state.propose(approval(), 60)
    await world.advance(60)
    assert await look(world.state) == nothing


async def test_content_beyond_the_bound_is_refused(world: World) -> None:
    with pytest.raises(StateFull):
        await world.state.propose(approval(content=b"x" * 65_537), 60)


async def test_no_more_approvals_wait_than_may(world: World) -> None:
    most = 256 if isinstance(world, PodWorld) else 1000
    for number in range(most):
        await world.state.propose(replace(approval(f"a-{number}", content=b""), owner=f"o-{number // 16}"), 60)
    with pytest.raises(StateFull) as full:
        await world.state.propose(approval("more", "more", b""), 60)
    assert full.type is StateFull
    await world.advance(60)
    assert (await world.state.propose(approval("more", "more", b""), 60)).id == "more"


def test_hashes_of_different_parts_differ() -> None:
    assert hashed("ab", "c") != hashed("a", "bc") != hashed("abc")
    assert len(hashed("ann")) == 32


async def test_an_answer_is_kept_for_its_time_and_no_longer(world: World) -> None:
    assert await world.state.kept_answer("q") is None
    assert await world.state.keep_answer("q", "ann", b"\x00yes\xff", 60)
    await world.advance(59)
    assert await world.state.kept_answer("q") == b"\x00yes\xff"
    assert await world.another().kept_answer("q") == b"\x00yes\xff", "of every replica"
    await world.advance(1)
    assert await world.state.kept_answer("q") is None
    assert await world.state.discard_answers("ann") == 0


async def test_a_newer_answer_takes_the_place_of_an_older_one(world: World) -> None:
    await world.state.keep_answer("q", "ann", b"old", 60)
    await world.state.keep_answer("q", "bob", b"new", 120)
    await world.advance(90)
    assert await world.state.kept_answer("q") == b"new"
    assert await world.state.discard_answers("ann") == 0
    assert await world.state.discard_answers("bob") == 1
    assert await world.state.kept_answer("q") is None


async def test_all_answers_of_an_owner_go_together(world: World) -> None:
    for number in range(3):
        await world.state.keep_answer(f"a{number}", "ann", b"a", 60)
    await world.state.keep_answer("b", "bob", b"b", 60)
    assert await world.state.discard_answers("ann") == 3
    assert [await world.state.kept_answer(name) for name in ("a0", "a1", "a2", "b")] == [None, None, None, b"b"]
    assert await world.state.discard_answers("ann") == 0


async def test_answers_are_bounded_in_bytes_and_the_least_recently_used_go_first(bounded: World) -> None:
    """Room for three of 1,000 bytes, whatever the tables take beside them."""
    for name in "abc":
        assert await bounded.state.keep_answer(name, "ann", name.encode() * 1000, 60)
        await bounded.advance(0.001)
    assert await bounded.state.kept_answer("a")
    await bounded.advance(0.001)
    assert await bounded.state.keep_answer("d", "ann", b"d" * 1000, 60)
    assert [await bounded.state.kept_answer(name) is not None for name in "abcd"] == [True, False, True, True]
    assert await bounded.state.keep_answer("huge", "ann", b"h" * 10_000, 60) is False
    assert [await bounded.state.kept_answer(name) is not None for name in "acd"] == [True, True, True]


async def test_answers_that_have_ended_take_no_room(bounded: World) -> None:
    for name in "abc":
        await bounded.state.keep_answer(name, "ann", b"x" * 1000, 60)
    await bounded.advance(61)
    for name in "def":
        await bounded.state.keep_answer(name, "ann", b"x" * 1000, 60)
    assert [await bounded.state.kept_answer(name) is not None for name in "abcdef"] == [False] * 3 + [True] * 3
    assert await bounded.state.discard_answers("ann") == 3


async def test_answers_that_have_ended_go_before_those_that_have_not(bounded: World) -> None:
    await bounded.state.keep_answer("ended", "ann", b"x" * 1000, 60)
    for name in "ab":
        await bounded.state.keep_answer(name, "ann", b"x" * 1000, 600)
    await bounded.advance(1)
    assert await bounded.state.kept_answer("ended")
    await bounded.advance(60)
    await bounded.state.keep_answer("c", "ann", b"x" * 1000, 600)
    assert [await bounded.state.kept_answer(name) is not None for name in "abc"] == [True] * 3


async def meant(state: State, *logs: str) -> list[bytes]:
    """All meanings of some logs, each read to its end."""
    found: list[bytes] = []
    for log in logs:
        reached = ""
        while True:
            read = await state.meanings(log, reached)
            found += read.contents
            if not read.more:
                break
            reached = read.reached
    return found


async def keep_meaning(world: World, id_: str, content: bytes, log: str = "log", owner: str = "ann") -> None:
    assert await world.state.keep_answer(id_, owner, b"yes", 60, Meaning(log, content))


async def test_what_answers_mean_is_read_in_its_order_by_every_replica(world: World) -> None:
    assert await world.another().meanings("log") == Meanings("", [], more=False)
    await keep_meaning(world, "q", b"\x00one\xff")
    await keep_meaning(world, "r", b"two")
    await keep_meaning(world, "s", b"elsewhere", log="other")
    await world.state.keep_answer("t", "ann", b"meant nothing", 60)
    assert await world.state.kept_answer("q") == b"yes"
    read = await world.another().meanings("log")
    assert read.contents == [b"\x00one\xff", b"two"]
    assert (await world.state.meanings("log", read.reached)).contents == []
    await keep_meaning(world, "u", b"three")
    assert (await world.another().meanings("log", read.reached)).contents == [b"three"]
    assert await meant(world.state, "log", "other") == [b"\x00one\xff", b"two", b"three", b"elsewhere"]


async def test_meanings_come_so_many_at_once(world: World) -> None:
    for number in range(MEANINGS_AT_ONCE + 5):
        await keep_meaning(world, f"q{number}", b"%d" % number)
    first = await world.state.meanings("log")
    assert (len(first.contents), first.more) == (MEANINGS_AT_ONCE, True)
    rest = await world.state.meanings("log", first.reached)
    assert (len(rest.contents), rest.more) == (5, False)
    assert await meant(world.state, "log") == [b"%d" % number for number in range(MEANINGS_AT_ONCE + 5)]
    await world.advance(60)
    assert await meant(world.state, "log") == []


async def test_answers_that_have_ended_do_not_end_the_reading_of_what_came_after_them(world: World) -> None:
    """More of them than one call sweeps away."""
    for number in range(2 * MEANINGS_AT_ONCE):
        await world.state.keep_answer(f"old{number}", "ann", b"yes", 30, Meaning("log", b"old"))
    for number in range(5):
        await keep_meaning(world, f"new{number}", b"new")
    await world.advance(30)
    read = await world.state.meanings("log")
    assert (len(read.contents) < MEANINGS_AT_ONCE, read.more) == (True, True)
    assert await meant(world.state, "log") == [b"new"] * 5


async def test_a_meaning_goes_with_its_answer(world: World) -> None:
    await keep_meaning(world, "old", b"old")
    await world.advance(59)
    await keep_meaning(world, "kept", b"kept")
    await keep_meaning(world, "again", b"before")
    await keep_meaning(world, "erased", b"erased", owner="bob")
    await keep_meaning(world, "again", b"after")
    assert await meant(world.state, "log") == [b"old", b"kept", b"erased", b"after"]
    await world.advance(1)
    assert await meant(world.state, "log") == [b"kept", b"erased", b"after"]
    assert await world.state.discard_answers("bob") == 1
    assert await meant(world.state, "log") == [b"kept", b"after"]
    assert await world.state.keep_answer("again", "ann", b"yes", 60)
    assert await meant(world.state, "log") == [b"kept"]
    await world.advance(60)
    assert await meant(world.state, "log") == []


@pytest.fixture(params=["pod", "redis"])
async def brief(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Whose logs hold two meanings."""
    if request.param == "pod":
        yield PodWorld(most_meanings=2)
    else:
        async with redis_world(tmp_path) as made:
            made.state = made.another(most_meanings=2)
            yield made


async def test_of_one_log_the_oldest_go_with_their_answers(brief: World) -> None:
    await keep_meaning(brief, "elsewhere", b"elsewhere", log="other")
    for name in "abc":
        await keep_meaning(brief, name, name.encode())
    assert await meant(brief.state, "log", "other") == [b"b", b"c", b"elsewhere"]
    assert [await brief.state.kept_answer(name) for name in "abc"] == [None, b"yes", b"yes"]
    await keep_meaning(brief, "b", b"b again")
    assert await meant(brief.state, "log") == [b"c", b"b again"]


async def test_a_meaning_takes_room_as_an_answer_does(bounded: World) -> None:
    for name, log in (("a", "one"), ("b", "two")):
        assert await bounded.state.keep_answer(name, "ann", b"x" * 1000, 60, Meaning(log, b"m" * 1000))
        await bounded.advance(0.001)
    assert [await bounded.state.kept_answer(name) is not None for name in "ab"] == [False, True]
    assert await meant(bounded.state, "one", "two") == [b"m" * 1000]
    assert await bounded.state.keep_answer("c", "ann", b"x" * 1000, 60), "there is room for one of three"
    assert await bounded.state.kept_answer("b")
    huge = Meaning("one", b"m" * 10_000)
    assert await bounded.state.keep_answer("huge", "ann", b"x", 60, huge) is False
