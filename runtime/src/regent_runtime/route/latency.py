"""How long each provider takes to its first words, as this pod has seen it, and the order that follows (LeastLatency).

The estimate decays: what is minutes old counts for little. It is stable: who is less than a quarter slower than the
fastest counts as equally fast, and equals stand in the rule's order, so turns do not swing between two alike.
Exploration is bounded: a provider that was not measured for a minute goes first in one turn of twenty, drawn by a hash
of the turn, and never more than that. All that may be asked stay; nobody is added.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

from regent_api.config import ProviderConfig
from regent_runtime.wire.answer import Chunk

MEMORY_SECONDS = 60.0
"""After which an old estimate counts for a third of what is measured then."""
LEAST_SHARE = 0.1
"""Of a measurement in the estimate, however quickly they follow each other."""
ALIKE = 1.25
STALE_SECONDS = 60.0
EXPLORE_ONE_IN = 20


class Latency:
    """Of one provider: streamed answers and whole ones apart, which take longer to their first words.

    `clock`: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._estimates: dict[bool, tuple[float, float]] = {}
        """By whether it streams: seconds, and when they were measured last."""

    def seconds(self, *, stream: bool) -> float | None:
        """None: nothing was measured yet."""
        known = self._estimates.get(stream)
        return known[0] if known else None

    def is_stale(self, *, stream: bool) -> bool:
        known = self._estimates.get(stream)
        return known is None or self._clock() - known[1] >= STALE_SECONDS

    def measured(self, seconds: float, *, stream: bool) -> None:
        now, known = self._clock(), self._estimates.get(stream)
        old = min(1 - LEAST_SHARE, math.exp((known[1] - now) / MEMORY_SECONDS)) if known else 0.0
        self._estimates[stream] = ((known[0] if known else 0.0) * old + seconds * (1 - old), now)

    def failed(self, seconds: float, *, stream: bool) -> None:
        """No word came in that time. It is a measurement only where it makes the provider slower."""
        known = self.seconds(stream=stream)
        if known is not None and seconds > known:
            self.measured(seconds, stream=stream)

    def begun(self, *, stream: bool) -> "Stopwatch":
        """For an attempt that begins now."""
        return Stopwatch(self, self._clock, stream=stream)


class Stopwatch:
    """Measures the first chunk of one attempt that says something, until it has `spoken`."""

    def __init__(self, latency: Latency, clock: Callable[[], float], *, stream: bool) -> None:
        self.spoken = False
        self._latency = latency
        self._clock = clock
        self._stream = stream
        self._began = clock()

    def saw(self, chunk: Chunk) -> None:
        if not self.spoken and (chunk.content or chunk.refusal or chunk.finish_reason or chunk.working):
            self.spoken = True
            self._latency.measured(self._clock() - self._began, stream=self._stream)

    def failed(self) -> None:
        """The attempt has."""
        if not self.spoken:
            self._latency.failed(self._clock() - self._began, stream=self._stream)


class Measured(Protocol):
    @property
    def latency(self) -> Latency: ...


def fastest_first(
    allowed: Sequence[ProviderConfig], known: Mapping[str, Measured], turn: str, *, stream: bool
) -> Sequence[ProviderConfig]:
    """All that are allowed; those that were never measured last. `turn`: its id, by which exploring turns are drawn."""
    seconds = {name: each.latency.seconds(stream=stream) for name, each in known.items()}
    fastest = min((of for each in allowed if (of := seconds.get(each.name)) is not None), default=0.0)

    def slowness(provider: ProviderConfig) -> float:
        of = seconds.get(provider.name)
        if of is None:
            return math.inf
        return 0.0 if of <= fastest * ALIKE else of

    ordered = sorted(allowed, key=slowness)
    stale = [each for each in ordered[1:] if each.name in known and known[each.name].latency.is_stale(stream=stream)]
    drawn = int.from_bytes(blake2b(turn.encode(), digest_size=8).digest())
    if not stale or drawn % EXPLORE_ONE_IN:
        return ordered
    explored = stale[drawn // EXPLORE_ONE_IN % len(stale)]
    return [explored, *(each for each in ordered if each is not explored)]
