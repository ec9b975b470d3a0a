"""The work queue: which key to reconcile next.

Guarantees: a key is never handed to two workers at once; a key added while a worker holds it is handed out again
after; a key stands in the queue once, at the best priority and the earliest time asked for. The most urgent go first,
but however many of them come, none is kept waiting for ever. A key wakes one worker, however many wait. Bounded by the
number of keys that exist. The clock comes in as an argument, so that back-off is tested in virtual time.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_SECONDS = 0.2
MOST_STALE = 64
"""A heap holds at most so many entries beside two for each key that waits."""
ELDEST_EVERY = 16
"""Of so many keys that are handed out, one is that which has waited longest, however urgent others are."""
PATIENCE_SECONDS = 10.0
"""Before which no key has waited for long."""
LONGEST_RETRY_SECONDS = 120.0


_Place = tuple[float, int, K]
"""On a heap: when the key is due, and a number that keeps those of one time in order."""


class Priority(IntEnum):
    """Somebody's edit goes before what follows from it, and both before the resync of what is at rest."""

    EDIT = 0
    FOLLOW = 1
    RESYNC = 2


@dataclass(slots=True)
class _Entry:
    """A key that waits. `due` is when it may be handed out, `since` when it was (or will be) first ready."""

    priority: Priority
    due: float
    since: float


class WorkQueue(Generic[K]):
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[K, _Entry] = {}
        self._ready: dict[Priority, list[_Place[K]]] = {priority: [] for priority in Priority}
        self._later: list[_Place[K]] = []
        self._running: dict[K, float] = {}
        self._urgent: set[K] = set()
        self._failures: dict[K, int] = {}
        self._count = 0
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        """Wakes a worker when the first key that waits is due: at `_alarm_at`, by our clock."""
        self._alarm_at = 0.0
        self._moved_at = float("-inf")
        """When a key was last taken or let go."""
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, key: K, priority: Priority = Priority.FOLLOW, delay: float = 0.0) -> None:
        """Have the key handed out after `delay` seconds; an earlier or more urgent request stays in force."""
        now = self._clock()
        due = now + delay
        entry = self._waiting.get(key)
        if entry is None:
            self._waiting[key] = entry = _Entry(priority, due, due)
        elif priority >= entry.priority and due >= entry.due:
            return
        else:
            entry.priority = min(priority, entry.priority)
            entry.due = min(due, entry.due)
            entry.since = min(due, entry.since)
        self._place(key, entry, now)
        self._summon()

    def take(self) -> K | None:
        """The key whose turn it is, now held by the caller until `done`; None: nothing is due."""
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            entry = self._waiting.get(key)
            if entry and entry.due == due and key not in self._running:
                self._place(key, entry, now)
        firsts = [(first, priority) for priority in Priority if (first := self._first(priority))]
        if not firsts:
            return None
        self._taken += 1
        (due, _, key), priority = min(firsts)
        if self._taken % ELDEST_EVERY or now - due < PATIENCE_SECONDS:
            (_, _, key), priority = firsts[0]
        heapq.heappop(self._ready[priority])
        del self._waiting[key]
        self._running[key] = self._moved_at = now
        if priority is Priority.EDIT:
            self._urgent.add(key)
        self._idle.clear()
        return key

    async def get(self) -> K:
        """As `take`, but waits."""
        while True:
            key = self.take()
            if key is not None:
                self._summon()
                return key
            await self._wait()

    def done(self, key: K) -> None:
        """The worker has let go of the key; if it was added meanwhile, it is handed out again."""
        self._running.pop(key, None)
        self._urgent.discard(key)
        self._moved_at = now = self._clock()
        if not self._running:
            self._idle.set()
        entry = self._waiting.get(key)
        if entry:
            self._place(key, entry, now)
            self._summon()

    def is_urgent_beside(self, key: K) -> bool:
        """Whether an edit of another key is due or being worked on."""
        return self._first(Priority.EDIT) is not None or bool(self._urgent - {key})

    def waits(self, key: K) -> bool:
        """Whether the key is due and waits for a worker, behind what was edited."""
        entry = self._waiting.get(key)
        return entry is not None and entry.priority is not Priority.EDIT and entry.due <= self._clock()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Postpone the key after a failure of transport; waits double from 0.2 s to 2 min. Returns the wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled = FIRST_RETRY_SECONDS * float(2 ** min(failures, 20))
        delay = max(at_least, min(LONGEST_RETRY_SECONDS, doubled))
        self.postpone(key, delay)
        return delay

    def postpone(self, key: K, delay: float) -> None:
        """Add the key that a worker holds again, as urgent as it was: what was edited has not come about yet."""
        self.add(key, Priority.EDIT if key in self._urgent else Priority.FOLLOW, delay)

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure waits the shortest time again."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """Hand the key out no more, unless it is added again."""
        self._waiting.pop(key, None)
        self._failures.pop(key, None)

    def restart_waits(self) -> None:
        """Count the waits from now: while nobody was to take keys, none of them was kept waiting."""
        now = self._clock()
        for entry in self._waiting.values():
            entry.since = max(entry.since, now)

    async def idle(self) -> None:
        """Wait for a moment at which no worker holds a key."""
        await self._idle.wait()

    def __len__(self) -> int:
        """Keys that are due or will be."""
        return len(self._waiting)

    @property
    def depth(self) -> int:
        """Keys that are due now and not yet handed out."""
        now = self._clock()
        return sum(entry.due <= now for key, entry in self._waiting.items() if key not in self._running)

    @property
    def oldest_seconds(self) -> float:
        """How long the key that has waited longest since it was due has waited; 0 when none is due."""
        now = self._clock()
        waits = (now - entry.since for key, entry in self._waiting.items() if key not in self._running)
        return max(0.0, max(waits, default=0.0))

    @property
    def still_seconds(self) -> float:
        """How long keys have been due while none was taken or let go; 0 when none is due."""
        return min(self.oldest_seconds, self._clock() - self._moved_at)

    @property
    def longest_run_seconds(self) -> float:
        """How long the worker that has held its key longest has held it; 0 when none works."""
        return self._clock() - min(self._running.values()) if self._running else 0.0

    async def _wait(self) -> None:
        """Until a worker is wanted: this one, when it has waited longest."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._summon()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            else:  # it was woken already, and somebody must come in its place
                self._wake()
            raise

    def _summon(self) -> None:
        """Of the workers that wait, wake one now where a key is ready, otherwise when the next one is due."""
        if not self._waiters:
            return
        if any(self._ready.values()):
            self._wake()
        elif self._later and (self._alarm is None or self._alarm_at != self._later[0][0]):
            self._disarm()
            self._alarm_at = self._later[0][0]
            wait = max(0.0, self._alarm_at - self._clock())
            self._alarm = asyncio.get_running_loop().call_later(wait, self._wake)

    def _wake(self) -> None:
        """One worker; when it has taken its key, or found none, it summons the next."""
        self._disarm()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _place(self, key: K, entry: _Entry, now: float) -> None:
        """Put the key on the heap it belongs to; what stands there for it from before is stale and skipped."""
        if key in self._running:
            return
        self._count += 1
        heap = self._ready[entry.priority] if entry.due <= now else self._later
        heapq.heappush(heap, (entry.due, self._count, key))
        if len(heap) > MOST_STALE + 2 * len(self._waiting):
            self._rebuild(now)

    def _first(self, priority: Priority) -> "_Place[K] | None":
        """Of the keys of this priority that are ready, the one that has been due longest."""
        heap = self._ready[priority]
        while heap and not self._stands(priority, heap[0]):
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _stands(self, priority: Priority, place: "_Place[K]") -> bool:
        """Whether a place among those that are ready is still the key's own."""
        due, _, key = place
        entry = self._waiting.get(key)
        return entry is not None and (entry.priority, entry.due) == (priority, due) and key not in self._running

    def _rebuild(self, now: float) -> None:
        """Without the stale entries. Keys that run are placed when they are done."""
        self._later = []
        self._ready = {priority: [] for priority in Priority}
        for key, entry in self._waiting.items():
            self._place(key, entry, now)
