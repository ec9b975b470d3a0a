import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.wire.imagesize import dimensions
from tests.fakes.pictures import gif, jpeg, png, webp

TYPES = ["image/png", "image/gif", "image/jpeg", "image/webp"]
EXIF = b"\xff\xe1" + struct.pack(">H", 8) + b"Exif\0\0"
THUMBNAIL = b"\xff\xe1" + struct.pack(">H", 2 + len(jpeg(1, 1))) + jpeg(1, 1)
LOSSY = b"\x30\1\0\x9d\x01\x2a" + struct.pack("<HH", 640 | 0x4000, 480)
LOSSLESS = b"\x2f" + struct.pack("<I", (640 - 1) | (480 - 1) << 14) + b"\0\0"
EXTENDED = b"\0\0\0\0" + (640 - 1).to_bytes(3, "little") + (480 - 1).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("media_type", "file"),
    [
        ("image/png", png(640, 480)),
        ("image/gif", gif(640, 480)),
        ("image/jpeg", jpeg(640, 480)),
        ("image/jpeg", jpeg(640, 480, EXIF, b"\xff\xff", b"\xd0")),
        ("image/jpeg", jpeg(640, 480, THUMBNAIL)),
        ("image/webp", webp(b"VP8 ", LOSSY)),
        ("image/webp", webp(b"VP8L", LOSSLESS)),
        ("image/webp", webp(b"VP8X", EXTENDED)),
    ],
)
def test_the_size_stands_in_the_head_of_the_file(media_type: str, file: bytes) -> None:
    assert dimensions(media_type, file) == (640, 480)


@pytest.mark.parametrize("media_type", [*TYPES, "image/svg", "image/tiff"])
def test_a_file_of_another_type_says_nothing(media_type: str) -> None:
    for other, file in zip(TYPES, (png(), gif(1, 1), jpeg(1, 1), webp(b"VP8L", LOSSLESS)), strict=True):
        assert (dimensions(media_type, file) is None) == (media_type != other)


@pytest.mark.parametrize(
    "file",
    [b"\xff\xd8\xff\xe1\0\0" + b"\0" * 20, b"\xff\xd8\xff\xe1\0\1" + b"\0" * 20, b"\xff\xd8\xff\xc4\0\4\0\0\xff"],
)
def test_a_jpeg_without_a_frame_says_nothing(file: bytes) -> None:
    assert dimensions("image/jpeg", file) is None


HEADS = st.sampled_from(
    [b"", png()[:12], png()[:20], b"GIF89a", b"\xff\xd8\xff", webp(b"VP8X", b""), webp(b"VP8 ", b"")]
)


@given(st.sampled_from(TYPES), HEADS, st.binary(max_size=64))
def test_no_bytes_fail_in_another_way(media_type: str, head: bytes, rest: bytes) -> None:
    size = dimensions(media_type, head + rest)
    assert size is None or all(0 <= side <= 2**32 for side in size)
