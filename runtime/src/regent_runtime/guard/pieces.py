"""Cuts a text into pieces that can be scanned one at a time, so that no text holds the event loop.

A piece ends at the border of a character. Digits count more than other bytes: they are what candidates are made of.
"""

import re
from collections.abc import Iterator

MOST_BYTES = 4096
MOST_DIGITS = 64
SMALL = MOST_DIGITS
"""Bytes of a text that is one piece whatever it holds."""
_DIGITS = b"0123456789"
_DENSE = re.compile(rb"[^0-9]*(?:[0-9][^0-9]*){%d}" % MOST_DIGITS)


def pieces(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = min(at + MOST_BYTES, len(data))
        piece = data[at:end]
        if len(piece) - len(piece.translate(None, _DIGITS)) >= MOST_DIGITS and (dense := _DENSE.match(piece)):
            end = at + dense.end()
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
        yield data[at:end]
        at = end
