"""The price of counted tokens, exact to the last digit: nothing is rounded, and no binary fraction takes part."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import TypeAlias

from regent_api.price import PriceBand, ProviderPrice, amount
from regent_runtime.wire.answer import Usage

_EXACT = Context(prec=64, traps=[Inexact, InvalidOperation, Overflow])
"""2**53 tokens at a rate of 15 digits need 31; a sum of thousands of turns a few more."""


Rates: TypeAlias = tuple[Decimal, Decimal, Decimal, Decimal]
"""USD for a million tokens: of input, of output, of input read from the cache, of input written into it."""


def price(prices: ProviderPrice, usage: Usage) -> Decimal | None:
    """USD. The band is that of the whole input, and holds for every token of the request.

    None where the parts of the input exceed it: such a count says nothing.
    """
    fresh = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    if fresh < 0:
        return None
    rates = _rates(band(prices, usage.prompt_tokens))
    counts = (fresh, usage.completion_tokens, usage.cached_tokens, usage.cache_write_tokens)
    return total(_EXACT.multiply(rate, count) for rate, count in zip(rates, counts, strict=True)).scaleb(-6, _EXACT)


def band(prices: ProviderPrice, input_tokens: int) -> PriceBand:
    """The last one that the input is above; of an empty input the first."""
    reached = [each for each in prices.bands if input_tokens > each.above]
    return reached[-1] if reached else prices.bands[0]


def most(prices: ProviderPrice, input_tokens: int, output_tokens: int) -> Decimal:
    """USD that no request of at most so many tokens costs more than, whatever of it is cached or written there.

    Any band below the bound may turn out to be the one, and its rates need not be the lower ones.
    """
    possible = [each for each in prices.bands if input_tokens > each.above] or prices.bands[:1]
    dearest_input = max(max(_rates(each)[0], *_rates(each)[2:]) for each in possible)
    dearest_output = max(_rates(each)[1] for each in possible)
    counted = (_EXACT.multiply(dearest_input, input_tokens), _EXACT.multiply(dearest_output, output_tokens))
    return total(counted).scaleb(-6, _EXACT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their exact sum."""
    whole = Decimal(0)
    for each in amounts:
        whole = _EXACT.add(whole, each)
    return whole


@lru_cache(maxsize=256)
def _read(dear: str, output: str, cached: str, write: str) -> Rates:
    return amount(dear), amount(output), amount(cached), amount(write)


def _rates(band: PriceBand) -> Rates:
    return _read(band.input, band.output, band.cached_input, band.cache_write)
