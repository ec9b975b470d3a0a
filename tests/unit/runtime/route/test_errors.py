import pytest

from regent_runtime.route.errors import (
    LONGEST_RETRY_AFTER,
    Failure,
    ProviderError,
    failure_of_status,
    refused,
    seconds_to_wait,
)


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_words_for_the_caller(failure: Failure) -> None:
    why = refused([ProviderError(failure)])
    assert why.refusal is failure.refusal
    assert why.message.endswith(".")


def test_failures_of_several_kinds_are_just_failures() -> None:
    errors = [ProviderError(Failure.RATE_LIMITED, retry_after=5), ProviderError(Failure.CONNECT)]
    assert refused(errors).refusal.code == "provider_failed"


def test_the_soonest_retry_is_told() -> None:
    errors = [ProviderError(Failure.RATE_LIMITED, retry_after=5), ProviderError(Failure.RATE_LIMITED, retry_after=2)]
    assert refused(errors).retry_after == 2


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (301, b"", Failure.REDIRECTED),
        (400, b"", Failure.REJECTED),
        (400, b'{"error":{"type":"exceed_context_size_error"}}', Failure.CONTEXT_WINDOW),
        (400, b'{"error":{"code":"context_length_exceeded"}}', Failure.CONTEXT_WINDOW),
        (401, b"", Failure.UNAUTHENTICATED),
        (402, b"", Failure.QUOTA_EXHAUSTED),
        (403, b"", Failure.UNAUTHENTICATED),
        (404, b"", Failure.NOT_FOUND),
        (418, b"", Failure.REJECTED),
        (429, b"", Failure.RATE_LIMITED),
        (429, b'{"error":{"code":"insufficient_quota"}}', Failure.QUOTA_EXHAUSTED),
        (500, b"", Failure.SERVER_ERROR),
        (599, b"", Failure.SERVER_ERROR),
    ],
)
def test_the_class_of_a_status(status: int, body: bytes, failure: Failure) -> None:
    assert failure_of_status(status, body) is failure


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3),
        ("0.5", 0.5),
        ("-1", None),
        ("soon", None),
        ("nan", None),
        ("inf", LONGEST_RETRY_AFTER),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("100000", LONGEST_RETRY_AFTER),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header) == seconds
