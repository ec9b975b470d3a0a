"""The bounds of what a process keeps; what activity means, the contract's tests say of both states."""

from regent_runtime.state.activity import MOST_STALE, Activity
from regent_runtime.state.contract import Visit
from tests.unit.runtime.state.test_takes import Clock


def test_a_busy_conversation_leaves_nothing_behind() -> None:
    activity = Activity(Clock())
    for number in range(10_000):
        activity.visited("c-1", Visit(f"pod-{number}", 60.0))
        assert activity.count(f"pod-{number}") == 1
    assert len(activity._ends) <= 2 + MOST_STALE
    assert len(activity._counts) == 1
    activity.ended("c-1")
    activity.ended("c-1")
    assert activity._counts == {}


def test_what_is_left_behind_by_busy_ones_hides_nobodys_end() -> None:
    clock = Clock()
    activity = Activity(clock)
    for seconds in (50, 40, 30, 20, 10):
        activity.visited(f"c-{seconds}", Visit("one", float(seconds)))
    for _ in range(1000):
        activity.visited("busy", Visit("one", 60.0))
    assert len(activity._ends) <= 2 * 6 + MOST_STALE
    for clock.now, active in ((10.0, 5), (30.0, 3), (50.0, 1), (60.0, 0)):
        assert activity.count("one") == active


def test_a_visit_that_was_followed_by_a_longer_one_does_not_end_it() -> None:
    clock = Clock()
    activity = Activity(clock)
    activity.visited("c-1", Visit("one", 10.0))
    activity.visited("c-1", Visit("one", 60.0))
    clock.now = 59.0
    assert activity.count("one") == 1
    clock.now = 60.0
    assert activity.count("one") == 0
