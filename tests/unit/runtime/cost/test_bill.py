from decimal import Decimal

import pytest

from regent_api.config import ProviderConfig
from regent_api.price import PriceBand, ProviderPrice
from regent_runtime.cost.bill import Bill, Cost, together
from regent_runtime.cost.bound import UNSEEN_TOKENS
from regent_runtime.record import TurnRecord
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.wire.answer import Chunk, Usage

PRICE = ProviderPrice(source="route", bands=[PriceBand(input="1", output="10", cached_input="0.1", cache_write="1.25")])
USAGE = Usage(100, 20, 120)
AT_MOST = Decimal("1.25") * (1000 + UNSEEN_TOKENS) / 1_000_000 + Decimal(10) * 50 / 1_000_000
"""Of a body of 1000 bytes and an output cap of 50: all of it might be written into a cache."""


def provider(price: ProviderPrice | None = PRICE) -> ProviderConfig:
    return ProviderConfig.model_validate(
        {
            "name": "cloud",
            "type": "OpenAI",
            "baseURL": "https://api.openai.com/v1",
            "api": "ChatCompletions",
            "model": "gpt-5",
            "maxSensitivity": "Internal",
            "price": price,
        }
    )


def bill(price: ProviderPrice | None = PRICE) -> Bill:
    return Bill(provider(price), b"x" * 1000, 50, sent=True)


def after(*chunks: Chunk, price: ProviderPrice | None = PRICE) -> Cost:
    made = bill(price)
    for chunk in chunks:
        made.saw(chunk)
    return made.cost()


def failed(failure: Failure, *chunks: Chunk) -> Cost:
    record = TurnRecord()
    attempted = record.attempt(bill())
    for chunk in chunks:
        attempted.bill.saw(chunk)
    attempted.failed(ProviderError(failure))
    return record.cost()


def test_an_answer_costs_what_was_counted() -> None:
    assert after(Chunk("Hi"), Chunk(finish_reason="stop"), Chunk(usage=USAGE)) == Cost(Decimal("0.0003"))


def test_a_plain_answer_counts_with_its_end() -> None:
    assert after(Chunk("Hi", finish_reason="stop", usage=USAGE)) == Cost(Decimal("0.0003"))


def test_without_a_count_the_cost_is_unknown_and_bounded() -> None:
    assert after(Chunk("Hi"), Chunk(finish_reason="stop")) == Cost(None, "usage_unknown", AT_MOST)


def test_a_count_before_the_end_is_not_the_last_one() -> None:
    assert after(Chunk(usage=Usage(100, 1, 101)), Chunk("Hi")) == Cost(None, "usage_unknown", AT_MOST)


def test_without_a_price_the_cost_is_unknown_and_has_no_bound() -> None:
    assert after(Chunk("Hi", finish_reason="stop", usage=USAGE), price=None) == Cost(None, "price_unknown")


def test_a_count_of_parts_beyond_the_whole_is_not_believed() -> None:
    odd = Usage(10, 0, 10, cached_tokens=6, cache_write_tokens=5)
    assert after(Chunk("Hi", finish_reason="stop", usage=odd)) == Cost(None, "usage_implausible", AT_MOST)


def test_what_was_not_sent_costs_nothing() -> None:
    assert Bill(provider(), b"x" * 1000, 50).cost() == Cost(Decimal(0))


def test_an_attempt_that_was_given_up_is_unknown() -> None:
    assert bill().cost() == Cost(None, "usage_unknown", AT_MOST)


@pytest.mark.parametrize("failure", [Failure.CONNECT, Failure.RATE_LIMITED, Failure.DESTINATION_REFUSED])
def test_what_a_provider_refused_before_it_worked_costs_nothing(failure: Failure) -> None:
    assert failed(failure) == Cost(Decimal(0))


@pytest.mark.parametrize("failure", [Failure.DISCONNECTED, Failure.FIRST_TOKEN_TIMEOUT, Failure.SERVER_ERROR])
def test_what_a_provider_may_have_worked_on_is_unknown(failure: Failure) -> None:
    assert failed(failure) == Cost(None, "usage_unknown", AT_MOST)


def test_an_error_within_an_answer_does_not_make_it_free() -> None:
    assert failed(Failure.RATE_LIMITED, Chunk("Hi")) == Cost(None, "usage_unknown", AT_MOST)


def test_several_attempts_cost_their_sum() -> None:
    assert together([Cost(Decimal("0.1")), Cost(Decimal("0.02"))]) == Cost(Decimal("0.12"))
    assert together([]) == Cost(Decimal(0))


def test_one_unknown_attempt_makes_the_sum_unknown_and_keeps_a_bound_where_each_has_one() -> None:
    unknown = Cost(None, "usage_unknown", Decimal(2))
    assert together([Cost(Decimal(1)), unknown]) == Cost(None, "usage_unknown", Decimal(3))
    assert together([unknown, Cost(None, "price_unknown")]) == Cost(None, "usage_unknown", None)


def test_a_provider_that_is_at_work_has_begun() -> None:
    made = bill()
    made.free = True
    made.saw(Chunk(working=True))
    assert made.cost() == Cost(None, "usage_unknown", AT_MOST)
