"""The bound of an image's tokens: never below what the providers' public rules come to."""

from math import ceil, sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import ProviderConfig
from regent_runtime.cost.bill import Bill
from regent_runtime.cost.bound import UNSEEN_TOKENS
from regent_runtime.cost.pictures import images_at_most
from regent_runtime.wire.images import Image
from tests.fakes import configs

sides = st.integers(1, 8000)
FREE = {"source": "route", "bands": [{"input": "0", "output": "9", "cachedInput": "0", "cacheWrite": "0"}]}


def image(width: int, height: int, data: str = "") -> Image:
    return Image("image/png", data, width, height, "")


def provider(kind: str, model: str, **more: Any) -> ProviderConfig:
    made = configs.provider_config("p", "https://p.example/v1", type=kind, model=model, **more)
    return ProviderConfig.model_validate(made)


def bound(width: int, height: int, kind: str, model: str, **more: Any) -> int | None:
    return images_at_most([image(width, height)], provider(kind, model, **more))


def tiles(width: int, height: int, base: int, each: int) -> int:
    """OpenAI: into 2048 x 2048, then the shorter side to 768, then tiles of 512."""
    scale = min(1.0, 2048 / max(width, height))
    width, height = ceil(width * scale), ceil(height * scale)
    scale = min(1.0, 768 / min(width, height))
    return base + each * ceil(round(width * scale, 6) / 512) * ceil(round(height * scale, 6) / 512)


def patches(width: int, height: int, factor: float, budget: int) -> int:
    """OpenAI: patches of 32 pixels, scaled down into the budget."""
    count = ceil(width / 32) * ceil(height / 32)
    if count > budget:
        scale = sqrt(budget * 32**2 / (width * height))
        count = min(budget, ceil(width * scale / 32) * ceil(height * scale / 32))
    return ceil(count * factor)


@given(sides, sides)
def test_no_tile_of_openai_is_left_out(width: int, height: int) -> None:
    for model, base, each in (("gpt-4o", 85, 170), ("gpt-5", 70, 140), ("o1", 75, 150), ("gpt-4o-mini", 2833, 5667)):
        assert tiles(width, height, base, each) <= (bound(width, height, "OpenAI", model) or 0)


@given(sides, sides)
def test_no_patch_of_openai_is_left_out(width: int, height: int) -> None:
    for model, factor, budget in (("gpt-4.1-nano", 2.46, 1536), ("o4-mini", 1.72, 1536), ("gpt-5.4", 1.0, 10_000)):
        assert patches(width, height, factor, budget) <= (bound(width, height, "AzureOpenAI", model) or 0)


@given(sides, sides)
def test_no_pixel_of_anthropic_is_left_out(width: int, height: int) -> None:
    counted = bound(width, height, "Anthropic", "claude-opus-4-6") or 0
    assert counted >= width * height / 750
    assert counted >= ceil(width / 28) * ceil(height / 28)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("Local", "llava"),
        ("OpenAI", "brand-new"),
        ("OpenAI", "claude-opus-4-6"),
        ("Anthropic", "gpt-4o"),
        ("Local", "gpt-4o"),
    ],
)
def test_of_models_without_a_public_rule_nothing_is_known(kind: str, model: str) -> None:
    assert bound(1, 1, kind, model) is None
    assert images_at_most([], provider(kind, model)) == 0


def test_a_stated_bound_holds_where_no_rule_does_and_lowers_none() -> None:
    assert bound(9, 9, "Local", "llava", capabilities={"imageTokens": 4096}) == 4096
    assert bound(9, 9, "OpenAI", "gpt-4o-mini", capabilities={"imageTokens": 1}) == 48_169
    assert bound(9, 9, "OpenAI", "gpt-4o-mini", capabilities={"imageTokens": 50_000}) == 50_000


def test_where_input_is_free_nobody_needs_to_know() -> None:
    assert bound(9, 9, "Local", "llava", price=FREE) == 0


def test_of_a_request_the_words_count_by_bytes_and_the_images_by_the_rule() -> None:
    shown = image(28, 28, "A" * 5000)
    body = b'{"words": "' + b"x" * 100 + b'", "image": "' + shown.data.encode() + b'"}'
    bill = Bill(provider("Anthropic", "claude-opus-4-6"), body, 10, (shown,))
    assert bill.input_at_most() == len(body) - 5000 + UNSEEN_TOKENS + 2  # 784 pixels: two of 750
    assert Bill(provider("Local", "llava"), body, 10, (shown,)).input_at_most() is None
