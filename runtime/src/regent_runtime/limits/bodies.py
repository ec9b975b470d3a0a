"""How many bytes of request bodies the process holds at once, whoever sent them.

Each body has a bound of its own, and each pod a bound of turns; their product would be more than the pod's memory.
"""

from types import TracebackType
from typing import Self

from regent_runtime.refusals import OVERLOADED, Refused

MOST_BODY_BYTES = 64 * 1024 * 1024
"""A quarter of the pod's memory; the largest body that a policy can let through fits once."""


class Share:
    """The part of one request. What it took returns with the end of the block that it is the context of."""

    def __init__(self, bodies: "Bodies") -> None:
        self._bodies = bodies
        self._taken = 0

    def take(self, size: int) -> None:
        """Raises Refused (503) when the process holds as much as it may."""
        if self._bodies.held + size > self._bodies.most:
            words = "This pod holds as many requests as its memory lets it; try again."
            raise Refused(OVERLOADED, words, retry_after=1)
        self._bodies.held += size
        self._taken += size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.give_back()

    def give_back(self) -> None:
        self._bodies.held -= self._taken
        self._taken = 0


class Bodies:
    """The budget of one process, in bytes."""

    def __init__(self, most: int = MOST_BODY_BYTES) -> None:
        self.most = most
        self.held = 0

    def share(self) -> Share:
        return Share(self)
