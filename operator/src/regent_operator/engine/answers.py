"""What answers mean: the lines of a watch, JSON objects, and refusals as ApiError."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from regent_operator.engine.errors import ApiError

Object = dict[str, Any]
MOST_REFUSAL_BYTES = 65_536


class WatchEvent(msgspec.Struct, frozen=True):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


@dataclass(frozen=True)
class Page:
    """`items` are read one by one, and once: hundreds of whole objects never stand in memory beside each other."""

    items: Iterable[Object]
    resource_version: str
    next: str = ""
    """What to go on with; empty at the last page."""


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str
    next: str = msgspec.field(default="", name="continue")


class _Listed(msgspec.Struct, frozen=True):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


_event = msgspec.json.Decoder(WatchEvent)
_object = msgspec.json.Decoder(Object)
_list = msgspec.json.Decoder(_Listed)


async def raise_for(answer: aiohttp.ClientResponse) -> None:
    """ApiError for a status from 400 on, in the words of the server's metav1.Status where it sent one."""
    if answer.status < 400:
        return
    text = (await answer.content.read(MOST_REFUSAL_BYTES)).decode(errors="replace")
    retry_after = answer.headers.get("Retry-After", "")
    try:
        status = _object.decode(text)
        reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    except (msgspec.DecodeError, RecursionError):
        reason, message = "", text[:500]
    raise ApiError(
        answer.status,
        reason or answer.reason or "",
        message,
        float(retry_after) if retry_after.isdecimal() else None,
    )


async def lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: StreamReader.readline refuses those beyond its buffer."""
    parts: list[bytes] = []
    async for chunk in stream.iter_any():
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield b"".join([*parts, piece])
            parts = []
        parts.append(rest)


def event_of(line: bytes) -> WatchEvent:
    """Raises ApiError for a line that tells of an error, or of nothing."""
    try:
        event = _event.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(200, "NotJson", "a line of a watch is not an event") from error
    if event.type != "ERROR":
        return event
    status = event.object
    raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))


def object_of(body: bytes | msgspec.Raw, status: int) -> Object:
    """Raises ApiError for whatever is not a JSON object."""
    try:
        return _object.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(status, "NotJson", "the answer is not a JSON object") from error


def page_of(body: bytes, status: int) -> Page:
    """Raises ApiError for what is not a list, and, while the items are read, for an item that is not an object."""
    try:
        listed = _list.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(status, "NotJson", "the answer is not a list of objects") from error
    items = (object_of(item, status) for item in listed.items or ())
    return Page(items, listed.metadata.resource_version, listed.metadata.next)


def unreachable(error: BaseException) -> ApiError:
    """No answer came."""
    return ApiError(0, "Unreachable", f"{type(error).__name__}: {error}")
