"""The table against the package that it was made from: the same price for the same tokens."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price
from genai_prices.data import providers as published

from regent_api.route import Provider
from regent_operator.plan.prices import listed, listed_window
from regent_runtime.cost.price import price
from regent_runtime.wire.answer import Usage

DATE = datetime(2026, 11, 26, tzinfo=UTC)
HOSTS = {
    "anthropic": "api.anthropic.com",
    "azure": "acme.openai.azure.com",
    "cerebras": "api.cerebras.ai",
    "deepseek": "api.deepseek.com",
    "fireworks": "api.fireworks.ai",
    "google": "generativelanguage.googleapis.com",
    "groq": "api.groq.com",
    "mistral": "api.mistral.ai",
    "moonshotai": "api.moonshot.ai",
    "openai": "api.openai.com",
    "together": "api.together.xyz",
    "x-ai": "api.x.ai",
}
LENGTHS = (1, 999, 100_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001, 1_000_000)


def provider(host: str, model: str) -> Provider:
    fields: dict[str, Any] = {"name": "cloud", "type": "OpenAI", "api": "ChatCompletions", "maxSensitivity": "Public"}
    return Provider.model_validate({**fields, "baseURL": f"https://{host}/v1", "model": model})


def usages() -> list[Usage]:
    chance = random.Random(1)
    drawn = []
    for prompt in LENGTHS:
        cached = chance.randint(0, prompt)
        written = chance.randint(0, prompt - cached)
        output = chance.randint(0, 100_000)
        drawn.append(
            Usage(prompt, output, prompt + output, cached_tokens=cached, cache_write_tokens=written),
        )
    return drawn


def theirs(name: str, model: str, usage: Usage) -> Any:
    counted = Counted(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return calc_price(counted, model, provider_id=name, genai_request_timestamp=DATE).total_price


@pytest.mark.parametrize("name", HOSTS)
def test_the_package_asks_the_same_for_the_same_tokens(name: str) -> None:
    own = next(each for each in published if each.id == name)
    priced = 0
    for model in sorted({known for entry in own.models for known in names(entry.match)}):
        prices = listed(provider(HOSTS[name], model))
        priced += prices is not None
        for usage in usages() if prices else ():
            assert prices is not None
            assert price(prices, usage) == theirs(name, model, usage), (model, usage)
    assert priced >= 3


@pytest.mark.parametrize("name", HOSTS)
def test_the_package_knows_the_same_windows(name: str) -> None:
    own = next(each for each in published if each.id == name)
    for model in sorted({known for entry in own.models for known in names(entry.match)}):
        found = own.find_model(model)
        assert found is not None
        assert listed_window(provider(HOSTS[name], model)) == found.context_window, model


def names(clause: Any) -> Iterator[str]:
    """Names that a clause of the package is written with, and that a route may bear."""
    for part in getattr(clause, "or_", None) or getattr(clause, "and_", None) or ():
        yield from names(part)
    name = getattr(clause, "equals", None) or getattr(clause, "starts_with", None)
    if name and len(name) <= 128 and _writable(name):
        yield name


def _writable(model: str) -> bool:
    return all(letter.isalnum() or letter in "-._:/@" for letter in model)
