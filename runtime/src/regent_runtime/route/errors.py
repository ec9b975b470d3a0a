"""How a provider can fail: the typed table, and what the caller learns when no provider is left.

`docs/reference/route-errors.md` is made from it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from regent_api.attempting import FALLBACK_DEFAULTS, FailureClass
from regent_runtime.refusals import (
    CONTENT_FILTERED,
    CONTEXT_TOO_LONG,
    NO_PROVIDER_ALLOWED,
    PROVIDER_FAILED,
    PROVIDER_RATE_LIMITED,
    PROVIDER_REJECTED,
    PROVIDER_TIMEOUT,
    Refusal,
    Refused,
)

_C = FailureClass


@dataclass(frozen=True)
class _Row:
    word: str
    """In logs, metrics and the audit."""
    kind: FailureClass
    refusal: Refusal
    meaning: str


class Failure(Enum):
    """The typed table."""

    CONNECT = _Row("connect", _C.TRANSIENT, PROVIDER_FAILED, "No connection: no address, refused, or TLS that fails.")
    UNANSWERED = _Row(
        "unanswered",
        _C.TRANSIENT,
        PROVIDER_FAILED,
        "A kept connection was closed before a byte of a reply; the request is sent once more.",
    )
    DISCONNECTED = _Row("disconnected", _C.TRANSIENT, PROVIDER_FAILED, "The connection was cut in a reply.")
    SERVER_ERROR = _Row("server_error", _C.TRANSIENT, PROVIDER_FAILED, "5xx, 408, 409, or an error in an answer.")
    OVERLOADED = _Row("overloaded", _C.TRANSIENT, PROVIDER_FAILED, "529, or the provider's word for it.")
    REDIRECTED = _Row("redirected", _C.TRANSIENT, PROVIDER_FAILED, "3xx; none is followed.")
    MALFORMED = _Row("malformed", _C.TRANSIENT, PROVIDER_FAILED, "The reply is no answer of the wire format.")
    TOO_LARGE = _Row("too_large", _C.TRANSIENT, PROVIDER_FAILED, "The answer is longer than its output cap can be.")
    RATE_LIMITED = _Row("rate_limited", _C.RATE_LIMITED, PROVIDER_RATE_LIMITED, "429, or the provider's word for it.")
    QUOTA_EXHAUSTED = _Row(
        "quota_exhausted", _C.QUOTA_EXHAUSTED, PROVIDER_FAILED, "402, or the provider says that nothing is left to pay."
    )
    UNAUTHENTICATED = _Row("unauthenticated", _C.AUTH, PROVIDER_FAILED, "401 or 403: the key is not taken.")
    NOT_FOUND = _Row("not_found", _C.AUTH, PROVIDER_FAILED, "404: no such model, or none for this key.")
    CREDENTIAL_UNUSABLE = _Row(
        "credential_unusable", _C.AUTH, PROVIDER_FAILED, "The key is missing, or its Secret does not name the host."
    )
    DESTINATION_REFUSED = _Row(
        "destination_refused", _C.AUTH, NO_PROVIDER_ALLOWED, "Policy or address forbid the connection; none was made."
    )
    CONTEXT_WINDOW = _Row(
        "context_window", _C.CONTEXT_WINDOW, CONTEXT_TOO_LONG, "The input does not fit into the model's context."
    )
    CONTENT_FILTER = _Row(
        "content_filter", _C.CONTENT_FILTER, CONTENT_FILTERED, "The provider's content filter refuses the turn."
    )
    REJECTED = _Row("rejected", _C.INVALID, PROVIDER_REJECTED, "Another 4xx: the provider finds the request invalid.")
    CONNECT_TIMEOUT = _Row("connect_timeout", _C.TIMEOUT, PROVIDER_TIMEOUT, "`timeouts.connect` passed.")
    FIRST_TOKEN_TIMEOUT = _Row("first_token_timeout", _C.TIMEOUT, PROVIDER_TIMEOUT, "`timeouts.firstToken` passed.")
    IDLE_TIMEOUT = _Row("idle_timeout", _C.TIMEOUT, PROVIDER_TIMEOUT, "`timeouts.idle` passed between two chunks.")
    ATTEMPT_TIMEOUT = _Row("attempt_timeout", _C.TIMEOUT, PROVIDER_TIMEOUT, "`timeouts.attempt` passed.")
    INCOMPLETE = _Row("incomplete", _C.TRUNCATED, PROVIDER_FAILED, "The answer ended without a finish reason.")

    @property
    def word(self) -> str:
        return self.value.word

    @property
    def kind(self) -> FailureClass:
        return self.value.kind

    @property
    def refusal(self) -> Refusal:
        return self.value.refusal

    @property
    def meaning(self) -> str:
        return self.value.meaning


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


_WORDS = {
    CONTENT_FILTERED: "The provider's content filter refuses this turn; change what is asked.",
    CONTEXT_TOO_LONG: "The input does not fit into the model's context window; send less.",
    NO_PROVIDER_ALLOWED: "The policy lets this turn reach none of the route's providers.",
    PROVIDER_FAILED: "No provider of the route could answer; try again later.",
    PROVIDER_RATE_LIMITED: "The providers of the route are at their limits; try again later.",
    PROVIDER_REJECTED: "The provider finds the request invalid.",
    PROVIDER_TIMEOUT: "No provider of the route answered in time; try again later.",
}


def refused(errors: Sequence[ProviderError]) -> Refused:
    """What the caller learns when no provider is left: their common class, else that they failed.

    A content filter's refusal is told whatever else failed: to try again would ask around it.
    """
    refusals = {error.failure.refusal for error in errors}
    refusal = refusals.pop() if len(refusals) == 1 else PROVIDER_FAILED
    if CONTENT_FILTERED in refusals:
        refusal = CONTENT_FILTERED
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return Refused(refusal, _WORDS[refusal], retry_after=min(waits, default=None) if refusal.retry else None)


def listed(on: Collection[FailureClass]) -> list[dict[str, Any]]:
    """The table for /statusz. `on`: the classes after which the route asks another provider."""
    return [{"class": row.kind, "failure": row.word, "fallback": row.kind in on} for row in Failure]


def reference() -> str:
    """The text of docs/reference/route-errors.md."""
    on = FALLBACK_DEFAULTS["on"]
    lines = [
        "<!-- Made by `python -m regent_runtime.route.errors`; do not edit. -->",
        "# How providers fail",
        "",
        "A failure is classed by the word that the provider's error bears (`error.code`, `error.type`, Azure's",
        "`innererror`), and by the status only where no such word is known. `fallback.on` of a ModelRoute names",
        "classes; the column says what holds where it is absent. The failure's word stands in the log, in",
        "`regent_attempts` and in the audit. `/statusz` of a pod shows this table as its route has it.",
        "",
        "| class | failure | meaning | fallback | the caller learns |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.kind} | `{row.word}` | {row.meaning} | {_yes(row.kind in on)} "
        f"| {row.refusal.status} `{row.refusal.code}` |"
        for row in Failure
    ]
    lines += [
        "| Cancelled | `abandoned` | The turn ended first: caller gone, time over, or a guard denied. | no | |",
        "",
        "When several providers failed in different ways, the caller learns 502 `provider_failed`; a refusal by a",
        "content filter is told whatever else failed.",
    ]
    return "\n".join(lines) + "\n"


def _yes(holds: bool) -> str:  # noqa: FBT001 - a word for a cell
    return "yes" if holds else "no"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - the text is the program's output
