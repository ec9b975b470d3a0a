"""LeastLatency: what is remembered of a provider's quickness, and whom it sends first."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import ProviderConfig
from regent_runtime.route.latency import EXPLORE_ONE_IN, STALE_SECONDS, Latency, Stopwatch, fastest_first
from regent_runtime.wire.answer import Chunk, Usage
from tests.fakes import configs
from tests.fakes.clocks import Clock

NAMES = ("a", "b", "c")
PROVIDERS: Sequence[ProviderConfig] = configs.config(
    *(configs.provider_config(name, "http://127.0.0.1/v1") for name in NAMES)
).route.providers


class Known:
    def __init__(self, clock: Clock, *seconds: float) -> None:
        self.latency = Latency(clock)
        for each in seconds:
            self.latency.measured(each, stream=True)


def firsts(known: dict[str, Known], allowed: Sequence[ProviderConfig] = PROVIDERS, turns: int = 4000) -> Counter[str]:
    orders = (fastest_first(allowed, known, f"turn-{number}", stream=True) for number in range(turns))
    return Counter(order[0].name for order in orders)


def order(known: dict[str, Known], turn: str = "t") -> list[str]:
    return [each.name for each in fastest_first(PROVIDERS, known, turn, stream=True)]


def test_the_quickest_is_asked_first_and_who_was_never_measured_last() -> None:
    clock = Clock()
    assert order({"a": Known(clock, 2.0), "b": Known(clock), "c": Known(clock, 0.5)}) == ["c", "a", "b"]


def test_who_is_about_as_quick_stands_in_the_rules_order() -> None:
    clock = Clock()
    assert order({"a": Known(clock, 0.6), "b": Known(clock, 0.5), "c": Known(clock, 0.7)}) == ["a", "b", "c"]


def test_before_anything_is_measured_the_rules_order_holds_but_for_what_is_explored() -> None:
    counted = firsts({name: Known(Clock()) for name in NAMES})
    assert counted["a"] / counted.total() == pytest.approx(1 - 1 / EXPLORE_ONE_IN, abs=0.02)


def test_one_turn_in_twenty_tries_who_was_not_measured_of_late_and_no_more() -> None:
    clock = Clock()
    known = {"a": Known(clock, 0.2), "b": Known(clock, 3.0), "c": Known(clock)}
    counted = firsts(known)
    assert counted["b"] == 0
    assert counted["c"] / counted.total() == pytest.approx(1 / EXPLORE_ONE_IN, abs=0.02)
    clock.now += STALE_SECONDS
    known["a"].latency.measured(0.2, stream=True)
    known["c"].latency.measured(9.0, stream=True)
    counted = firsts(known)
    assert (counted["a"] + counted["b"], counted["c"]) == (counted.total(), 0)
    assert counted["b"] / counted.total() == pytest.approx(1 / EXPLORE_ONE_IN, abs=0.02)


@given(st.text(max_size=8), st.sets(st.sampled_from(NAMES), min_size=1), st.lists(st.floats(0, 60), max_size=3))
def test_nobody_is_added_and_nobody_is_lost(turn: str, allowed: set[str], seconds: list[float]) -> None:
    clock = Clock()
    known = {name: Known(clock, *seconds[index : index + 1]) for index, name in enumerate(NAMES)}
    kept = [each for each in PROVIDERS if each.name in allowed]
    found = fastest_first(kept, known, turn, stream=True)
    assert sorted(each.name for each in found) == sorted(allowed)


def test_an_estimate_follows_what_is_measured_and_forgets_with_time() -> None:
    clock = Clock()
    latency = Latency(clock)
    latency.measured(1.0, stream=True)
    latency.measured(2.0, stream=True)
    assert latency.seconds(stream=True) == pytest.approx(1.1), "one slow answer does not turn the order round"
    clock.now += 600
    latency.measured(3.0, stream=True)
    assert latency.seconds(stream=True) == pytest.approx(3.0, abs=0.001)
    assert latency.seconds(stream=False) is None


def saw(clock: Clock, latency: Latency, *said: tuple[float, Chunk]) -> Stopwatch:
    watch = latency.begun(stream=True)
    for wait, chunk in said:
        clock.now += wait
        watch.saw(chunk)
    return watch


def test_the_first_word_is_measured_and_not_what_comes_before_or_after() -> None:
    clock = Clock()
    latency = Latency(clock)
    figures = Chunk(usage=Usage(1, 1, 2))
    saw(clock, latency, (0.1, figures), (0.3, Chunk("Hi")), (5, Chunk(finish_reason="stop")))
    assert latency.seconds(stream=True) == pytest.approx(0.4)


def test_a_failure_makes_a_provider_slower_and_never_quicker() -> None:
    clock = Clock()
    latency = Latency(clock)
    latency.measured(1.0, stream=True)
    watch = saw(clock, latency)
    clock.now += 20
    watch.failed()
    slower = latency.seconds(stream=True)
    assert slower is not None
    assert slower > 2
    latency.failed(0.001, stream=True)
    assert latency.seconds(stream=True) == slower


def test_who_fails_after_its_first_word_was_measured_by_that() -> None:
    clock = Clock()
    latency = Latency(clock)
    watch = saw(clock, latency, (1, Chunk("Hi")))
    clock.now += 20
    watch.failed()
    assert latency.seconds(stream=True) == 1.0


def test_a_turn_that_ends_first_tells_nothing() -> None:
    clock = Clock()
    latency = Latency(clock)
    latency.measured(1.0, stream=True)
    saw(clock, latency, (9, Chunk(usage=Usage(1, 1, 2))))
    assert latency.seconds(stream=True) == 1.0
