"""How many retries a provider's turns may cost: a share of the turns, so that retries never make an outage larger.

A bucket, as in gRPC's retry throttling: each turn puts its share in, each retry takes a whole one out. A little comes
with time, so that an agent of few turns may retry at all.
"""

from collections.abc import Callable

MOST_SAVED = 10.0
"""Retries; what a bucket holds at first, and at the most."""
SAVED_A_SECOND = 0.1


class RetryBudget:
    """In any time: at most MOST_SAVED, and `percent` of the turns in it, and SAVED_A_SECOND of its seconds."""

    def __init__(self, percent: int, clock: Callable[[], float]) -> None:
        self._percent = percent
        self._clock = clock
        self._saved = MOST_SAVED
        self._seen = clock()

    def turn(self) -> None:
        """A turn has come to the provider."""
        self._grow(self._percent / 100)

    def take(self) -> bool:
        """Whether a retry is within the budget; then it is booked."""
        self._grow(0.0)
        if self._percent == 0 or self._saved < 1:
            return False
        self._saved -= 1
        return True

    def _grow(self, share: float) -> None:
        now = self._clock()
        self._saved = min(MOST_SAVED, self._saved + share + (now - self._seen) * SAVED_A_SECOND)
        self._seen = now
