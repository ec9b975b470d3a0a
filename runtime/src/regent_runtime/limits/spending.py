"""What the agent has spent of its day and its month, as this pod heard it last.

Every reservation tells what was left before it, so nothing more is asked of the state for it, and nothing here decides
on a turn. It belongs to the process: a new config forgets nothing that was spent.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from regent_runtime.state.contract import NANOS, Period

NAMED = {Period.DAY: "Day", Period.MONTH: "Month"}
"""The periods that are the agent's own, as its status calls them."""
_FORMATS = {Period.DAY: "%Y-%m-%d", Period.MONTH: "%Y-%m"}


@dataclass(frozen=True, slots=True)
class Spent:
    """`of`: the day or month, UTC. `amount`: billionths of a dollar, what running attempts hold included."""

    of: str
    amount: int
    at: float
    """Seconds since 1970 when it was heard."""
    short_of: int | None = None
    """The least that an attempt asked for and did not get, unless as much was had since."""


class Spending:
    """`now`: seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._known: dict[Period, Spent] = {}

    def reserved(self, period: Period, spent: int, granted: int | None, least: int) -> None:
        """`spent`: before the reservation was made. `granted` None: it was not; `least` is what it had to get."""
        if period not in NAMED:
            return
        known = self.of(period)
        short = known.short_of if known else None
        if granted is None:
            short = least
        elif short is not None and least >= short:
            short = None
        self._known[period] = Spent(self._label(period), spent + (granted or 0), self._now(), short)

    def settled(self, periods: Sequence[Period], more: int) -> None:
        """An attempt cost so much more than it had reserved."""
        for period in periods:
            known = self.of(period)
            if known is not None:
                self._known[period] = Spent(known.of, max(0, known.amount + more), self._now(), known.short_of)

    def of(self, period: Period) -> Spent | None:
        """None: nothing was heard in the period that is now."""
        known = self._known.get(period)
        return known if known is not None and known.of == self._label(period) else None

    def _label(self, period: Period) -> str:
        return datetime.fromtimestamp(self._now(), UTC).strftime(_FORMATS[period])


def usd(nanos: int) -> Decimal:
    """Exact."""
    return Decimal(nanos) / NANOS
