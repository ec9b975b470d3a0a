"""How large an image is, by the head of its file: nothing is decoded.

PNG (W3C PNG, 11.2.1), GIF (GIF89a, 18), JPEG (ITU-T T.81, B.2.2) and WebP (RFC 9649, 2.5 to 2.7).
"""

from collections.abc import Callable

Size = tuple[int, int]
"""Width and height in pixels."""


def dimensions(media_type: str, file: bytes) -> Size | None:
    """None for a file that is not of the type, or does not say."""
    reads = _READERS.get(media_type)
    try:
        return reads(file) if reads else None
    except IndexError:
        return None


def _png(file: bytes) -> Size | None:
    if file[:8] != b"\x89PNG\r\n\x1a\n" or file[12:16] != b"IHDR":
        return None
    return _big(file, 16, 4), _big(file, 20, 4)


def _gif(file: bytes) -> Size | None:
    return (_little(file, 6, 2), _little(file, 8, 2)) if file[:6] in {b"GIF87a", b"GIF89a"} else None


_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of a frame's head; the others in that range are tables."""
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length."""


def _jpeg(file: bytes) -> Size | None:
    """Of the first frame; its head comes before the scan. A height of 0 would only be told behind the scan."""
    if file[:2] != b"\xff\xd8":
        return None
    at = 2
    while file[at] == 0xFF:
        marker = file[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            return _big(file, at + 7, 2), _big(file, at + 5, 2)
        else:
            length = _big(file, at + 2, 2)
            if length < 2:
                return None
            at += 2 + length
    return None


def _webp(file: bytes) -> Size | None:
    if file[:4] != b"RIFF" or file[8:12] != b"WEBP":
        return None
    match file[12:16]:
        case b"VP8X":
            return 1 + _little(file, 24, 3), 1 + _little(file, 27, 3)
        case b"VP8L" if file[20] == 0x2F:
            bits = _little(file, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if file[23:26] == b"\x9d\x01\x2a":
            return _little(file, 26, 2) & 0x3FFF, _little(file, 28, 2) & 0x3FFF
    return None


def _big(file: bytes, at: int, count: int) -> int:
    return int.from_bytes(_exactly(file, at, count), "big")


def _little(file: bytes, at: int, count: int) -> int:
    return int.from_bytes(_exactly(file, at, count), "little")


def _exactly(file: bytes, at: int, count: int) -> bytes:
    """Raises IndexError where the file is too short."""
    if at + count > len(file):
        raise IndexError
    return file[at : at + count]


_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}
