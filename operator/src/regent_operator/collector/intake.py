"""Takes records from pods: in threads, for each log one call at a time, for all logs a bounded number at once.

The disk is what it waits for. Pods batch what they send, and calls for several logs sync at the same time, which the
file system joins into one commit of its journal.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from regent_api.audit.frame import Damaged
from regent_api.audit.log import Log
from regent_operator.collector.logs import Logs, Taken
from regent_operator.collector.tokens import Origin

AT_ONCE = 8
T = TypeVar("T")


class Intake:
    """`told` is called with each origin and how many fresh records it has, once they are on the disk, `damaged` with
    one whose log was changed on the volume.
    """

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.told: list[Callable[[Origin, int], None]] = []
        self.damaged: Callable[[Origin], None] = lambda _: None
        self._threads = asyncio.Semaphore(AT_ONCE)
        self._turns: dict[Origin, tuple[asyncio.Lock, int]] = {}

    async def held(self, origin: Origin) -> Taken:
        """What of the log is on the disk. Raises OSError, ValueError."""
        return await self.alone(origin, lambda: self.logs.held(origin))

    async def take(self, origin: Origin, payloads: Sequence[bytes]) -> Taken:
        """Returns when the records are on the disk. Raises logs.Refused, OSError, ValueError."""
        taken = await self.alone(origin, lambda: self.logs.take(origin, payloads))
        if taken.fresh:
            for tell in self.told:
                tell(origin, taken.fresh)
        return taken

    async def with_log(self, origin: Origin, work: Callable[[Log], T]) -> T:
        """Do something blocking with a log while nobody else uses it. Raises as `work` does, OSError, ValueError."""

        def worked() -> T:
            with self.logs.opened(origin) as log:
                return work(log)

        return await self.alone(origin, worked)

    async def alone(self, origin: Origin, work: Callable[[], T]) -> T:
        """Run in a thread while nothing else is done to this log, to its end also when the caller is cancelled."""
        async with self._turn(origin), self._threads:
            working = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(working)
            except Damaged:
                self.damaged(origin)
                raise
            finally:
                while not working.done():
                    await asyncio.wait([working])

    @asynccontextmanager
    async def _turn(self, origin: Origin) -> AsyncIterator[None]:
        lock, waiting = self._turns.get(origin, (asyncio.Lock(), 0))
        self._turns[origin] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[origin]
            if waiting == 1:
                del self._turns[origin]
            else:
                self._turns[origin] = (lock, waiting - 1)
