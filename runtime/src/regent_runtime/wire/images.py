"""Images of a request: what they are, how large, and that nothing has to be fetched for them.

An image comes as a `data:` URL and goes on as the same bytes. A URL that someone would have to fetch is refused: the
runtime fetches for nobody, and a provider that did would reach where `egress.hosts` lets nobody, with what the caller
put into the address, and would see what no size was counted for.
"""

import base64
import re
from collections.abc import Sequence
from hashlib import sha256
from math import ceil
from typing import Any, Literal

from msgspec import Struct

from regent_runtime.refusals import INVALID_VALUE, UNSUPPORTED_FIELD, Refused
from regent_runtime.wire.imagesize import dimensions

Detail = Literal["auto", "low", "high"]

MOST_IMAGES = 20
"""Of a request: beyond, Anthropic takes smaller ones only."""
LONGEST_SIDE = 8000
"""Pixels; Anthropic takes no longer one."""
PATCH = 28
"""Pixels of a side of what Claude takes for one token."""
MOST_ESTIMATED = 4784
"""Tokens of an image as large as the largest that any of Anthropic's models sees; theirs count highest."""
_DATA_URL = re.compile(r"data:(image/[a-z]{1,8});base64,([A-Za-z0-9+/]+={0,2})", re.ASCII)


class ImageUrl(Struct, forbid_unknown_fields=True):
    url: str
    detail: Detail | None = None


class Image(Struct, frozen=True):
    """`data`: base64, as the caller wrote it. `width`, `height`: pixels, as the file says."""

    media_type: str
    data: str
    width: int
    height: int
    digest: str
    """SHA-256 of `data`, in hex."""
    detail: Detail = "auto"

    def __repr__(self) -> str:
        return f"Image({self.media_type}, {self.width}x{self.height})"

    @property
    def url(self) -> str:
        return f"data:{self.media_type};base64,{self.data}"

    @property
    def name(self) -> str:
        """What stands for it where nobody looks at pixels: in digests and in the audit's content."""
        return f"[{self.media_type} {self.width}x{self.height} sha256:{self.digest}]"

    @property
    def estimate(self) -> int:
        """Tokens, before the model is known."""
        return min(self.squares(PATCH), MOST_ESTIMATED)

    def squares(self, side: int) -> int:
        """How many of so many pixels a side cover it."""
        return ceil(self.width / side) * ceil(self.height / side)


Content = str | list[str | Image]
"""Of a message: its text, or texts and images in their order."""


def read(at: str, stated: ImageUrl) -> Image:
    """Raises Refused (400) for what is no image, of a kind that some provider does not take, or would be fetched."""
    param = f"{at}.image_url.url"
    match = _DATA_URL.fullmatch(stated.url)
    if match is None:
        words = (
            f"`{param}` must be a data: URL such as data:image/png;base64,...: nothing is fetched, by nobody."
            if not stated.url.startswith("data:")
            else f"`{param}` must be data:image/TYPE;base64, and base64 without spaces."
        )
        refusal = INVALID_VALUE if stated.url.startswith("data:") else UNSUPPORTED_FIELD
        raise Refused(refusal, words, param=param)
    return image(param, match[1], match[2], stated.detail or "auto")


def image(param: str, media_type: str, data: str, detail: Detail = "auto") -> Image:
    """`data`: base64. Raises Refused (400) for what is no image, or of a kind that some provider does not take."""
    try:
        file = base64.b64decode(data, validate=True)
    except ValueError:
        raise Refused(INVALID_VALUE, f"`{param}` is not valid base64.", param=param) from None
    size = dimensions(media_type, file)
    if size is None:
        words = f"`{param}` must be a whole image/png, image/jpeg, image/gif or image/webp, and of the type it says."
        raise Refused(INVALID_VALUE, words, param=param)
    if not all(0 < side <= LONGEST_SIDE for side in size):
        words = f"`{param}`: each side must have 1 to {LONGEST_SIDE} pixels."
        raise Refused(INVALID_VALUE, words, param=param)
    return Image(media_type, data, *size, sha256(data.encode()).hexdigest(), detail)


def parts(content: Content) -> Sequence[str | Image]:
    return [content] if isinstance(content, str) else content


def words(content: Content) -> str:
    """Its text alone."""
    return content if isinstance(content, str) else "\n".join(each for each in content if isinstance(each, str))


def spoken(message: dict[str, Any]) -> dict[str, Any]:
    """A message as Chat Completions writes it."""
    content: Content = message["content"]
    return message if isinstance(content, str) else {**message, "content": [_part(each) for each in content]}


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    detail = {"detail": part.detail} if part.detail != "auto" else {}
    return {"type": "image_url", "image_url": {"url": part.url, **detail}}
