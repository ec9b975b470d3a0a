"""What an answer passes, chunk by chunk, on its way to whoever asked for it: the guards of output, or nobody."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from regent_runtime.wire.answer import Chunk


class Gate(Protocol):
    """Of one answer."""

    async def let(self, chunk: Chunk) -> Chunk | None:
        """What may go out now that a chunk has come; None: nothing. Raises Withheld."""

    def end(self) -> None:
        """The whole answer has come."""


Screen = Callable[[], Gate]
"""Begins the guards of output anew, for another answer. Raises Withheld."""


class Open:
    """For an answer that no caller sees as it is."""

    async def let(self, chunk: Chunk) -> Chunk | None:
        return chunk

    def end(self) -> None:
        """Nothing was kept back."""


async def passed(answer: Chunk, screen: Screen) -> AsyncGenerator[Chunk]:
    """An answer that is whole. Raises Withheld."""
    gate = screen()
    released = await gate.let(answer)
    if released is not None:
        yield released
    gate.end()
