"""A figure whose next change can be waited for: the operator learns of an alert at once, from pods that call nobody."""

import asyncio
from contextlib import suppress

MOST_WAITING = 16
LONGEST_SECONDS = 25.0


class Moves:
    """`count` only grows while the process lives."""

    def __init__(self) -> None:
        self.count = 0
        self._moved = asyncio.Event()
        self._waiting = 0
        self._ended = False

    def reach(self, count: int) -> None:
        if count != self.count:
            self.count = count
            self._wake()

    async def beyond(self, count: int) -> None:
        """Returns when the count is another than this one, after LONGEST_SECONDS, or at once where too many wait."""
        if self._ended or self.count != count or self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_SECONDS):
                    await self._moved.wait()
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """Nobody waits any more: the process ends."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
