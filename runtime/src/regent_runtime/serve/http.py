"""ASGI in small words: headers, bounded bodies, JSON answers. No framework stands between the socket and a turn."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from regent_runtime.lifecycle import CallerGone
from regent_runtime.limits.bodies import Share
from regent_runtime.refusals import BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

GONE = "regent.gone"
"""Key of a scope's state: a future, done when the caller's connection is lost. Waiting on receive() takes a task."""
BODY_SECONDS = 30.0
"""For a whole body to arrive."""
LINGER_SECONDS = 1.0
"""How long bytes of a refused body are thrown away, so that the caller can read the refusal before the reset."""


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header; one that was sent twice is joined (RFC 9110, 5.3), so that neither value counts alone."""
    found = [value for key, value in scope["headers"] if key == name]
    return b", ".join(found).decode("latin-1") if found else None


async def read_json_body(scope: Scope, receive: Receive, most_bytes: int, share: Share) -> bytes:
    """The body. Raises Refused (408, 413, 415, 503) before reading more than it must, and CallerGone."""
    check_media_type(scope)
    declared = header(scope, b"content-length")
    if declared is not None and int(declared) > most_bytes:
        raise too_large(most_bytes)
    body = bytearray()  # a list of small parts would hold many times their bytes
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise CallerGone
                share.take(len(message["body"]))
                body += message["body"]
                if len(body) > most_bytes:
                    raise too_large(most_bytes)
                if not message["more_body"]:
                    return bytes(body)
    except TimeoutError:
        raise Refused(BODY_TOO_SLOW, f"The body must arrive within {BODY_SECONDS:g} s.") from None


def check_media_type(scope: Scope) -> None:
    media_type, _, parameters = (header(scope, b"content-type") or "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media_type.strip() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise Refused(UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json, in UTF-8.")
    if (header(scope, b"content-encoding") or "identity").lower() != "identity":
        raise Refused(UNSUPPORTED_MEDIA_TYPE, "Send the body without Content-Encoding.")


def too_large(most_bytes: int) -> Refused:
    return Refused(
        BODY_TOO_LARGE, f"The body is larger than {most_bytes} bytes, the most that the policy lets through."
    )


async def respond(
    send: Send, status: int, body: bytes, *, media_type: bytes = b"application/json", headers: Iterable[Header] = ()
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", media_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_and_close(receive: Receive, send: Send, status: int, body: bytes, headers: Iterable[Header]) -> None:
    """Answer a request whose body was not read, and close. What still arrives is thrown away for a moment."""
    closing = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": closing})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})
