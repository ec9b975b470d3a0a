"""How many conversations this pod attends to: the figure that agents are scaled by.

A conversation is active from its first turn until its caller deletes it or it was idle for `drain.idleAfter`, and
counts at the pod that served its latest turn alone. Which pod that is, the state knows; the count is kept here, so
that /metrics and /statusz answer from memory. It lags by REFRESH_SECONDS where one left for another pod or became idle,
and by SELDOM_SECONDS where a turn at another pod could not reach the state until its conversation was idle.

A turn's first visit is short, whatever the turn may take: if its answer never comes, the turn is not begun and nobody
ends it. What is in flight is visited again with a look that is made anyway, so a turn makes no further round trip.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable

from regent_runtime.state.contract import State, StateAway

REFRESH_SECONDS = 1.0
SELDOM_SECONDS = 30.0
"""Between two looks where nothing is active: a turn at another pod may bring back what became idle here."""
FIRST_SECONDS = 10.0
"""A new conversation is active for so long, until its turn is seen to run."""
RENEWED_AT = 0.25
"""Of a visit: what the state may take to answer, twice, and the pause between two looks lie in the rest of it."""
MOST_RENEWED = 1024
"""By one look: some milliseconds of Redis."""


class Attendance:
    """Of one process. `pod`: the pod's uid, by which the state knows it; without one, a name that nobody else has."""

    def __init__(self, pod: str = "", now: Callable[[], float] = time.monotonic) -> None:
        self.pod = pod or secrets.token_hex(8)
        self._now = now
        self._running: Counter[str] = Counter()
        """Turns in flight of each conversation."""
        self._renewed_at: dict[str, float] = {}
        """When each of them has to be visited again."""
        self._active = 0
        self._told_at = float("-inf")
        self._asked_at = float("-inf")

    def begins(self, id_: str) -> None:
        """A turn of the conversation begins here; `ends` follows."""
        self._running[id_] += 1
        self._renewed_at.setdefault(id_, self._now() + RENEWED_AT * FIRST_SECONDS)

    def is_last(self, id_: str) -> bool:
        """Whether no other turn of the conversation is in flight here."""
        return self._running[id_] == 1

    def ends(self, id_: str) -> None:
        self._running[id_] -= 1
        if not self._running[id_]:
            del self._running[id_], self._renewed_at[id_]

    def told(self, active: int) -> None:
        """What the state says of this pod."""
        self._active, self._told_at = active, self._now()

    async def refresh(self, state: State, idle_after: float) -> None:
        """Ask the state anew, and visit again what is in flight; seldom where nothing is active.

        While the state is away its last word stands until all that it counted must be idle. A process asks each time
        until it was told: the state may know of what its predecessor in this pod attended to.
        """
        now, seconds = self._now(), turn_seconds(idle_after)
        nothing = not self._active and not self._running and self._told_at > float("-inf")
        if nothing and now - self._asked_at < SELDOM_SECONDS:
            return
        self._asked_at = now
        due = [id_ for id_, at in self._renewed_at.items() if at <= now][:MOST_RENEWED]
        try:
            self.told(await state.active(self.pod, due, seconds))
            self._renewed_at.update(dict.fromkeys(self._renewed_at.keys() & due, now + RENEWED_AT * seconds))
        except StateAway:
            if self._now() - self._told_at >= idle_after:
                self._active = len(self._running)

    def figure(self, turns: int) -> int:
        """Active conversations, and those of the turns in flight that are of none."""
        return self._active + max(0, turns - self._running.total())


def turn_seconds(idle_after: float) -> float:
    """Of a visit by a turn of a conversation that there was before: what it is active for without another one."""
    return max(FIRST_SECONDS, idle_after)
