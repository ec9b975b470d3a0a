"""What can go wrong between us and a server, as one typed error."""


class ApiError(Exception):
    """The server refused, or could not be asked.

    `status` is the HTTP status, 0 where no answer came; `reason` is metav1.Status.reason (`Conflict`, `NotFound`,
    `Invalid`, ...), `Unreachable` where no answer came; `retry_after` is in seconds.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def of_transport(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.status in {0, 401, 408, 409, 429} or self.status >= 500

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def expired(self) -> bool:
        """410: the resourceVersion to watch from, or the page to go on with, is too old."""
        return self.status == 410


class NotLeadingError(Exception):
    """A write was stopped before it left the process: another replica may hold the lease."""
