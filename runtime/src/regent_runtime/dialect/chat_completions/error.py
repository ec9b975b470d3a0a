"""Refusals as OpenAI's error object: over HTTP, and within a stream that has begun."""

from typing import Any

import msgspec

from regent_runtime.refusals import Refused


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
