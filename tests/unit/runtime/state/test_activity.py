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


def test_a_visit_that_was_followed_by_a_longer_one_does_not_end_it() -> None:
    clock = Clock()
    activity = Activity(clock)
    activity.visited("c-1", Visit("one", 10.0))
    activity.visited("c-1", Visit("one", 60.0))
    clock.now = 59.0
    assert activity.count("one") == 1
    clock.now = 60.0
    assert activity.count("one") == 0
