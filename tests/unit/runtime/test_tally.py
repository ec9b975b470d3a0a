"""Figures that are counted without prometheus_client look as its own do."""

import re
from unittest.mock import patch

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from regent_runtime.telemetry.tally import Durations, Tally

BOUNDS = (0.05, 0.5, 1, 10)
SECONDS = (0.01, 0.05, 0.3, 1, 7.5, 400)


def text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_counters_are_told_as_prometheus_tells_its_own() -> None:
    ours, theirs = CollectorRegistry(auto_describe=False), CollectorRegistry(auto_describe=False)
    with patch("time.time", lambda: 7.5):
        tally = Tally("regent_turns", "Turns.", ["outcome", "code"], registry=ours)
        counter = Counter("regent_turns", "Turns.", ["outcome", "code"], registry=theirs)
        for labels, amount in ((("answered", ""), 1), (("refused", 'a"b'), 2.5), (("answered", ""), 3)):
            tally.add(*labels, amount=amount)
            counter.labels(*labels).inc(amount)
    assert text(ours) == text(theirs)
    assert 'regent_turns_total{code="",outcome="answered"} 4.0' in text(ours)


def test_durations_are_told_as_prometheus_tells_its_own() -> None:
    ours, theirs = CollectorRegistry(auto_describe=False), CollectorRegistry(auto_describe=False)
    with patch("time.time", lambda: 7.5):
        durations = Durations("regent_turn_seconds", "How long.", "outcome", BOUNDS, registry=ours)
        histogram = Histogram("regent_turn_seconds", "How long.", ["outcome"], buckets=BOUNDS, registry=theirs)
        for seconds in SECONDS:
            durations.observe("answered", seconds)
            histogram.labels("answered").observe(seconds)
    assert text(ours) == text(theirs)
    assert re.search(r'regent_turn_seconds_bucket\{le="1.0",outcome="answered"\} 4.0', text(ours))


def test_what_was_never_counted_has_its_name_alone() -> None:
    registry = CollectorRegistry(auto_describe=False)
    Tally("regent_turns", "Turns.", ["outcome"], registry=registry)
    assert text(registry) == "# HELP regent_turns_total Turns.\n# TYPE regent_turns_total counter\n"
