"""How many input tokens an image counts as, at the most, by the public rules of those who count.

Providers shrink large images before they count. How far changes from model to model, so nothing is taken off for it:
each bound is that of the image as it is. Sources: OpenAI's guide on images and vision (tiles of 512 pixels after
fitting into 768 x 2048: eight at the most; patches of 32 pixels, times a factor by model), Anthropic's on vision (one
token for 750 pixels, later for a patch of 28 x 28).
"""

import re
from collections.abc import Callable, Iterable
from math import ceil

from regent_api.config import ProviderConfig
from regent_api.price import ProviderPrice, amount
from regent_api.route import ProviderType
from regent_runtime.wire.images import PATCH, Image

Rule = Callable[[Image], int]

_MOST_TILES = 8
_OPENAI_PATCH = 32
_LARGEST_FACTOR = 2.46
"""Of a patch: gpt-4.1-nano's and gpt-5-nano's."""


def images_at_most(images: Iterable[Image], provider: ProviderConfig) -> int | None:
    """Tokens of all together. None: nobody knows, and it matters to the price."""
    counts = [_at_most(image, provider) for image in images]
    return sum(count for count in counts if count is not None) if None not in counts else None


def _at_most(image: Image, provider: ProviderConfig) -> int | None:
    """A stated bound may raise the rule's, never lower it: budgets are not the route's author's to stretch."""
    rule, stated = _rule(provider), provider.capabilities.image_tokens
    known = [count for count in (rule(image) if rule else None, stated) if count is not None]
    if known:
        return max(known)
    return 0 if provider.price and _input_is_free(provider.price) else None


def _rule(provider: ProviderConfig) -> Rule | None:
    rules = _RULES.get(provider.type, ())
    return next((rule for names, rule in rules if names.match(provider.model)), None)


def _large_tiles(_image: Image) -> int:
    return 2833 + 5667 * _MOST_TILES


def _tiles_or_patches(image: Image) -> int:
    return max(85 + 170 * _MOST_TILES, ceil(image.squares(_OPENAI_PATCH) * _LARGEST_FACTOR))


def _pixels(image: Image) -> int:
    return max(image.squares(PATCH), ceil(image.width * image.height / 750))


_OPENAI: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"gpt-4o-mini"), _large_tiles),
    (re.compile(r"(chat)?gpt-(4o|4-turbo|4\.1|4\.5|5)|o1|o3|o4-mini|computer-use-preview"), _tiles_or_patches),
)
_RULES: dict[ProviderType, tuple[tuple[re.Pattern[str], Rule], ...]] = {
    ProviderType.OPENAI: _OPENAI,
    ProviderType.AZURE_OPENAI: _OPENAI,
    ProviderType.ANTHROPIC: ((re.compile(r"claude-(3|(opus|sonnet|haiku)-[45])"), _pixels),),
}
"""By how a model's name begins: the models that the guides name. Of others nothing is known."""


def _input_is_free(prices: ProviderPrice) -> bool:
    return all(amount(rate) == 0 for band in prices.bands for rate in (band.input, band.cached_input, band.cache_write))
