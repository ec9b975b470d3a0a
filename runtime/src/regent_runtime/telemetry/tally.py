"""Counters whose increments cost what a dictionary's does: they become samples when somebody asks for them.

All of it runs on the event loop, so no lock guards a figure.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class Tally(Collector):
    """prometheus_client.Counter, with labels."""

    def __init__(self, name: str, words: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._name, self._words, self._labels = name, words, tuple(labels)
        self._counts: dict[Labels, float] = {}
        self._created: dict[Labels, float] = {}
        registry.register(self)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        if labels not in self._counts:
            self._counts[labels] = 0.0
            self._created[labels] = time.time()
        self._counts[labels] += amount

    def describe(self) -> list[Metric]:
        """What it is called: nothing is counted yet."""
        return [Metric(self._name, self._words, "counter")]

    def collect(self) -> Iterator[Metric]:
        family = Metric(self._name, self._words, "counter")
        for labels, count in self._counts.items():
            named = dict(zip(self._labels, labels, strict=True))
            family.add_sample(f"{self._name}_total", named, count)
            family.add_sample(f"{self._name}_created", named, self._created[labels])
        yield family


class Durations(Collector):
    """prometheus_client.Histogram of seconds, with one label. `bounds`: of its buckets, ascending."""

    def __init__(
        self, name: str, words: str, label: str, bounds: Sequence[float], *, registry: CollectorRegistry
    ) -> None:
        self._name, self._words, self._label = name, words, label
        self._bounds = tuple(bounds)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._created: dict[str, float] = {}
        registry.register(self)

    def observe(self, label: str, seconds: float) -> None:
        if label not in self._counts:
            self._counts[label] = [0] * (len(self._bounds) + 1)
            self._sums[label], self._created[label] = 0.0, time.time()
        self._counts[label][bisect_left(self._bounds, seconds)] += 1
        self._sums[label] += seconds

    def describe(self) -> list[Metric]:
        """As of Tally."""
        return [Metric(self._name, self._words, "histogram")]

    def collect(self) -> Iterator[Metric]:
        family = Metric(self._name, self._words, "histogram")
        for label, counts in self._counts.items():
            named, below = {self._label: label}, 0
            for bound, count in zip((*self._bounds, inf), counts, strict=True):
                below += count
                family.add_sample(
                    f"{self._name}_bucket", {**named, "le": "+Inf" if bound == inf else str(float(bound))}, below
                )
            family.add_sample(f"{self._name}_count", named, below)
            family.add_sample(f"{self._name}_sum", named, self._sums[label])
            family.add_sample(f"{self._name}_created", named, self._created[label])
        yield family
