"""ASGI in small words: headers, bounded bodies, JSON answers. No framework stands between the socket and a turn."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from regent_runtime.lifecycle import CallerGone
from regent_runtime.limits.bodies import Share
from regent_runtime.refusals import BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Refused
from regent_runtime.watchdog import Within

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

GONE = "regent.gone"
"""Key of a scope's state: a future, done when the caller's connection is lost. Waiting on receive() takes a task."""
_HEADERS = "regent.headers"
BODY_SECONDS = 30.0
"""For a whole body to arrive."""
LINGER_SECONDS = 1.0
"""How long bytes of a refused body are thrown away, so that the caller can read the refusal before the reset."""


def headers(scope: Scope) -> Mapping[bytes, str]:
    """Values by name; one that was sent twice is joined (RFC 9110, 5.3), so that neither value counts alone."""
    known: Mapping[bytes, str] | None = scope.get(_HEADERS)
    if known is not None:
        return known
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    scope[_HEADERS] = found
    return found


def header(scope: Scope, name: bytes) -> str | None:
    """The value of one of them."""
    return headers(scope).get(name)


async def read_json_body(scope: Scope, receive: Receive, most_bytes: int, share: Share) -> bytes:
    """The body. Raises Refused (408, 413, 415, 503) before reading more than it must, and CallerGone."""
    stated = headers(scope)
    check_media_type(stated)
    declared = stated.get(b"content-length")
    if declared is not None and int(declared) > most_bytes:
        raise too_large(most_bytes)
    body = bytearray()  # a list of small parts would hold many times their bytes
    try:
        with Within(BODY_SECONDS):
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


def check_media_type(stated: Mapping[bytes, str]) -> None:
    """`stated`: headers of a request."""
    if stated.get(b"content-type") == "application/json" and b"content-encoding" not in stated:
        return
    media_type, _, parameters = stated.get(b"content-type", "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media_type.strip() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise Refused(UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json, in UTF-8.")
    if stated.get(b"content-encoding", "identity").lower() != "identity":
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
