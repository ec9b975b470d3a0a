"""A provider's failure on its way up: what is raised, and what the caller learns when no provider is left."""

from collections.abc import Collection, Sequence
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
    Refused,
)
from regent_runtime.route.failure import Failure


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
    refusals = {error.failure.refusal for error in errors if error.failure.refusal is not None}
    refusal = refusals.pop() if len(refusals) == 1 else PROVIDER_FAILED
    if CONTENT_FILTERED in refusals:
        refusal = CONTENT_FILTERED
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return Refused(refusal, _WORDS[refusal], retry_after=min(waits, default=None) if refusal.retry else None)


def listed(names: Collection[FailureClass]) -> list[dict[str, Any]]:
    """The table for /statusz. `names`: the classes after which the route asks another provider."""
    return [
        {
            "class": row.kind,
            "failure": row.word,
            "retry": row.retried,
            "fallback": row.kind in names,
            "breaker": row.trips,
        }
        for row in Failure
    ]


def reference() -> str:
    """The text of docs/reference/route-errors.md."""
    names = FALLBACK_DEFAULTS["errors"]
    lines = [
        "<!-- Made by `python -m regent_runtime.route.errors`; do not edit. -->",
        "# How providers fail",
        "",
        "A failure is classed by the word that the provider's error bears (`error.code`, `error.type`, Azure's",
        "`innererror`), and by the status only where no such word is known. `fallback.errors` of a ModelRoute names",
        "classes; the column says what holds where it is absent. The failure's word stands in the log, in",
        "`regent_attempts` and in the audit. `/statusz` of a pod shows this table as its route has it.",
        "",
        "*retry*: whether the same provider may be asked again (`retries`). *breaker*: whether it counts against the",
        "provider (`circuitBreaker`). *key*: whether another of the provider's credentials is tried first.",
        "",
        "| class | failure | meaning | retry | key | fallback | breaker | the caller learns |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.kind} | `{row.word}` | {row.meaning} | {_yes(row.retried)} | {_yes(row.of_key)} "
        f"| {_yes(row.kind in names)} | {_yes(row.trips)} | {_told(row)} |"
        for row in Failure
    ]
    lines += [
        "",
        "When several providers failed in different ways, the caller learns 502 `provider_failed`; a refusal by a",
        "content filter is told whatever else failed.",
    ]
    return "\n".join(lines) + "\n"


def _told(row: Failure) -> str:
    return f"{row.refusal.status} `{row.refusal.code}`" if row.refusal else "nothing of it"


def _yes(holds: bool) -> str:  # noqa: FBT001 - a word for a cell
    return "yes" if holds else "no"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - the text is the program's output
