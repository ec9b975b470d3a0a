import pytest

from regent_api.attempting import FailureClass
from regent_runtime.route.errors import ProviderError, listed, reference, refused
from regent_runtime.route.failure import Failure


@pytest.mark.parametrize("failure", set(Failure) - {Failure.ABANDONED})
def test_every_failure_has_words_for_the_caller(failure: Failure) -> None:
    why = refused([ProviderError(failure)])
    assert why.refusal is failure.refusal
    assert why.message.endswith(".")


def test_failures_of_several_kinds_are_just_failures() -> None:
    errors = [ProviderError(Failure.RATE_LIMITED, retry_after=5), ProviderError(Failure.CONNECT)]
    assert refused(errors).refusal.code == "provider_failed"


@pytest.mark.parametrize("also", [Failure.CONNECT, Failure.RATE_LIMITED, Failure.CONTENT_FILTER])
def test_a_content_filters_refusal_is_told_whatever_else_failed(also: Failure) -> None:
    why = refused([ProviderError(Failure.CONTENT_FILTER), ProviderError(also, retry_after=5)])
    assert (why.refusal.code, why.refusal.retry, why.retry_after) == ("content_filter", False, None)


def test_the_soonest_retry_is_told() -> None:
    errors = [ProviderError(Failure.RATE_LIMITED, retry_after=5), ProviderError(Failure.RATE_LIMITED, retry_after=2)]
    assert refused(errors).retry_after == 2


def test_the_reference_has_a_row_for_every_failure_and_every_class() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| ") and "`" in line]
    assert [line.split("`")[1] for line in rows] == [each.word for each in Failure]
    assert {line.split(" ")[1] for line in rows} == set(FailureClass)


def test_the_table_of_a_pod_is_its_routes() -> None:
    asked = {row["failure"] for row in listed({FailureClass.AUTH}) if row["fallback"]}
    assert asked == {each.word for each in Failure if each.kind is FailureClass.AUTH}
