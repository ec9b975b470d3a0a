"""Work on the event loop that other turns need not wait for: after each STRIDE of it the loop has its turn.

Counted in characters of ordinary text, each the cost of looking at one with the dearest guard (some 0.2 us), because
a count is the same on every machine. A clock would make the order of turns depend on the load.
"""

import asyncio

STRIDE = 4096


class Pace:
    """Of one task. What is done between two calls may not be more than a stride."""

    def __init__(self) -> None:
        self._done = 0

    async def took(self, characters: int) -> None:
        """So much was done since the last call."""
        self._done += characters
        if self._done >= STRIDE:
            self._done = 0
            await asyncio.sleep(0)
