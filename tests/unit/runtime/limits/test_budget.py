"""What a grant pays for: no request within it costs more, and one more token might."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from regent_api.price import ProviderPrice
from regent_runtime.cost.price import most
from regent_runtime.limits.budget import nanos, output_tokens_for
from regent_runtime.state.contract import NANOS
from tests.unit.runtime.cost.test_price import prices_of, tiered

inputs = st.integers(0, 400_000)
GPT = prices_of([(0, ("1.25", "10", "0.125", "1.25"))])


def test_money_is_counted_in_billionths_and_never_less_than_was_spent() -> None:
    assert nanos(Decimal(1)) == NANOS
    assert nanos(Decimal("0.000000001")) == 1
    assert nanos(Decimal("0.000000000001")) == 1
    assert nanos(Decimal(0)) == 0


def test_what_the_input_leaves_goes_into_the_answer() -> None:
    assert output_tokens_for(GPT, 1000, nanos(Decimal("0.00225"))) == 100


@given(tiered, inputs, st.integers(64, 10_000), st.integers(1, 10_000))
def test_a_cap_that_was_shrunk_is_paid_by_the_grant_and_is_the_largest_that_is(
    prices: ProviderPrice, tokens: int, least: int, more: int
) -> None:
    below, above = (nanos(most(prices, tokens, cap)) for cap in (least, least + more))
    if above == below:
        return
    granted = (below + above) // 2
    cap = output_tokens_for(prices, tokens, granted)
    assert least <= cap <= least + more
    assert nanos(most(prices, tokens, cap)) <= granted
    assert nanos(most(prices, tokens, cap + 1)) >= granted
