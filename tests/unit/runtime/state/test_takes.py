"""Laws of windows, on a clock that is held, and the bounds of what a process keeps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.state.contract import Slots, StateFull, Window
from regent_runtime.state.takes import Takes


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


windows = st.lists(st.builds(Window, st.just("a"), st.integers(1, 6), st.sampled_from([1.0, 7.5, 60.0])), min_size=1)
steps = st.lists(st.floats(0, 20), max_size=60)


@given(windows, steps)
def test_after_retry_after_it_is_let_in_and_a_second_earlier_refused(wants: list[Window], pauses: list[float]) -> None:
    clock = Clock()
    takes = Takes(clock)
    for pause in pauses:
        clock.now += pause
        waits = takes.take(wants, "t")
        if any(waits):
            retry_after = math.ceil(max(waits))
            asked_at = clock.now
            clock.now = asked_at + retry_after - 1
            assert any(takes.take(wants, "t")), "one second earlier"
            clock.now = asked_at + retry_after
            assert not any(takes.take(wants, "t")), "at Retry-After"


@given(windows, steps)
def test_no_window_ever_holds_more_than_it_may(wants: list[Window], pauses: list[float]) -> None:
    clock = Clock()
    takes = Takes(clock)
    let_in = []
    for pause in pauses:
        clock.now += pause
        if not any(takes.take(wants, "t")):
            let_in.append(round(clock.now * 1e6))
    for window in wants:
        for start in let_in:
            assert sum(start <= moment < start + window.seconds * 1e6 for moment in let_in) <= window.most


def test_where_there_is_no_room_for_one_more_caller_it_is_refused_until_older_ones_left_their_windows() -> None:
    clock = Clock()
    takes = Takes(clock, most_moments=3)
    for caller in "abc":
        takes.take([Window(caller, 5, 60.0)], "t")
        clock.now += 1
    with pytest.raises(StateFull):
        takes.take([Window("d", 5, 60.0)], "t")
    with pytest.raises(StateFull):
        takes.take([Window("a", 5, 60.0)], "t")
    clock.now = 60.0
    assert takes.take([Window("d", 5, 60.0)], "t") == (0.0,)
    assert takes.take([Window("b", 1, 60.0)], "t") == (1.0,), "whoever is within a window is not forgotten"


def test_a_busy_callers_log_is_as_long_as_its_limit_and_no_longer() -> None:
    clock = Clock()
    takes = Takes(clock, most_moments=6)
    for _ in range(1000):
        takes.take([Window("a", 5, 60.0)], "t")
        clock.now += 15
    assert takes.take([Window("a", 5, 60.0)], "t") == (0.0,)
    assert len(takes._logs["a"].moments) <= 6


def test_room_is_made_of_what_no_window_looks_at_and_of_nothing_else() -> None:
    clock = Clock()
    takes = Takes(clock, most_moments=2)
    takes.take([Window("old", 1, 60.0)], "t")
    clock.now = 59.0
    takes.take([Window("fresh", 1, 60.0)], "t")
    clock.now = 60.0
    assert takes.take([Window("new", 1, 60.0)], "t") == (0.0,)
    assert takes.take([Window("fresh", 1, 60.0)], "t") == (59.0,)


def test_two_bounds_of_one_bucket_hold_one_lease() -> None:
    """As two policies with maxConcurrentTurns for each caller make them."""
    takes = Takes(Clock(), most_leases=3)
    for turn in range(10):
        assert takes.take([Slots("a", 5, 1), Slots("a", 2, 1)], str(turn)) == (0.0, 0.0)
        takes.give_back(["a"], str(turn))
    assert takes._leases == {}, "of callers that have left nothing is kept"


def test_more_leases_than_may_be_are_refused_and_given_back_ones_make_room() -> None:
    takes = Takes(Clock(), most_leases=2)
    takes.take([Slots("a", 5, 60.0)], "one")
    takes.take([Slots("b", 5, 60.0)], "two")
    with pytest.raises(StateFull):
        takes.take([Slots("c", 5, 60.0)], "three")
    takes.give_back(["a"], "one")
    assert takes.take([Slots("c", 5, 60.0)], "three") == (0.0,)
    with pytest.raises(StateFull):
        takes.take([Slots("d", 5, 60.0)], "four")
