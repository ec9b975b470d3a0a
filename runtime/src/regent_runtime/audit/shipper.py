"""What sends the pod's log to a collector. The client behind it reads the log's files (`segment.payloads`)."""

from typing import Protocol


class ShipmentFailed(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The collector has not acknowledged in time. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Shipper(Protocol):
    """One for each process. Its own task sends; nothing here waits but `acknowledged`."""

    @property
    def kept(self) -> int:
        """Records that a collector has on disk, from the first on: so many may be let go here."""

    def offer(self, size: int) -> None:
        """The pod's log has so many records on disk; called after each commit."""

    async def acknowledged(self, size: int) -> None:
        """Returns when a collector has the first `size` records on disk. Raises ShipmentFailed within a deadline."""
