"""Purses of one process: what was spent of each in its period, and what attempts hold."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from regent_runtime.state.contract import CONVERSATION_SECONDS, Period, Purse, Reservation, StateFull

MOST_PURSES = 100_000
MOST_HELD = 100_000


@dataclass
class _Spent:
    amount: int = 0
    ends: float = 0.0
    """When nobody asks for it any more."""


@dataclass
class _Held:
    amount: int
    keys: Sequence[str]
    ends: float


@dataclass
class Purses:
    """State.reserve and State.settle. `now`: seconds; of days and months it counts from 1970."""

    now: Callable[[], float]
    most_purses: int = MOST_PURSES
    most_held: int = MOST_HELD
    _spent: OrderedDict[str, _Spent] = field(default_factory=OrderedDict)
    """The one that was used least recently stands first."""
    _held: dict[str, _Held] = field(default_factory=dict)

    def reserve(self, purses: Sequence[Purse], holder: str, least: int, most: int, seconds: float) -> Reservation:
        now = self.now()
        keys = [f"{purse.period}:{purse.bucket}:{_index(purse.period, now)}" for purse in purses]
        left = tuple(max(0, purse.most - self._of(key, now)) for purse, key in zip(purses, keys, strict=True))
        granted = min(most, *left)
        if granted < least:
            return Reservation(None, left)
        self._make_room(keys, now)
        for purse, key in zip(purses, keys, strict=True):
            spent = self._spent.setdefault(key, _Spent())
            spent.amount += granted
            spent.ends = now + _SPANS[purse.period]
            self._spent.move_to_end(key)
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

    def _make_room(self, keys: Sequence[str], now: float) -> None:
        """Forget purses whose period is over, and holders who came too late. Raises StateFull."""
        while self._spent and next(iter(self._spent.values())).ends <= now:
            self._spent.popitem(last=False)
        if len(self._held) >= self.most_held:
            self._held = {holder: held for holder, held in self._held.items() if held.ends > now}
        if len(self._spent) + len(keys) > self.most_purses or len(self._held) >= self.most_held:
            raise StateFull


_SPANS = {
    Period.CONVERSATION: CONVERSATION_SECONDS,
    Period.MINUTE: 2 * 60.0,
    Period.DAY: 2 * 86_400.0,
    Period.MONTH: 32 * 86_400.0,
}


def _index(period: Period, now: float) -> int:
    """Which minute or day since 1970, or which month since the year 0."""
    if period is Period.CONVERSATION:
        return 0
    if period is Period.MINUTE:
        return int(now // 60)
    if period is Period.DAY:
        return int(now // 86_400)
    at = datetime.fromtimestamp(now, UTC)
    return at.year * 12 + at.month
