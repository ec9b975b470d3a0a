"""What a pod remembers of the agent's day and month."""

from regent_runtime.limits.spending import Spending, Spent, usd
from regent_runtime.state.contract import Period

NOON = 1_795_694_400.0
"""2026-11-26 12:00 UTC."""


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_what_was_reserved_is_spent_and_what_came_back_is_not() -> None:
    known = Spending(Clock())
    known.reserved(Period.DAY, 100, 50, 20)
    assert known.of(Period.DAY) == Spent("2026-11-26", 150, NOON)
    known.settled([Period.DAY, Period.MONTH], -30)
    assert known.of(Period.DAY) == Spent("2026-11-26", 120, NOON)
    assert known.of(Period.MONTH) is None
    assert str(usd(1_500_000_000)) == "1.5"


def test_a_day_that_is_over_is_forgotten_and_its_month_is_not() -> None:
    clock = Clock()
    known = Spending(clock)
    for period in (Period.DAY, Period.MONTH, Period.CONVERSATION):
        known.reserved(period, 1, 1, 1)
    clock.now += 86_400
    found = known.of(Period.MONTH)
    assert (known.of(Period.DAY), found and found.of) == (None, "2026-11")
    known.settled([Period.DAY], -1)
    assert (known.of(Period.DAY), known.of(Period.CONVERSATION)) == (None, None)


def test_a_budget_is_exhausted_until_as_dear_a_turn_fits_again() -> None:
    known = Spending(Clock())

    def short() -> int | None:
        found = known.of(Period.DAY)
        return found.short_of if found else None

    known.reserved(Period.DAY, 90, None, 20)
    assert short() == 20
    known.reserved(Period.DAY, 90, 0, 0)
    assert short() == 20, "a turn that costs nothing says nothing"
    known.settled([Period.DAY], -80)
    known.reserved(Period.DAY, 10, 30, 25)
    assert short() is None
