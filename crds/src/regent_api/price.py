"""What a model costs: as an author states it, and as the operator hands it to a pod.

Amounts are decimal strings in USD for a million tokens; no price ever passes through a binary fraction.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, Model, Words

AMOUNT = r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?$"

Amount = Annotated[
    str,
    StringConstraints(pattern=AMOUNT, min_length=1, max_length=16),
    Words('an amount in USD as a string, such as "2.5" or "0": at most 6 digits before the point and 9 behind it'),
]


class Price(Model):
    """What the author of a route says that a model costs."""

    atomic = True
    input_per_million_tokens: Annotated[Amount, Field(description="USD for 1,000,000 input tokens.")]
    output_per_million_tokens: Annotated[
        Amount, Field(description="USD for 1,000,000 output tokens, those of reasoning included.")
    ]
    cached_input_per_million_tokens: Annotated[
        Amount | None,
        Field(description="USD for 1,000,000 input tokens read from the provider's cache; the input price if absent."),
    ] = None


class PriceBand(Model):
    """The rates of every token of a request that has more than `above` input tokens."""

    above: Annotated[int, Field(ge=0, description="Input tokens above which the band holds.")] = 0
    input: Annotated[Amount, Field(description="USD for 1,000,000 input tokens.")]
    output: Annotated[Amount, Field(description="USD for 1,000,000 output tokens.")]
    cached_input: Annotated[Amount, Field(description="USD for 1,000,000 tokens read from the provider's cache.")]
    cache_write: Annotated[Amount, Field(description="USD for 1,000,000 tokens written into the provider's cache.")]


class ProviderPrice(Model):
    """The price in force: stated and looked up once, by the operator."""

    source: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=64)],
        Field(description="`route`, the name, version and date of the table, or both where each had a say."),
    ]
    bands: Annotated[
        list[PriceBand],
        ATOMIC,
        Field(
            min_length=1, max_length=8, description="Rising; the first holds for every request that no other is for."
        ),
    ]


def amount(text: str) -> Decimal:
    """An Amount as a number. Raises decimal.InvalidOperation for anything else that is no number."""
    return Decimal(text)


def words(value: Decimal) -> str:
    """A sum of money in full: no exponent, no zeros behind the last digit that says something."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
