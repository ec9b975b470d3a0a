"""Windows and slots of one process: exact logs, bounded by entries, on one clock."""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from regent_runtime.state.contract import BUSY_SECONDS, Slots, StateFull, Want, Window

MOST_MOMENTS = 2_000_000
"""Over all windows; 8 bytes each. One more caller than fit is refused, until older ones have left their windows."""
MOST_LEASES = 100_000
MICROS = 1_000_000


@dataclass
class _Log:
    """When turns were let in, oldest first. Only the newest are kept, as many as its largest window may hold."""

    moments: "array[int]" = field(default_factory=lambda: array("q"))
    """Microseconds of the clock: whole numbers, so that a wait that is over is over exactly."""
    longest: int = 0
    """Microseconds: the longest window that was asked of it."""

    def wait(self, window: Window, now: int) -> int:
        """Microseconds until the window has room."""
        if len(self.moments) < window.most:
            return 0
        return max(0, self.moments[-window.most] + micros(window.seconds) - now)

    def cut(self, most: int) -> int:
        """Forget what no window of this size looks at, and say how much: rarely and much, as it moves the rest."""
        surplus = len(self.moments) - most
        if surplus <= most // 8:
            return 0
        del self.moments[:surplus]
        return surplus


class Takes:
    """State.take and State.give_back. `now`: seconds, and never falls."""

    def __init__(
        self, now: Callable[[], float], *, most_moments: int = MOST_MOMENTS, most_leases: int = MOST_LEASES
    ) -> None:
        self._now = now
        self._most_moments = most_moments
        self._most_leases = most_leases
        self._logs: OrderedDict[str, _Log] = OrderedDict()
        """The one that let nobody in for the longest time stands first."""
        self._moments = 0
        self._leases: dict[str, dict[str, int]] = {}
        """Bucket -> holder -> when the lease ends."""
        self._leased = 0

    def take(self, wants: Sequence[Want], holder: str) -> tuple[float, ...]:
        now = micros(self._now())
        waits = tuple(self._wait(want, now) for want in wants)
        if not any(waits):
            self._make_room(wants, now)
            self._enter([want for want in wants if isinstance(want, Window)], now)
            for want in wants:
                if isinstance(want, Slots):
                    leases = self._leases.setdefault(want.bucket, {})
                    self._leased += holder not in leases
                    leases[holder] = max(leases.get(holder, 0), now + micros(want.seconds))
        return waits

    def give_back(self, buckets: Sequence[str], holder: str) -> None:
        for bucket in buckets:
            leases = self._leases.get(bucket, {})
            if leases.pop(holder, None) is not None:
                self._leased -= 1
            if not leases:
                self._leases.pop(bucket, None)

    def _wait(self, want: Want, now: int) -> float:
        if isinstance(want, Window):
            log = self._logs.get(want.bucket)
            return log.wait(want, now) / MICROS if log else 0.0
        self._end_leases(want.bucket, now)
        return BUSY_SECONDS if len(self._leases.get(want.bucket, ())) >= want.most else 0.0

    def _end_leases(self, bucket: str, now: int) -> None:
        leases = self._leases.get(bucket, {})
        for holder in [holder for holder, ends in leases.items() if ends <= now]:
            self.give_back([bucket], holder)

    def _enter(self, windows: Sequence[Window], now: int) -> None:
        for bucket in dict.fromkeys(window.bucket for window in windows):
            of_bucket = [window for window in windows if window.bucket == bucket]
            log = self._logs.setdefault(bucket, _Log())
            self._logs.move_to_end(bucket)
            log.longest = max(log.longest, *(micros(window.seconds) for window in of_bucket))
            log.moments.append(now)
            self._moments += 1 - log.cut(max(window.most for window in of_bucket))

    def _make_room(self, wants: Sequence[Want], now: int) -> None:
        """Forget logs that no window looks at any more. Raises StateFull."""
        while self._moments + len(wants) > self._most_moments and self._logs:
            log = next(iter(self._logs.values()))
            if log.moments[-1] + log.longest > now:
                break
            self._logs.popitem(last=False)
            self._moments -= len(log.moments)
        if self._moments + len(wants) > self._most_moments or self._leased + len(wants) > self._most_leases:
            raise StateFull


def micros(seconds: float) -> int:
    return round(seconds * MICROS)
