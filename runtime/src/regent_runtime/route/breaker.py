"""The circuit breaker of one provider in one pod: who fails too often is left alone for a while, then tried carefully.

It opens when attempts fail in a row, or when too large a share of those within the window failed. While it is open
nobody is admitted; after `openFor` so many probes are, and it closes when all of them went well.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self

from regent_api.config import BreakerConfig

MOST_OUTCOMES = 512
"""Of the window that are remembered; the oldest are forgotten first."""


class State(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "halfOpen"
    OPEN = "open"


class Permit:
    """Leave for one attempt. It ends once, at the latest with the block that it is the context of."""

    def __init__(self, breaker: "Breaker", era: int, *, probe: bool) -> None:
        self._breaker = breaker
        self._open = True
        self.era = era
        self.probe = probe

    def end(self, *, well: bool | None) -> None:
        """How the attempt went; None: it tells nothing of the provider."""
        if self._open:
            self._open = False
            self._breaker.ended(self, well=well)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end(well=None)


class Breaker:
    """`clock`: seconds that only grow."""

    def __init__(self, settings: BreakerConfig, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failed = 0
        """Of the outcomes."""
        self._in_a_row = 0
        self._opened: float | None = None
        self._era = 0
        """Grows when the breaker opens or closes: what was admitted before tells nothing of now."""
        self._probing = 0
        self._passed = 0

    @property
    def state(self) -> State:
        if self._opened is None:
            return State.CLOSED
        return State.OPEN if self.opens_in > 0 else State.HALF_OPEN

    @property
    def opens_in(self) -> float:
        """Seconds until somebody may be admitted, as far as the clock decides it."""
        if self._opened is None:
            return 0.0
        return max(0.0, self._opened + self._settings.open_for - self._clock())

    def admit(self) -> Permit | None:
        """None: nobody may go to the provider now."""
        if self._opened is None:
            return Permit(self, self._era, probe=False)
        if self.opens_in > 0 or self._probing + self._passed >= self._settings.half_open_probes:
            return None
        self._probing += 1
        return Permit(self, self._era, probe=True)

    def ended(self, permit: Permit, *, well: bool | None) -> None:
        if permit.era != self._era:
            return
        if permit.probe:
            self._probed(well=well)
        elif well is not None:
            self._count(well=well)

    def _probed(self, *, well: bool | None) -> None:
        self._probing -= 1
        if well is False:
            self._turn(opened=self._clock())
        elif well:
            self._passed += 1
            if self._passed >= self._settings.half_open_probes:
                self._turn(opened=None)

    def _count(self, *, well: bool) -> None:
        now = self._clock()
        self._outcomes.append((now, well))
        self._failed += not well
        self._in_a_row = 0 if well else self._in_a_row + 1
        while len(self._outcomes) > MOST_OUTCOMES or self._outcomes[0][0] <= now - self._settings.window:
            self._failed -= not self._outcomes.popleft()[1]
        enough = len(self._outcomes) >= self._settings.minimum_requests
        too_many = enough and self._failed >= self._settings.failure_ratio * len(self._outcomes)
        if not well and (too_many or self._in_a_row >= self._settings.consecutive_failures):
            self._turn(opened=now)

    def _turn(self, opened: float | None) -> None:
        """Open or close; counting begins anew."""
        self._opened = opened
        self._era += 1
        self._outcomes.clear()
        self._failed = self._in_a_row = self._probing = self._passed = 0
