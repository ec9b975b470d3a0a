"""Purses of one process: what was spent of each in its period, and what attempts hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from regent_runtime.state.contract import CONVERSATION_SECONDS, Period, Purse, Reservation, StateFull

MOST_PURSES = 100_000
MOST_HELD = 100_000
SWEEP_SECONDS = 10.0
"""Between two looks for what is over."""


@dataclass
class _Spent:
    conversation: str
    amount: int = 0
    settled: float = 0.0
    """When nobody holds any of it any more."""
    ends: float = 0.0
    """When nobody asks for it any more."""


@dataclass
class _Held:
    amount: int
    keys: Sequence[str]
    ends: float


@dataclass
class Purses:
    """State.reserve and State.settle. `now`: seconds; of days and months it counts from 1970.

    `talks`: whether a conversation is still there.
    """

    now: Callable[[], float]
    talks: Callable[[str], bool]
    most_purses: int = MOST_PURSES
    most_held: int = MOST_HELD
    _spent: dict[str, _Spent] = field(default_factory=dict)
    _held: dict[str, _Held] = field(default_factory=dict)
    _sweeps_at: float = float("-inf")

    def reserve(self, purses: Sequence[Purse], holder: str, least: int, most: int, seconds: float) -> Reservation:
        now = self.now()
        if now >= self._sweeps_at:
            self._sweep(now)
        keys = [f"{purse.period}:{purse.bucket}:{_index(purse.period, now)}" for purse in purses]
        left = tuple(purse.most - self._of(key, now) for purse, key in zip(purses, keys, strict=True))
        granted = max(0, min(most, *left))
        if granted < least:
            return Reservation(None, left)
        new = sum(key not in self._spent for key in keys)
        if len(self._spent) + new > self.most_purses or len(self._held) >= self.most_held:
            raise StateFull
        for purse, key in zip(purses, keys, strict=True):
            spent = self._spent.setdefault(key, _Spent(purse.conversation))
            spent.amount += granted
            spent.settled = max(spent.settled, now + seconds)
            spent.ends = spent.settled if purse.period is Period.TURN else now + _SPANS[purse.period]
        self._held[holder] = _Held(granted, keys, now + seconds)
        return Reservation(granted, left)

    def settle(self, holder: str, cost: int) -> bool:
        held = self._held.pop(holder, None)
        if held is None or held.ends <= self.now():
            return False
        for key in held.keys:
            if key in self._spent:
                self._spent[key].amount += cost - held.amount
        return True

    def _of(self, key: str, now: float) -> int:
        spent = self._spent.get(key)
        if spent is not None and spent.ends <= now:
            del self._spent[key]
            return 0
        return spent.amount if spent else 0

    def _sweep(self, now: float) -> None:
        """Forget what is over."""
        self._sweeps_at = now + SWEEP_SECONDS
        self._spent = {key: spent for key, spent in self._spent.items() if self._lasts(spent, now)}
        self._held = {holder: held for holder, held in self._held.items() if held.ends > now}

    def _lasts(self, spent: _Spent, now: float) -> bool:
        """A conversation that is gone may have a turn that runs yet."""
        is_gone = spent.conversation and spent.settled <= now and not self.talks(spent.conversation)
        return spent.ends > now and not is_gone


_SPANS = {
    Period.CONVERSATION: CONVERSATION_SECONDS,
    Period.MINUTE: 2 * 60.0,
    Period.DAY: 2 * 86_400.0,
    Period.MONTH: 32 * 86_400.0,
}


def _index(period: Period, now: float) -> int:
    """Which minute or day since 1970, or which month since the year 0."""
    if period in {Period.TURN, Period.CONVERSATION}:
        return 0
    if period is Period.MINUTE:
        return int(now // 60)
    if period is Period.DAY:
        return int(now // 86_400)
    at = datetime.fromtimestamp(now, UTC)
    return at.year * 12 + at.month
