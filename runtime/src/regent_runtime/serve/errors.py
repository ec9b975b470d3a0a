"""Refusals as OpenAI's error object: over HTTP, and within a stream that has begun."""

import math
from typing import Any

import msgspec

from regent_runtime.refusals import Refused
from regent_runtime.serve.http import Header


def error_object(refused: Refused) -> dict[str, Any]:
    return {
        "error": {
            "message": refused.message,
            "type": refused.refusal.type,
            "param": refused.param,
            "code": refused.refusal.code,
            **refused.details,
        }
    }


def error_body(refused: Refused) -> bytes:
    return msgspec.json.encode(error_object(refused))


def error_headers(refused: Refused) -> list[Header]:
    headers = [(b"x-should-retry", b"true" if refused.refusal.retry else b"false")]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(refused.retry_after))).encode()))
    if refused.refusal.status == 401:
        words = b'Bearer realm="regent"' + (
            b', error="invalid_token"' if refused.refusal.code == "token_invalid" else b""
        )
        headers.append((b"www-authenticate", words))
    return headers
