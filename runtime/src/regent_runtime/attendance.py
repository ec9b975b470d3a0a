"""How many conversations this pod attends to: the figure that agents are scaled by.

A conversation is active from its first turn until its caller deletes it or it was idle for `drain.idleAfter`, and
counts at the pod that served its latest turn alone. Which pod that is, the state knows; the count is kept here, so
that /metrics and /statusz answer from memory. It lags by REFRESH_SECONDS where one left for another pod or became idle.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable

from regent_runtime.state.contract import State, StateAway

REFRESH_SECONDS = 1.0


class Attendance:
    """Of one process. `pod`: the pod's uid, by which the state knows it; without one, a name that nobody else has."""

    def __init__(self, pod: str = "", now: Callable[[], float] = time.monotonic) -> None:
        self.pod = pod or secrets.token_hex(8)
        self._now = now
        self._running: Counter[str] = Counter()
        """Turns in flight of each conversation."""
        self._active = 0
        self._told_at = float("-inf")

    def begins(self, id_: str) -> None:
        """A turn of the conversation begins here; `ends` follows."""
        self._running[id_] += 1

    def is_last(self, id_: str) -> bool:
        """Whether no other turn of the conversation is in flight here."""
        return self._running[id_] == 1

    def ends(self, id_: str) -> None:
        self._running[id_] -= 1
        if not self._running[id_]:
            del self._running[id_]

    def told(self, active: int) -> None:
        """What the state says of this pod."""
        self._active, self._told_at = active, self._now()

    async def refresh(self, state: State, idle_after: float) -> None:
        """Ask the state anew, unless nothing is active: that changes by a turn of this pod alone.

        While the state is away its last word stands until all that it counted must be idle. A process asks at least
        once: the state may know of what its predecessor in this pod attended to.
        """
        if not self._active and self._told_at > float("-inf"):
            return
        try:
            self.told(await state.active(self.pod))
        except StateAway:
            if self._now() - self._told_at >= idle_after:
                self._active = len(self._running)

    def figure(self, turns: int) -> int:
        """Active conversations, and those of the turns in flight that are of none."""
        return self._active + max(0, turns - self._running.total())
