"""How a provider can fail: whether the next one is tried, and what the caller learns when none is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from regent_runtime.refusals import (
    CONTEXT_TOO_LONG,
    NO_PROVIDER_ALLOWED,
    PROVIDER_FAILED,
    PROVIDER_RATE_LIMITED,
    PROVIDER_REJECTED,
    PROVIDER_TIMEOUT,
    Refusal,
    Refused,
)


@dataclass(frozen=True)
class _Row:
    word: str
    """In logs and metrics."""
    refusal: Refusal
    falls_back: bool = True


class Failure(Enum):
    """The typed table."""

    CONNECT = _Row("connect", PROVIDER_FAILED)
    UNANSWERED = _Row("unanswered", PROVIDER_FAILED)
    DISCONNECTED = _Row("disconnected", PROVIDER_FAILED)
    CONNECT_TIMEOUT = _Row("connect_timeout", PROVIDER_TIMEOUT)
    FIRST_TOKEN_TIMEOUT = _Row("first_token_timeout", PROVIDER_TIMEOUT)
    IDLE_TIMEOUT = _Row("idle_timeout", PROVIDER_TIMEOUT)
    ATTEMPT_TIMEOUT = _Row("attempt_timeout", PROVIDER_TIMEOUT)
    SERVER_ERROR = _Row("server_error", PROVIDER_FAILED)
    RATE_LIMITED = _Row("rate_limited", PROVIDER_RATE_LIMITED)
    QUOTA_EXHAUSTED = _Row("quota_exhausted", PROVIDER_FAILED)
    UNAUTHENTICATED = _Row("unauthenticated", PROVIDER_FAILED)
    NOT_FOUND = _Row("not_found", PROVIDER_FAILED)
    REDIRECTED = _Row("redirected", PROVIDER_FAILED)
    CONTEXT_WINDOW = _Row("context_window", CONTEXT_TOO_LONG)
    REJECTED = _Row("rejected", PROVIDER_REJECTED, falls_back=False)
    MALFORMED = _Row("malformed", PROVIDER_FAILED)
    INCOMPLETE = _Row("incomplete", PROVIDER_FAILED)
    TOO_LARGE = _Row("too_large", PROVIDER_FAILED)
    DESTINATION_REFUSED = _Row("destination_refused", NO_PROVIDER_ALLOWED)
    CREDENTIAL_UNUSABLE = _Row("credential_unusable", PROVIDER_FAILED)

    @property
    def word(self) -> str:
        return self.value.word

    @property
    def falls_back(self) -> bool:
        return self.value.falls_back

    @property
    def refusal(self) -> Refusal:
        return self.value.refusal


class ProviderError(Exception):
    """An attempt failed. `detail` is a word of ours for the log, never the provider's text."""

    def __init__(self, failure: Failure, *, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(failure.word)
        self.failure = failure
        self.detail = detail
        self.retry_after = retry_after


class Interrupted(Exception):  # noqa: N818
    """The provider failed after the commit point: the caller has a part of the answer and gets no other provider."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(error.failure.word)
        self.error = error


LONGEST_RETRY_AFTER = 300.0
_WORDS = {
    CONTEXT_TOO_LONG: "The input does not fit into the model's context window; send less.",
    NO_PROVIDER_ALLOWED: "The policy lets this turn reach none of the route's providers.",
    PROVIDER_FAILED: "No provider of the route could answer; try again later.",
    PROVIDER_RATE_LIMITED: "The providers of the route are at their limits; try again later.",
    PROVIDER_REJECTED: "The provider finds the request invalid.",
    PROVIDER_TIMEOUT: "No provider of the route answered in time; try again later.",
}


def refused(errors: Sequence[ProviderError]) -> Refused:
    """What the caller learns when no provider is left: their common class, else that they failed."""
    refusals = {error.failure.refusal for error in errors}
    refusal = refusals.pop() if len(refusals) == 1 else PROVIDER_FAILED
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return Refused(refusal, _WORDS[refusal], retry_after=min(waits, default=None) if refusal.retry else None)


def failure_of_status(status: int, body: bytes) -> Failure:
    """The class of a provider's refusal; the body is looked at for two words and then forgotten."""
    if 300 <= status < 400:
        return Failure.REDIRECTED
    if status in {400, 413, 422} and any(word in body for word in _CONTEXT_WORDS):
        return Failure.CONTEXT_WINDOW
    if status == 429:
        return Failure.QUOTA_EXHAUSTED if b"insufficient_quota" in body else Failure.RATE_LIMITED
    return _OF_STATUS.get(status, Failure.SERVER_ERROR if status >= 500 else Failure.REJECTED)


def failure_of_code(code: str) -> Failure:
    """The class of an error that stands where an answer was due, by the provider's word for it."""
    return _OF_CODE.get(code, Failure.SERVER_ERROR)


_OF_CODE = {
    "context_length_exceeded": Failure.CONTEXT_WINDOW,
    "insufficient_quota": Failure.QUOTA_EXHAUSTED,
    "rate_limit_exceeded": Failure.RATE_LIMITED,
    "rate_limit_error": Failure.RATE_LIMITED,
}
_CONTEXT_WORDS = (b"context_length_exceeded", b"exceed_context_size", b"maximum context length", b"context size")
_OF_STATUS = {
    401: Failure.UNAUTHENTICATED,
    402: Failure.QUOTA_EXHAUSTED,
    403: Failure.UNAUTHENTICATED,
    404: Failure.NOT_FOUND,
    408: Failure.SERVER_ERROR,
    409: Failure.SERVER_ERROR,
}


def seconds_to_wait(retry_after: str | None) -> float | None:
    """A Retry-After of whole or decimal seconds, at most LONGEST_RETRY_AFTER; None for dates and nonsense."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds >= 0 else None
