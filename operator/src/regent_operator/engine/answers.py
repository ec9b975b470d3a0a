"""What answers mean: the lines of a watch, JSON objects, and refusals as ApiError."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from regent_operator.engine.errors import ApiError

Object = dict[str, Any]
MOST_REFUSAL_BYTES = 65_536


@dataclass(frozen=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


async def raise_for(answer: aiohttp.ClientResponse) -> None:
    """ApiError for a status from 400 on, in the words of the server's metav1.Status where it sent one."""
    if answer.status < 400:
        return
    text = (await answer.content.read(MOST_REFUSAL_BYTES)).decode(errors="replace")
    retry_after = answer.headers.get("Retry-After", "")
    try:
        status = json.loads(text)
        reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    except (ValueError, AttributeError):
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


def event(document: Object) -> WatchEvent:
    """Of a line. Raises ApiError for one that tells of an error."""
    if document["type"] != "ERROR":
        return WatchEvent(document["type"], document["object"])
    status = document["object"]
    raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))


def object_of(body: bytes, status: int) -> Object:
    """Raises ApiError for whatever is not a JSON object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ApiError(status, "NotJson", "the answer is not a JSON object")
    return document


def unreachable(error: BaseException) -> ApiError:
    """No answer came."""
    return ApiError(0, "Unreachable", f"{type(error).__name__}: {error}")
