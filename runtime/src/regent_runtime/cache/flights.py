"""One request to a provider for many equal ones at the same time: the first asks, the others wait for what it gets.

Nobody waits for a turn that has ended: one that leaves (its caller has gone, its time is over) hands over to the next
that waits; after one that got nothing to share, each of the others asks for itself, at once.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self, TypeAlias

from regent_runtime.cache.entry import Entry


class _Lead:
    """What a turn that waited is told when it is to ask."""


_LEAD = _Lead()
_Waiting: TypeAlias = "deque[asyncio.Future[Entry | _Lead | None]]"


class Seat:
    """A turn's part in a flight. Enter it while the turn asks; leave it with an error, and another one takes over."""

    def __init__(self, flights: "Flights", name: bytes, entry: Entry | None = None, *, leads: bool = False) -> None:
        self.entry = entry
        """What another turn got."""
        self._flights = flights
        self._name = name
        self._leads = leads

    def land(self, entry: Entry | None) -> None:
        """Let those who wait have it; None: there is nothing to share."""
        if self._leads:
            self._leads = False
            self._flights.landed(self._name, entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None or issubclass(kind, Exception):
            self.land(None)
        elif self._leads:
            self._flights.hand_over(self._name)


class Flights:
    """Of one config in one process; at most one for each turn that runs."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Waiting] = {}

    async def join(self, name: bytes, patience: float) -> Seat:
        """Waits while an equal request is out, for at most `patience` seconds: then this turn asks for itself."""
        waiting = self._open.get(name)
        if waiting is None:
            self._open[name] = deque()
            return Seat(self, name, leads=True)
        told: asyncio.Future[Entry | _Lead | None] = asyncio.get_running_loop().create_future()
        waiting.append(told)
        try:
            await asyncio.wait({told}, timeout=patience)
        except asyncio.CancelledError:
            if told.done() and told.result() is _LEAD:
                self.hand_over(name)
            told.cancel()
            raise
        if not told.done():
            told.cancel()
            return Seat(self, name)
        found = told.result()
        return Seat(self, name, leads=True) if isinstance(found, _Lead) else Seat(self, name, found)

    def landed(self, name: bytes, entry: Entry | None) -> None:
        for told in self._open.pop(name):
            if not told.done():
                told.set_result(entry)

    def hand_over(self, name: bytes) -> None:
        waiting = self._open[name]
        while waiting:
            told = waiting.popleft()
            if not told.done():
                told.set_result(_LEAD)
                return
        del self._open[name]
