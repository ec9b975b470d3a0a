from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.route.retry_budget import MOST_SAVED, SAVED_A_SECOND, RetryBudget
from tests.fakes.clocks import Clock

SLACK = 1e-6


def test_an_agent_of_few_turns_may_retry() -> None:
    budget = RetryBudget(20, Clock())
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]


def test_each_turn_brings_its_share() -> None:
    budget = RetryBudget(20, Clock())
    while budget.take():
        pass
    for _ in range(6):
        budget.turn()
    assert [budget.take(), budget.take()] == [True, False]


def test_time_brings_a_little() -> None:
    clock = Clock()
    budget = RetryBudget(20, clock)
    while budget.take():
        pass
    clock.now += 10.1
    assert [budget.take(), budget.take()] == [True, False]


def test_no_percent_is_no_retry() -> None:
    clock = Clock()
    budget = RetryBudget(0, clock)
    budget.turn()
    clock.now += 1000
    assert not budget.take()


@given(
    percent=st.integers(0, 100),
    run=st.lists(st.sampled_from(["turn", "take", "take", 0.5, 20.0]), max_size=300),
)
def test_in_any_time_retries_stay_within_share_reserve_and_trickle(percent: int, run: Sequence[str | float]) -> None:
    clock = Clock()
    budget = RetryBudget(percent, clock)
    events: list[tuple[float, str]] = []
    for what in run:
        if isinstance(what, float):
            clock.now += what
        elif what == "turn":
            budget.turn()
            events.append((clock.now, what))
        elif budget.take():
            events.append((clock.now, what))
    for first in range(0, len(events), 7):
        since = events[first:]
        turns = sum(what == "turn" for _, what in since)
        granted = MOST_SAVED + turns * percent / 100 + (since[-1][0] - since[0][0]) * SAVED_A_SECOND
        assert len(since) - turns <= granted + SLACK
