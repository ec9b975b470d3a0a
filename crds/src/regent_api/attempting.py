"""What a ModelRoute says of attempts: what leads to another provider, what is tried again, and who is left alone."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from regent_api.model import SET, Cel, Model
from regent_api.types import Duration


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
    "errors": sorted(set(FailureClass) - {FailureClass.CONTENT_FILTER, FailureClass.INVALID, FailureClass.CANCELLED}),
    "maxAttempts": 3,
}
"""A refusal by a provider's content filter is an answer, and who finds a request invalid is rarely alone."""


class Fallback(Model):
    errors: Annotated[
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
        Field(
            ge=1,
            le=32,
            description="Most requests to providers for one answer, retries among them; 3 when absent. A turn's "
            "summaries are answers of their own.",
        ),
    ] = None


RETRY_DEFAULTS: dict[str, Any] = {
    "maxPerProvider": 1,
    "baseDelay": "250ms",
    "maxDelay": "8s",
    "maxRetryAfter": "30s",
    "budgetPercent": 20,
}


class Retries(Model):
    max_per_provider: Annotated[
        int | None,
        Field(
            ge=0, le=8, description="How often one provider is asked again for one answer; 1. Another key is no retry."
        ),
    ] = None
    base_delay: Annotated[
        Duration | None, Field(description="Longest wait before the first retry, doubled for each further one; 250ms.")
    ] = None
    max_delay: Annotated[Duration | None, Field(description="Longest wait that doubling leads to; 8s.")] = None
    max_retry_after: Annotated[
        Duration | None,
        Field(description="Longest wait that a provider may ask for; when it asks for more, the next is tried; 30s."),
    ] = None
    budget_percent: Annotated[
        int | None,
        Field(ge=0, le=100, description="Most retries of a pod at a provider, in percent of its turns there; 20."),
    ] = None


BREAKER_DEFAULTS: dict[str, Any] = {
    "window": "30s",
    "minimumRequests": 10,
    "failureRatio": 0.5,
    "consecutiveFailures": 5,
    "openFor": "15s",
    "halfOpenProbes": 1,
}


class CircuitBreaker(Model):
    window: Annotated[Duration | None, Field(description="How far back `failureRatio` looks; 30s.")] = None
    minimum_requests: Annotated[
        int | None, Field(ge=1, le=512, description="Attempts within the window before the ratio counts; 10.")
    ] = None
    failure_ratio: Annotated[
        float | None,
        # The API server judges a whole number by the whole part of a minimum.
        Cel("self > 0.0", "must be greater than 0"),
        Field(ge=0.01, le=1, description="Share of failed attempts at which the breaker opens; 0.5."),
    ] = None
    consecutive_failures: Annotated[
        int | None, Field(ge=1, le=1000, description="Failures in a row at which the breaker opens; 5.")
    ] = None
    open_for: Annotated[
        Duration | None, Field(description="How long nobody is sent to the provider before it is tried again; 15s.")
    ] = None
    half_open_probes: Annotated[
        int | None,
        Field(ge=1, le=32, description="Attempts that try it, at most, and must all go well before it closes; 1."),
    ] = None
