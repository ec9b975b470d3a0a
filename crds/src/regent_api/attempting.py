"""What a ModelRoute says of attempts: which failures lead to another provider, and what a turn may cost."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from regent_api.model import SET, Cel, Model


class FailureClass(StrEnum):
    """How a provider can fail; docs/reference/route-errors.md has what belongs to each."""

    TRANSIENT = "Transient"
    RATE_LIMITED = "RateLimited"
    QUOTA_EXHAUSTED = "QuotaExhausted"
    AUTH = "Auth"
    CONTEXT_WINDOW = "ContextWindow"
    CONTENT_FILTER = "ContentFilter"
    INVALID = "Invalid"
    CANCELLED = "Cancelled"
    TIMEOUT = "Timeout"
    SLOW_STREAM = "SlowStream"
    TRUNCATED = "Truncated"


FALLBACK_DEFAULTS: dict[str, Any] = {
    "on": sorted(set(FailureClass) - {FailureClass.CONTENT_FILTER, FailureClass.INVALID, FailureClass.CANCELLED}),
    "maxAttempts": 3,
}
"""A refusal by a provider's content filter is an answer, and who finds a request invalid is rarely alone."""


class Fallback(Model):
    on: Annotated[
        list[FailureClass] | None,
        SET,
        Cel("self.all(c, c != 'Cancelled')", "leave Cancelled out: then the caller has gone, and nobody waits"),
        Field(
            min_length=1,
            max_length=10,
            description="Classes of failure after which the next provider is asked; absent: all but ContentFilter and "
            "Invalid. After any other the caller learns of it.",
        ),
    ] = None
    max_attempts: Annotated[
        int | None,
        Field(ge=1, le=32, description="Most requests to providers in one turn, retries among them; 3 when absent."),
    ] = None
