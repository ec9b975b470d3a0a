from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import BreakerConfig
from regent_runtime.route.breaker import MOST_OUTCOMES, Breaker, Permit, State
from tests.fakes.clocks import Clock

SETTINGS = BreakerConfig(
    window=30, minimum_requests=4, failure_ratio=0.5, consecutive_failures=3, open_for=15, half_open_probes=2
)


def attempt(breaker: Breaker, *, well: bool | None) -> None:
    permit = breaker.admit()
    assert permit is not None
    permit.end(well=well)


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(SETTINGS, clock)
    for _ in range(3):
        attempt(breaker, well=False)
    assert breaker.state is State.OPEN
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = Breaker(SETTINGS, Clock())
    for well in (True, True, True, True, True, False, False, True, True, False, False):
        attempt(breaker, well=well)
    assert breaker.state is State.CLOSED
    attempt(breaker, well=False)
    assert breaker.state is State.OPEN


def test_the_ratio_looks_no_further_back_than_the_window() -> None:
    clock = Clock()
    breaker = Breaker(SETTINGS, clock)
    for well in (False, True, False):
        attempt(breaker, well=well)
    clock.now += 30
    for well in (True, False):
        attempt(breaker, well=well)
    assert breaker.state is State.CLOSED  # three of five, were the first three still within
    for well in (True, False):
        attempt(breaker, well=well)
    assert breaker.state is State.OPEN  # two of four


def test_an_open_one_admits_nobody_until_its_time_and_then_so_many_probes() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert (breaker.admit(), breaker.opens_in) == (None, 15)
    clock.now += 14.9
    assert breaker.admit() is None
    clock.now += 0.1
    assert breaker.state is State.HALF_OPEN
    first, second = breaker.admit(), breaker.admit()
    assert first is not None
    assert second is not None
    assert breaker.admit() is None
    first.end(well=True)
    assert breaker.admit() is None
    second.end(well=True)
    assert breaker.state is State.CLOSED


def test_a_probe_that_fails_opens_it_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 15
    attempt(breaker, well=False)
    assert (breaker.state, breaker.opens_in) == (State.OPEN, 15)


def test_a_probe_that_tells_nothing_gives_its_place_back() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 15
    with breaker.admit() or pytest.fail("a probe"):
        pass
    attempt(breaker, well=True)
    attempt(breaker, well=True)
    assert breaker.state is State.CLOSED


def test_what_was_admitted_before_it_opened_tells_nothing_of_now() -> None:
    clock = Clock()
    breaker = Breaker(SETTINGS, clock)
    early = breaker.admit()
    for _ in range(3):
        attempt(breaker, well=False)
    clock.now += 15
    probe = breaker.admit()
    assert early is not None
    assert probe is not None
    early.end(well=False)
    assert breaker.state is State.HALF_OPEN
    probe.end(well=True)
    attempt(breaker, well=True)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("well", [True, False])
def test_however_many_were_admitted_before_it_opened_the_probes_alone_tell(well: bool) -> None:
    clock = Clock()
    breaker = Breaker(SETTINGS, clock)
    early = [breaker.admit() or pytest.fail("closed") for _ in range(9)]
    for _ in range(3):
        attempt(breaker, well=False)
    clock.now += 15
    for permit in early:
        permit.end(well=well)
    assert breaker.state is State.HALF_OPEN


def test_once_it_has_closed_it_counts_anew() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 15
    for well in (True, True, False, True, True, True, False):
        attempt(breaker, well=well)
        assert breaker.state is not State.OPEN
    attempt(breaker, well=False)
    assert breaker.state is State.OPEN  # three of six


@pytest.mark.parametrize("runs_on", [True, False])
def test_once_it_has_opened_again_it_wants_as_many_probes_as_before(runs_on: bool) -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 15
    first, failing = breaker.admit(), breaker.admit()
    assert first is not None
    assert failing is not None
    if not runs_on:
        first.end(well=True)
    failing.end(well=False)
    clock.now += 15
    attempt(breaker, well=True)
    assert breaker.state is State.HALF_OPEN
    attempt(breaker, well=True)
    assert breaker.state is State.CLOSED


def test_an_attempt_that_goes_well_opens_nothing() -> None:
    breaker = Breaker(SETTINGS, Clock())
    for well in (False, False, True, True):
        attempt(breaker, well=well)
    assert breaker.state is State.CLOSED  # two of four
    attempt(breaker, well=False)
    assert breaker.state is State.OPEN


def test_a_permit_counts_once() -> None:
    breaker = Breaker(SETTINGS, Clock())
    for _ in range(2):
        with breaker.admit() or pytest.fail("closed") as permit:
            permit.end(well=False)
            permit.end(well=False)
    assert breaker.state is State.CLOSED


steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.just(0.0)),
        st.tuples(st.sampled_from(["well", "badly", "nothing"]), st.floats(0, 1)),
        st.tuples(st.just("wait"), st.floats(0.01, 40)),
    ),
    max_size=120,
)


@given(steps)
def test_it_opens_exactly_when_what_happened_says_so(run: Sequence[tuple[str, float]]) -> None:
    """Against a list of all that happened; nobody is admitted while it is open, and few while it is half open."""
    clock = Clock()
    breaker = Breaker(SETTINGS, clock)
    running: list[tuple[Permit, int]] = []
    ended: list[tuple[float, bool]] = []
    opened_at: float | None = None
    era = 0
    for what, amount in run:
        if what == "wait":
            clock.now += amount
        elif what == "begin":
            permit = breaker.admit()
            if opened_at is None:
                assert permit is not None
            elif clock.now < opened_at + SETTINGS.open_for:
                assert permit is None
            if permit is not None:
                running.append((permit, era))
            assert sum(each.probe and then == era for each, then in running) <= SETTINGS.half_open_probes
        elif running:
            permit, then = running.pop(int(amount * (len(running) - 1)))
            was, well = breaker.state, {"well": True, "badly": False, "nothing": None}[what]
            permit.end(well=well)
            if then != era or well is None:
                assert breaker.state is was
            elif not permit.probe:
                ended.append((clock.now, well))
                assert (breaker.state is State.OPEN) == should_open(ended, clock.now)
            elif not well:
                assert breaker.state is State.OPEN
            if breaker.state is State.OPEN and was is not State.OPEN:
                opened_at, ended, era = clock.now, [], era + 1
            elif breaker.state is State.CLOSED and was is State.HALF_OPEN:
                opened_at, ended, era = None, [], era + 1


def should_open(ended: Sequence[tuple[float, bool]], now: float) -> bool:
    within = [well for at, well in ended if at > now - SETTINGS.window][-MOST_OUTCOMES:]
    last = [well for _, well in ended][-SETTINGS.consecutive_failures :]
    failed = within.count(False)
    too_many = len(within) >= SETTINGS.minimum_requests and failed >= SETTINGS.failure_ratio * len(within)
    in_a_row = len(last) == SETTINGS.consecutive_failures and not any(last)
    return not ended[-1][1] and (too_many or in_a_row)


def test_its_memory_is_bounded() -> None:
    settings = BreakerConfig(window=1e9, minimum_requests=512, failure_ratio=1, consecutive_failures=1000)
    breaker = Breaker(settings, Clock())
    attempt(breaker, well=True)
    for _ in range(MOST_OUTCOMES - 1):
        attempt(breaker, well=False)
    assert breaker.state is State.CLOSED
    attempt(breaker, well=False)
    assert breaker.state is State.OPEN  # the success of long ago is forgotten
