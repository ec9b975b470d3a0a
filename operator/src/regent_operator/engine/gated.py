"""The body of a write, which asks once more whether it may leave, in the step that hands it to the socket.

Between the first look and that step a connection may have to be made, and the whole process may be frozen for longer
than the Lease lasts. The head of a request leaves with its body, so what is stopped here was never begun.
"""

from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from regent_operator.engine.errors import NotLeadingError


class GatedBody(aiohttp.BytesPayload):
    """Raises NotLeadingError instead of being written; aiohttp then drops the connection, and says it was lost."""

    def __init__(self, value: bytes, may_write: Callable[[], bool]) -> None:
        super().__init__(value)
        self._may_write = may_write

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self._may_write():
            raise NotLeadingError("the lease was lost before the request had left")
        await super().write_with_length(writer, content_length)
