"""The bill of one attempt: what it cost, or why nobody can say and what it costs at the most.

What is unknown is never zero. Zero is what did not reach a provider, and what one refused before it began an answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from regent_api.config import ProviderConfig
from regent_api.price import ProviderPrice
from regent_runtime.cost.bound import input_tokens_at_most
from regent_runtime.cost.pictures import images_at_most
from regent_runtime.cost.price import most, price, total
from regent_runtime.wire.answer import Chunk, Usage
from regent_runtime.wire.images import Image

NOTHING = Decimal(0)
PRICE_UNKNOWN = "price_unknown"
USAGE_UNKNOWN = "usage_unknown"
USAGE_IMPLAUSIBLE = "usage_implausible"
"""The provider counts more of a part than of the whole."""
UNSETTLED = "unsettled"
"""What it cost is known, and the budgets could not be told in time, or at all: they keep what was reserved."""


@dataclass(frozen=True, slots=True)
class Cost:
    """USD. `usd` is exact; where it is None, `why` is a word of this module, and `at_most` bounds it if a price
    and a bound of the tokens are known.
    """

    usd: Decimal | None = NOTHING
    why: str = ""
    at_most: Decimal | None = None


@dataclass(slots=True)
class Bill:
    """Filled as an attempt goes. `provider` and the request are what it was sent to and with."""

    provider: ProviderConfig
    body: bytes
    output_cap: int
    images: Sequence[Image] = ()
    """Of the request: their tokens do not follow from their bytes."""
    sent: bool = False
    """Whether the request was on its way; nothing is charged before."""
    usage: Usage | None = None
    began: bool = False
    """Whether the provider has said anything of an answer."""
    finished: bool = False
    free: bool = False
    """The attempt failed in a way for which no provider charges, if it had not begun."""
    counted: int | None = None
    """Tokens of the request by the tokenizer of its model, where that was asked."""
    kept: Decimal | None = None
    """What the budgets keep of it because they could not be told what it cost; None: they were."""
    bound: Decimal | None = None
    """`at_most`, once it was asked for."""

    @property
    def source(self) -> str:
        """Where the price is from; empty where there is none."""
        return self.provider.price.source if self.provider.price else ""

    def saw(self, chunk: Chunk) -> None:
        """A count that comes before the end of an answer is not the last one: it says too little."""
        self.began = True
        self.finished = self.finished or chunk.finish_reason is not None
        if chunk.usage is not None and self.finished:
            self.usage = chunk.usage

    def cost(self) -> Cost:
        """As far as is known now."""
        if self.kept is not None:
            return Cost(None, UNSETTLED, self.kept)
        if not self.sent or (self.free and not self.began):
            return Cost()
        prices = self.provider.price
        if prices is None:
            return Cost(None, PRICE_UNKNOWN)
        if self.usage is None:
            return Cost(None, USAGE_UNKNOWN, self._at_most(prices))
        usd = price(prices, self.usage)
        return Cost(usd) if usd is not None else Cost(None, USAGE_IMPLAUSIBLE, self._at_most(prices))

    def _at_most(self, prices: ProviderPrice) -> Decimal | None:
        if self.bound is None:
            tokens = self.input_at_most()
            self.bound = most(prices, tokens, self.output_cap) if tokens is not None else None
        return self.bound

    def input_at_most(self) -> int | None:
        """Tokens of the request; None: of its images nobody knows."""
        if self.counted is not None:
            return self.counted
        of_images = images_at_most(self.images, self.provider)
        if of_images is None:
            return None
        text = self.body
        for image in self.images:
            text = text.replace(image.data.encode(), b"", 1)
        return input_tokens_at_most(text) + of_images


def together(costs: Iterable[Cost]) -> Cost:
    """Of several attempts; unknown where one is. Attempts whose cost is known enter the bound with that."""
    each = list(costs)
    unknown = [cost for cost in each if cost.usd is None]
    if not unknown:
        return Cost(total(cost.usd for cost in each if cost.usd is not None))
    bounds = [cost.at_most if cost.usd is None else cost.usd for cost in each]
    known = [bound for bound in bounds if bound is not None]
    return Cost(None, unknown[0].why, total(known) if len(known) == len(bounds) else None)
