"""The typed table of how a provider can fail. `docs/reference/route-errors.md` is made from it."""

from dataclasses import dataclass
from enum import Enum, Flag, auto

from regent_api.attempting import FailureClass
from regent_runtime.refusals import (
    CONTENT_FILTERED,
    CONTEXT_TOO_LONG,
    NO_PROVIDER_ALLOWED,
    PROVIDER_FAILED,
    PROVIDER_RATE_LIMITED,
    PROVIDER_REJECTED,
    PROVIDER_TIMEOUT,
    Refusal,
)

_C = FailureClass


class Column(Flag):
    """What follows from a failure, besides that another provider may be asked (`fallback.errors`, by class)."""

    NONE = 0
    RETRY = auto()
    """The same provider may be asked again (`retries`)."""
    KEY = auto()
    """Another key of the provider is tried first."""
    BREAKER = auto()
    """It counts against the provider (`circuitBreaker`)."""


_NO, _RETRY, _KEY, _TRIPS = Column.NONE, Column.RETRY, Column.KEY, Column.BREAKER


@dataclass(frozen=True)
class _Row:
    word: str
    """In logs, metrics and the audit."""
    kind: FailureClass
    columns: Column
    refusal: Refusal | None
    """None: nobody is told, or of something else."""
    meaning: str


class Failure(Enum):
    CONNECT = _Row(
        "connect", _C.TRANSIENT, _RETRY | _TRIPS, PROVIDER_FAILED, "No connection: no address, refused, or TLS fails."
    )
    UNANSWERED = _Row(
        "unanswered",
        _C.TRANSIENT,
        _RETRY,
        PROVIDER_FAILED,
        "A kept connection was closed before a byte of a reply; the request is sent once more, which is no retry.",
    )
    DISCONNECTED = _Row(
        "disconnected", _C.TRANSIENT, _RETRY | _TRIPS, PROVIDER_FAILED, "The connection was cut in a reply."
    )
    SERVER_ERROR = _Row(
        "server_error", _C.TRANSIENT, _RETRY | _TRIPS, PROVIDER_FAILED, "5xx, 408, 409, or an error in an answer."
    )
    OVERLOADED = _Row(
        "overloaded", _C.TRANSIENT, _RETRY | _TRIPS, PROVIDER_FAILED, "529, or the provider's word for it."
    )
    REDIRECTED = _Row("redirected", _C.TRANSIENT, _NO, PROVIDER_FAILED, "3xx; none is followed.")
    MALFORMED = _Row("malformed", _C.TRANSIENT, _TRIPS, PROVIDER_FAILED, "The reply is no answer of the wire format.")
    MALFORMED_CALL = _Row(
        "malformed_call",
        _C.TRANSIENT,
        _NO,
        PROVIDER_FAILED,
        "The answer calls a tool that was not offered, or with no arguments for one; a caller can make it do so.",
    )
    TOO_LARGE = _Row(
        "too_large",
        _C.TRANSIENT,
        _NO,
        PROVIDER_FAILED,
        "The answer is longer than its output cap can be, or a plain one than 16 MiB.",
    )
    BREAKER_OPEN = _Row("breaker_open", _C.TRANSIENT, _NO, PROVIDER_FAILED, "Not asked: its breaker is open.")
    RATE_LIMITED = _Row(
        "rate_limited", _C.RATE_LIMITED, _RETRY | _KEY, PROVIDER_RATE_LIMITED, "429, or the provider's word for it."
    )
    COOLING = _Row("cooling", _C.RATE_LIMITED, _NO, PROVIDER_RATE_LIMITED, "Not asked: it asked to be left alone.")
    LIMITED = _Row(
        "limited", _C.RATE_LIMITED, _NO, PROVIDER_RATE_LIMITED, "Not asked: its `limits` in the route are reached."
    )
    QUOTA_EXHAUSTED = _Row(
        "quota_exhausted", _C.QUOTA_EXHAUSTED, _KEY, PROVIDER_FAILED, "402, or it says that nothing is left to pay."
    )
    UNAUTHENTICATED = _Row("unauthenticated", _C.AUTH, _KEY, PROVIDER_FAILED, "401 or 403: the key is not taken.")
    NOT_FOUND = _Row("not_found", _C.AUTH, _KEY, PROVIDER_FAILED, "404: no such model, or none for this key.")
    CREDENTIAL_UNUSABLE = _Row(
        "credential_unusable",
        _C.AUTH,
        _KEY,
        PROVIDER_FAILED,
        "The key is missing, or its Secret does not name the host; nothing was sent.",
    )
    DESTINATION_REFUSED = _Row(
        "destination_refused",
        _C.AUTH,
        _NO,
        NO_PROVIDER_ALLOWED,
        "Policy or address forbid the connection; nothing was sent.",
    )
    CONTEXT_WINDOW = _Row(
        "context_window", _C.CONTEXT_WINDOW, _NO, CONTEXT_TOO_LONG, "The input does not fit into the model's context."
    )
    CONTENT_FILTER = _Row(
        "content_filter", _C.CONTENT_FILTER, _NO, CONTENT_FILTERED, "The provider's content filter refuses the turn."
    )
    REJECTED = _Row(
        "rejected", _C.INVALID, _NO, PROVIDER_REJECTED, "Another 4xx: the provider finds the request invalid."
    )
    CONNECT_TIMEOUT = _Row(
        "connect_timeout", _C.TIMEOUT, _RETRY | _TRIPS, PROVIDER_TIMEOUT, "`timeouts.connect` passed."
    )
    FIRST_TOKEN_TIMEOUT = _Row(
        "first_token_timeout", _C.TIMEOUT, _TRIPS, PROVIDER_TIMEOUT, "`timeouts.firstToken` passed."
    )
    IDLE_TIMEOUT = _Row(
        "idle_timeout", _C.TIMEOUT, _TRIPS, PROVIDER_TIMEOUT, "`timeouts.idle` passed between two deltas."
    )
    ATTEMPT_TIMEOUT = _Row("attempt_timeout", _C.TIMEOUT, _TRIPS, PROVIDER_TIMEOUT, "`timeouts.attempt` passed.")
    SLOW_STREAM = _Row(
        "slow_stream", _C.SLOW_STREAM, _TRIPS, PROVIDER_TIMEOUT, "Slower than `timeouts.minBytesPerSecond`."
    )
    INCOMPLETE = _Row(
        "incomplete", _C.TRUNCATED, _RETRY | _TRIPS, PROVIDER_FAILED, "The answer ended without a finish reason."
    )
    ABANDONED = _Row(
        "abandoned",
        _C.CANCELLED,
        _NO,
        None,
        "The turn ended first: caller gone, time over, a Deny. The request is cut.",
    )

    @property
    def word(self) -> str:
        return self.value.word

    @property
    def kind(self) -> FailureClass:
        return self.value.kind

    @property
    def refusal(self) -> Refusal | None:
        return self.value.refusal

    @property
    def meaning(self) -> str:
        return self.value.meaning

    @property
    def retried(self) -> bool:
        return Column.RETRY in self.value.columns

    @property
    def of_key(self) -> bool:
        return Column.KEY in self.value.columns

    @property
    def trips(self) -> bool:
        return Column.BREAKER in self.value.columns
