"""Texts that are kept for long and seldom looked at: thousands of statuses and configs, compressed."""

import zlib

LEVEL = 1
"""The best one makes a status a twentieth smaller, in twice the time."""
WINDOW_BITS, MEMORY_LEVEL = 13, 6
"""8 KiB and 32 KiB. zlib's own choice takes 256 KiB, which the system must map anew for each text: 72 us where a status
takes 20, and no smaller.
"""


def packed(text: bytes) -> bytes:
    """Equal for equal texts."""
    packing = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL)
    return packing.compress(text) + packing.flush()


def unpacked(packed_text: bytes) -> bytes:
    return zlib.decompress(packed_text)
