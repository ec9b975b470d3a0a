"""An answer as it is kept: its whole text, whose it was, and what it cost."""

from decimal import Decimal

import msgspec

from regent_api.price import amount, words
from regent_runtime.wire.answer import Chunk, Usage

LARGEST_TEXT = 65_536
"""Bytes; a longer answer is not kept."""
STOP = "stop"
_NOTHING_SPENT = Usage(0, 0, 0)
_VERSION = 1


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """`cost`: USD in decimal, or empty where nobody knows it."""

    text: str
    provider: str
    model: str
    cost: str
    version: int = _VERSION

    @property
    def saved(self) -> Decimal | None:
        """What a turn spares that is answered with it; None: unknown."""
        return amount(self.cost) if self.cost else None

    def again(self) -> Chunk:
        """The whole answer: nothing of it goes out before all of it was screened, and nothing was spent."""
        return Chunk(self.text, finish_reason=STOP, usage=_NOTHING_SPENT)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Entry)


def entry(text: str, provider: str, model: str, cost: Decimal | None) -> Entry:
    return Entry(text, provider, model, "" if cost is None else words(cost))


def encode(kept: Entry) -> bytes:
    return _ENCODER.encode(kept)


def decode(content: bytes) -> Entry | None:
    """None for what this version did not write."""
    try:
        read = _DECODER.decode(content)
    except msgspec.DecodeError:
        return None
    return read if read.version == _VERSION else None


class Gathered:
    """The text of an answer as it goes by, while it may be kept: whole, of words alone, and not too long."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._bytes = 0
        self._finish: str | None = None
        self._spoiled = False

    def saw(self, chunk: Chunk) -> None:
        self._bytes += len(chunk.content.encode())
        self._spoiled = self._spoiled or bool(chunk.refusal or chunk.tool_calls) or self._bytes > LARGEST_TEXT
        if self._spoiled:
            self._parts.clear()
        elif chunk.content:
            self._parts.append(chunk.content)
        self._finish = chunk.finish_reason or self._finish

    @property
    def text(self) -> str | None:
        """None: not to be kept."""
        whole = self._finish == STOP and not self._spoiled and self._bytes > 0
        return "".join(self._parts) if whole else None
