"""Refusals as Anthropic's error object: over HTTP, and within a stream that has begun."""

from collections.abc import Callable
from typing import Any

import msgspec

from regent_runtime.refusals import Refused


def error_object(refused: Refused, turn_id: str | None, named: Callable[[str], str] = str) -> dict[str, Any]:
    """`named`: what a field of the turn is called here. `code` and `param` are Regent's own."""
    param = named(refused.param) if refused.param else None
    error = {
        "type": refused.refusal.anthropic_type,
        "message": refused.message.replace(f"`{refused.param}`", f"`{param}`"),
        "code": refused.refusal.code,
        "param": param,
        **refused.details,
    }
    return {"type": "error", "error": error, "request_id": turn_id}


def error_body(refused: Refused, turn_id: str | None, named: Callable[[str], str] = str) -> bytes:
    return msgspec.json.encode(error_object(refused, turn_id, named))
