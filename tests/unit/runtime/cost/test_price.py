"""The laws of prices: hypothesis draws price lists and counts."""

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from regent_api.price import PriceBand, ProviderPrice, words
from regent_runtime.cost.price import band, most, price, total
from regent_runtime.wire.answer import MOST_TOKENS, Usage

amounts = st.decimals(min_value=0, max_value=999_999, places=9).map(words)
rates = st.tuples(amounts, amounts, amounts, amounts)
counts = st.one_of(st.integers(0, 2_000), st.integers(0, 2_000_000), st.integers(0, MOST_TOKENS))


def prices_of(rows: list[tuple[int, tuple[str, str, str, str]]]) -> ProviderPrice:
    bands = [PriceBand(above=above, input=i, output=o, cached_input=c, cache_write=w) for above, (i, o, c, w) in rows]
    return ProviderPrice(source="route", bands=bands)


flat = rates.map(lambda one: prices_of([(0, one)]))
tiered = st.builds(
    lambda first, others: prices_of([(0, first), *sorted(others.items())]),
    rates,
    st.dictionaries(st.integers(1, 1_000_000), rates, max_size=4),
)
rising = st.lists(st.lists(amounts, min_size=1, max_size=5), min_size=4, max_size=4).map(
    lambda columns: prices_of(
        [
            (100 * row, tuple(sorted(column, key=Decimal)[min(row, len(column) - 1)] for column in columns))
            for row in range(max(map(len, columns)))
        ]
    )
)
"""Rates that only grow with the input, as those of all providers do."""


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt, completion = draw(counts), draw(counts)
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached))
    return Usage(prompt, completion, prompt + completion, cached_tokens=cached, cache_write_tokens=written)


def of(prices: ProviderPrice, usage: Usage) -> Decimal:
    cost = price(prices, usage)
    assert cost is not None
    return cost


GPT = prices_of([(0, ("2.5", "15", "0.25", "2.5")), (272_000, ("5", "22.5", "0.5", "5"))])


def test_a_million_tokens_cost_the_rate() -> None:
    assert of(prices_of([(0, ("2.5", "10", "1", "3"))]), Usage(1_000_000, 0, 1_000_000)) == Decimal("2.5")
    assert of(prices_of([(0, ("2.5", "10", "1", "3"))]), Usage(0, 1_000_000, 1_000_000)) == Decimal(10)


def test_each_part_of_the_input_has_its_own_rate() -> None:
    usage = Usage(60, 0, 60, cached_tokens=20, cache_write_tokens=30)
    assert of(prices_of([(0, ("1", "0", "100", "10000"))]), usage) == Decimal("0.30201")


def test_tokens_of_reasoning_are_paid_once() -> None:
    assert of(GPT, Usage(0, 10, 10, reasoning_tokens=8)) == of(GPT, Usage(0, 10, 10))


def test_a_band_begins_above_its_bound_and_holds_for_every_token() -> None:
    assert of(GPT, Usage(272_000, 1000, 273_000)) == Decimal("0.695")
    assert of(GPT, Usage(272_001, 1000, 273_001)) == Decimal("1.382505")
    assert band(GPT, 0) is GPT.bands[0]


def test_a_count_whose_parts_exceed_it_has_no_price() -> None:
    assert price(GPT, Usage(10, 0, 10, cached_tokens=6, cache_write_tokens=5)) is None


@given(tiered, usages())
def test_no_price_is_negative(prices: ProviderPrice, usage: Usage) -> None:
    assert of(prices, usage) >= 0


@given(tiered, usages())
def test_a_price_is_exact(prices: ProviderPrice, usage: Usage) -> None:
    from_fractions = of_fractions(prices, usage)
    assert of(prices, usage) == from_fractions


def of_fractions(prices: ProviderPrice, usage: Usage) -> Decimal:
    """The same by whole numbers of billionths of a millionth."""
    reached = [each for each in prices.bands if each.above < usage.prompt_tokens] or prices.bands[:1]
    rate = {
        name: int(Decimal(getattr(reached[-1], name)).scaleb(9)) for name in PriceBand.model_fields if name != "above"
    }
    fresh = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    units = (
        fresh * rate["input"]
        + usage.cached_tokens * rate["cached_input"]
        + usage.cache_write_tokens * rate["cache_write"]
        + usage.completion_tokens * rate["output"]
    )
    with localcontext(prec=80):
        return Decimal(units).scaleb(-15)


@given(rising, usages(), st.integers(0, 1000), st.integers(0, 1000))
def test_more_tokens_never_cost_less(prices: ProviderPrice, usage: Usage, fresh: int, output: int) -> None:
    more = Usage(
        usage.prompt_tokens + fresh,
        usage.completion_tokens + output,
        usage.total_tokens + fresh + output,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    assert of(prices, more) >= of(prices, usage)


@given(flat, usages(), usages())
def test_the_price_of_two_requests_is_that_of_their_tokens_together(
    prices: ProviderPrice, one: Usage, other: Usage
) -> None:
    together = Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.total_tokens + other.total_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
    )
    assert total([of(prices, one), of(prices, other)]) == of(prices, together)


@given(tiered, usages(), st.integers(0, 1000), st.integers(0, 1000))
def test_no_request_within_the_bound_costs_more_than_the_bound(
    prices: ProviderPrice, usage: Usage, less_input: int, less_output: int
) -> None:
    bound = most(prices, usage.prompt_tokens + less_input, usage.completion_tokens + less_output)
    assert of(prices, usage) <= bound


def test_the_bound_takes_a_dearer_band_only_where_it_can_be_reached() -> None:
    assert most(GPT, 272_000, 1000) == Decimal("0.695")
    assert most(GPT, 272_001, 1000) == Decimal("1.382505")
    assert most(prices_of([(0, ("1", "2", "3", "4"))]), 1_000_000, 0) == Decimal(4)


@given(st.decimals(min_value=0, max_value=10**12, places=15))
def test_words_say_the_amount_and_nothing_else(amount: Decimal) -> None:
    said = words(amount)
    assert Decimal(said) == amount
    assert "E" not in said
    assert not (said.endswith("0") and "." in said)
