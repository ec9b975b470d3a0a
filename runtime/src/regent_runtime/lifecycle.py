"""What the process is doing: the config in force, the turns that run, and whether it is ending.

A turn runs under the snapshot that it began with; a snapshot that was replaced is closed when its last turn has ended,
and whatever else holds it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from regent_runtime.config import Snapshot
from regent_runtime.refusals import AGENT_SUSPENDED, DRAINING, NOT_READY, OVERLOADED, Refused

MOST_TURNS = 1000
"""In flight at once in a pod; one more is refused, and another pod may take it."""


END_SECONDS = 10.0
"""For turns that are ended to write down their outcomes; what takes longer is left to its fate."""


class CallerGone(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The caller closed the connection; nobody is left to answer."""


def suspended() -> Refused:
    return Refused(AGENT_SUSPENDED, "The agent is suspended; its owner can resume it with spec.suspend: false.")


class RunningTurn:
    """A turn in flight. `end` stops it wherever it waits, and makes it raise what it was ended with."""

    def __init__(self, snapshot: Snapshot, over: Callable[["RunningTurn"], None] = lambda _: None) -> None:
        self.snapshot = snapshot
        self._over = over
        """Told when the block that the turn is the context of is left."""
        self._task = asyncio.current_task()
        self._ended: Exception | None = None

    def end(self, reason: Exception) -> None:
        if self._ended is None and self._task is not None:
            self._ended = reason
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over(self)
        task, self._task = self._task, None
        if self._ended is not None and task is not None:
            task.uncancel()
            if kind is asyncio.CancelledError:
                raise self._ended from None


class Lifecycle:
    """Admits turns, knows those that run, and ends the process only when none does."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.draining = False
        self._turns: dict[RunningTurn, None] = {}
        self._held: Counter[Snapshot] = Counter()
        """By what is no turn, and how often."""
        self._retired: set[Snapshot] = set()
        self._idle = asyncio.Event()

    @property
    def ready(self) -> bool:
        return self.snapshot is not None and not self.draining

    @property
    def turns(self) -> int:
        return len(self._turns)

    @property
    def oldest_turn(self) -> RunningTurn | None:
        return next(iter(self._turns), None)

    def admit(self) -> Snapshot:
        """The snapshot for a new turn. Raises Refused (503): no config yet, ending, or full."""
        if self.snapshot is None:
            raise Refused(NOT_READY, "This pod has no valid config yet; try again.", retry_after=1)
        if self.draining:
            raise Refused(DRAINING, "This pod is ending; try again.", retry_after=1)
        if len(self._turns) >= MOST_TURNS:
            raise Refused(OVERLOADED, "This pod runs as many turns as it may; try again.", retry_after=1)
        return self.snapshot

    def run(self, snapshot: Snapshot) -> RunningTurn:
        """The current task's turn, to be entered at once; it counts until it is left.

        Raises Refused (403) when the agent is suspended.
        """
        if snapshot.config.suspended:
            raise suspended()
        turn = RunningTurn(snapshot, self._over)
        self._turns[turn] = None
        if self.draining:
            self._idle.clear()
        return turn

    @contextmanager
    def holding(self, snapshot: Snapshot) -> Iterator[None]:
        """What asks a snapshot's state, and is no turn, keeps it from being closed; nobody waits for it at the end."""
        self._held[snapshot] += 1
        try:
            yield
        finally:
            self._held -= Counter([snapshot])

    def _over(self, turn: RunningTurn) -> None:
        del self._turns[turn]
        self._tell_idle()

    def _tell_idle(self) -> None:
        """To who waits for it, when the process ends."""
        if self.draining and not self._turns:
            self._idle.set()

    async def swap(self, old: Snapshot | None, new: Snapshot) -> None:
        """New turns take `new`; running ones go on, unless it suspends the agent."""
        self.snapshot = new
        if old is not None:
            self._retired.add(old)
        if new.config.suspended:
            self._end_turns(suspended)
        await self.close_unused()

    async def close_unused(self) -> None:
        """Close the replaced snapshots that nobody holds any more."""
        held = {turn.snapshot for turn in self._turns} | self._held.keys()
        for snapshot in self._retired - held:
            self._retired.discard(snapshot)
            await snapshot.close()

    async def drain(self, within: float) -> None:
        """Take no new turns, and return when the running ones have ended; after `within` seconds they are ended."""
        self.draining = True
        self._tell_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        self.end_turns()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._idle.wait()

    def end_turns(self) -> None:
        """End what still runs: the process may wait no longer."""
        words = "This pod ended before the turn did; try again."
        self._end_turns(lambda: Refused(DRAINING, words, retry_after=1))

    def _end_turns(self, reason: Callable[[], Refused]) -> None:
        for turn in list(self._turns):
            turn.end(reason())

    async def close(self) -> None:
        if self.snapshot is not None:
            self._retired.add(self.snapshot)
        await self.close_unused()
