"""An answer that is read whole."""

from dataclasses import dataclass
from typing import Any

import pytest
from multidict import CIMultiDict

from regent_runtime.transport import Reply, ReplyTooLarge


class Part(bytes):
    """One that is added to another is copied with all that came before it: in the end, as often as there are parts."""

    def __add__(self, other: Any) -> bytes:
        raise AssertionError

    __radd__ = __add__


@dataclass
class Response:
    """The part of aiohttp's that is read; it is its own content."""

    left: int
    read: int = 0

    @property
    def content(self) -> "Response":
        return self

    async def readany(self) -> bytes:
        if not self.left:
            return b""
        self.left, self.read = self.left - 1, self.read + 1
        return Part(b"%03d" % self.read)


def reply(response: Any) -> Reply:
    return Reply(200, "application/json", "identity", CIMultiDict(), response)


async def test_its_parts_are_put_together_once() -> None:
    assert await reply(Response(500)).whole(1500) == b"".join(b"%03d" % number for number in range(1, 501))
    assert await reply(Response(0)).whole(0) == b""


async def test_no_more_is_read_than_it_may_have() -> None:
    response = Response(500)
    with pytest.raises(ReplyTooLarge):
        await reply(response).whole(10)
    assert response.read == 4
