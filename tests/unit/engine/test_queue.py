import asyncio

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from regent_operator.engine.queue import (
    ELDEST_EVERY,
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    MOST_STALE,
    PATIENCE_SECONDS,
    Priority,
    WorkQueue,
)
from tests.unit.engine.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock)


def test_a_key_added_twice_is_handed_out_once(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    assert queue.take() == "a"
    assert queue.take() is None


def test_a_key_is_never_with_two_workers_and_runs_again_after(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    assert queue.take() is None
    queue.done("a")
    assert queue.take() == "a"


def test_an_edit_stays_one_until_it_has_come_about(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("edit", Priority.EDIT)
    assert queue.take() == "edit"
    clock.advance(queue.retry("edit"))
    queue.done("edit")
    queue.add("earlier", Priority.FOLLOW)
    assert queue.take() == "edit"
    queue.postpone("edit", 2)
    queue.done("edit")
    assert queue.take() == "earlier"
    queue.done("earlier")
    clock.advance(2)
    queue.add("later", Priority.FOLLOW)
    assert queue.take() == "edit"


def test_it_says_whether_another_edit_waits_or_is_worked_on(queue: WorkQueue[str]) -> None:
    queue.add("a", Priority.EDIT)
    queue.add("b", Priority.EDIT)
    queue.add("c", Priority.FOLLOW)
    assert queue.take() == "a"
    assert queue.is_urgent_beside("a"), "b waits"
    assert queue.take() == "b"
    assert queue.is_urgent_beside("a"), "b is worked on"
    queue.done("b")
    assert not queue.is_urgent_beside("a")
    assert queue.is_urgent_beside("c"), "a is worked on"
    assert queue.take() == "c"


def test_a_key_waits_when_it_is_due_and_nobody_edited_it(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a", Priority.FOLLOW, delay=1)
    assert not queue.waits("a"), "not yet"
    clock.advance(1)
    assert queue.waits("a")
    queue.add("a", Priority.EDIT)
    assert not queue.waits("a"), "its turn comes at once"
    assert not queue.waits("b"), "nobody asked for it"


def test_an_edit_goes_before_what_follows_and_that_before_the_resync(queue: WorkQueue[str]) -> None:
    queue.add("resync", Priority.RESYNC)
    queue.add("follow", Priority.FOLLOW)
    queue.add("edit", Priority.EDIT)
    assert [queue.take(), queue.take(), queue.take()] == ["edit", "follow", "resync"]


def test_however_many_edits_come_nothing_waits_for_ever(queue: WorkQueue[str], clock: Clock) -> None:
    """Of the keys that are handed out one in so many is the eldest; the others are edits."""
    queue.add("follow", Priority.FOLLOW)
    queue.add("resync", Priority.RESYNC)
    handed_out: list[str | None] = []
    for number in range(3 * ELDEST_EVERY):
        clock.advance(1)
        queue.add(f"edit {number}", Priority.EDIT)
        queue.add(f"edit too {number}", Priority.EDIT)
        handed_out.append(queue.take())
    others = [key for key in handed_out if key is not None and not key.startswith("edit")]
    assert others == ["follow", "resync"]
    assert handed_out.index("resync") < 2 * ELDEST_EVERY


@pytest.mark.parametrize(("waited", "others"), [(PATIENCE_SECONDS, 1), (PATIENCE_SECONDS - 0.1, 0)])
def test_edits_go_first_but_for_one_in_so_many_when_others_have_waited_long(
    queue: WorkQueue[str], clock: Clock, waited: float, others: int
) -> None:
    for number in range(ELDEST_EVERY):
        queue.add(f"old {number}", Priority.RESYNC)
    clock.advance(waited)
    for number in range(ELDEST_EVERY):
        queue.add(f"edit {number}", Priority.EDIT)
    taken = [queue.take() or "" for _ in range(ELDEST_EVERY)]
    assert [each.partition(" ")[0] for each in taken] == ["edit"] * (ELDEST_EVERY - others) + ["old"] * others


def test_keys_of_one_moment_go_in_the_order_in_which_they_came(queue: WorkQueue[str]) -> None:
    for key in "bca":
        queue.add(key)
    assert [queue.take() for _ in range(3)] == ["b", "c", "a"]


async def test_it_is_idle_when_no_worker_holds_a_key(queue: WorkQueue[str]) -> None:
    await queue.idle()
    queue.add("a")
    key = queue.take()
    assert key is not None
    idle = asyncio.ensure_future(queue.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    queue.done(key)
    await idle


def test_the_eldest_of_all_may_be_an_edit(queue: WorkQueue[str], clock: Clock) -> None:
    edits = [f"edit {number:02}" for number in range(2 * ELDEST_EVERY)]
    for key in edits:
        queue.add(key, Priority.EDIT)
    clock.advance(1)
    queue.add("follow", Priority.FOLLOW)
    assert [queue.take() for _ in range(2 * ELDEST_EVERY + 1)] == [*edits, "follow"]


def test_an_edit_lifts_a_key_that_waits_already(queue: WorkQueue[str]) -> None:
    queue.add("a", Priority.RESYNC, delay=60)
    queue.add("b", Priority.FOLLOW)
    queue.add("a", Priority.EDIT)
    assert queue.take() == "a"


def test_a_key_that_is_dropped_is_handed_out_when_it_is_added_again(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    queue.add("later", delay=5)
    for key in ("a", "later", "unknown"):
        queue.drop(key)
    clock.advance(9)
    assert (queue.take(), len(queue), queue.depth) == (None, 0, 0)
    queue.add("later", delay=1)
    assert queue.take() is None
    clock.advance(1)
    assert queue.take() == "later"


def test_keys_that_come_and_are_dropped_leave_no_more_than_some_places(queue: WorkQueue[str]) -> None:
    for number in range(9 * MOST_STALE):
        queue.add(str(number))
        queue.drop(str(number))
    assert sum(map(len, queue._ready.values())) <= MOST_STALE + 2


def test_a_later_request_does_not_postpone_an_earlier_one(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a", Priority.RESYNC, delay=60)
    assert queue.take() == "a"


def test_a_delayed_key_waits(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a", delay=5)
    assert queue.take() is None
    assert queue.depth == 0
    clock.advance(5)
    assert queue.depth == 1
    assert queue.take() == "a"


def test_a_delay_asked_for_while_the_key_runs_holds(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a", Priority.RESYNC, delay=30)
    queue.done("a")
    assert queue.take() is None
    clock.advance(30)
    assert queue.take() == "a"


def test_waits_after_failures_double_to_a_limit_and_success_forgets_them(queue: WorkQueue[str]) -> None:
    waits = [queue.retry("a") for _ in range(14)]
    assert waits[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert waits[-1] == LONGEST_RETRY_SECONDS
    queue.forget("a")
    assert queue.retry("a") == FIRST_RETRY_SECONDS


def test_a_server_may_ask_for_a_longer_wait(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.retry("a", at_least=7.0) == 7.0
    clock.advance(6.9)
    assert queue.take() is None
    clock.advance(0.1)
    assert queue.take() == "a"


def test_the_oldest_wait_counts_from_when_a_key_was_due(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a", delay=10)
    assert queue.oldest_seconds == 0.0
    clock.advance(13)
    assert queue.oldest_seconds == 3.0
    assert queue.take() == "a"
    clock.advance(4)
    assert (queue.oldest_seconds, queue.longest_run_seconds) == (0.0, 4.0)


def test_a_queue_stands_still_while_keys_are_due_and_none_is_taken_or_let_go(
    queue: WorkQueue[str], clock: Clock
) -> None:
    clock.advance(1000)
    assert queue.still_seconds == 0.0
    queue.add("a")
    queue.add("b")
    clock.advance(5)
    assert queue.still_seconds == 5.0
    assert queue.take() == "a"
    clock.advance(3)
    assert queue.still_seconds == 3.0
    queue.done("a")
    assert queue.still_seconds == 0.0
    assert queue.take() == "b"
    clock.advance(7)
    assert queue.still_seconds == 0.0, "nothing waits"


def test_a_standby_s_keys_have_waited_since_it_leads(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    queue.add("later", delay=7205)
    clock.advance(7200)
    queue.restart_waits()
    assert queue.oldest_seconds == 0.0
    clock.advance(4)
    assert queue.oldest_seconds == 4.0
    assert queue.take() == "a"
    clock.advance(2)
    assert queue.oldest_seconds == 1.0


def test_requests_that_were_overtaken_are_not_hoarded(queue: WorkQueue[str], clock: Clock) -> None:
    for n in range(10 * MOST_STALE):
        queue.add("often", Priority.RESYNC, delay=10_000 - n)
        queue.add("rarely", Priority.RESYNC, delay=20_000)
    assert len(queue._later) <= MOST_STALE + 5
    clock.advance(10_000)
    assert queue.take() == "often"
    assert queue.take() is None
    clock.advance(10_000)
    assert queue.take() == "rarely"


async def test_get_waits_for_a_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await getting == "a"


async def test_get_wakes_one_worker_for_each_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in "abc":
        queue.add(key)
    assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]


async def test_a_key_wakes_no_more_than_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen workers wait most of the time: woken all for each key, they cost more than the key."""
    queue: WorkQueue[str] = WorkQueue()
    looks = 0
    take = queue.take

    def counted() -> str | None:
        nonlocal looks
        looks += 1
        return take()

    monkeypatch.setattr(queue, "take", counted)
    workers = [asyncio.create_task(queue.get()) for _ in range(16)]
    await _settle()
    looks = 0
    queue.add("a")
    await _settle()
    queue.add("b", delay=0.001)
    while sum(worker.done() for worker in workers) < 2:  # noqa: ASYNC110 - a worker is woken by the clock
        await asyncio.sleep(0.001)
    assert looks == 2
    await _end(workers)


async def test_what_is_due_later_finds_a_worker_while_the_one_that_was_woken_works() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await _settle()
    queue.add("b", delay=0.03)
    queue.add("a", delay=0.01)
    queue.add("c", delay=0.02)
    assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]


async def test_a_worker_that_ends_just_when_it_was_woken_sends_another() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await _settle()
    queue.add("a")
    first.cancel()
    assert await second == "a"


async def test_a_worker_that_has_ended_is_not_woken() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await _settle()
    first.cancel()
    queue.add("a")
    assert await second == "a"


async def _settle() -> None:
    """Until every task waits for something that does not come by itself."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _end(tasks: list[asyncio.Task[str]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class AnyHistory(RuleBasedStateMachine):
    """Whatever is asked in whatever order, no key is lost, none is early, none is with two workers."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[int] = WorkQueue(self.clock)
        self.due: dict[int, float] = {}
        self.running: set[int] = set()

    keys = st.integers(0, 4)

    @rule(key=keys, priority=st.sampled_from(Priority), delay=st.sampled_from([0.0, 0.0, 1.0, 3.0, 10.0]))
    def add(self, key: int, priority: Priority, delay: float) -> None:
        self.queue.add(key, priority, delay)
        self.due[key] = min(self.due.get(key, float("inf")), self.clock() + delay)

    @rule(key=keys)
    def fail(self, key: int) -> None:
        self.due[key] = min(self.due.get(key, float("inf")), self.clock() + self.queue.retry(key))

    @rule(key=keys)
    def drop(self, key: int) -> None:
        self.queue.drop(key)
        self.due.pop(key, None)

    @rule()
    def take(self) -> None:
        key = self.queue.take()
        ready = {k for k, due in self.due.items() if due <= self.clock() and k not in self.running}
        if key is None:
            assert not ready
        else:
            assert key in ready
            del self.due[key]
            self.running.add(key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(key)
        self.queue.done(key)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def every_key_stands_once(self) -> None:
        assert len(self.queue) == len(self.due)


TestAnyHistory = AnyHistory.TestCase
