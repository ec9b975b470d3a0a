"""Makes the table of prices and windows from the data that the package genai-prices bundles, as they are on DATE.

Left out of the table is what a pod cannot count exactly: prices by the time of day, for a request, for images made.
Such a model stays in the table without a price, so that no other entry speaks for it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from genai_prices import types
from genai_prices.data import providers as published

DATE = "2026-11-26"
"""Prices that begin later are not in the table; set it anew with each version of the package."""
HOSTS = {
    "anthropic": ["api.anthropic.com"],
    "azure": ["*.openai.azure.com", "*.services.ai.azure.com", "*.cognitiveservices.azure.com"],
    "cerebras": ["api.cerebras.ai"],
    "deepseek": ["api.deepseek.com"],
    "fireworks": ["api.fireworks.ai"],
    "google": ["generativelanguage.googleapis.com"],
    "groq": ["api.groq.com"],
    "mistral": ["api.mistral.ai"],
    "moonshotai": ["api.moonshot.ai", "api.moonshot.cn"],
    "openai": ["api.openai.com"],
    "together": ["api.together.xyz"],
    "x-ai": ["api.x.ai"],
}
"""Provider of the package -> the hosts that are its own. Aggregators and subscriptions have no price of a model."""
COUNTED = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
NEVER_ASKED_FOR = {
    "cache_write_1h_mtok",
    "cache_audio_read_mtok",
    "input_audio_mtok",
    "input_video_mtok",
    "storage_searches_kcount",
    "web_searches_kcount",
}
"""Prices of things that no request of the runtime contains."""


def text() -> str:
    """The table as JSON, a line for each model."""
    by_name = {provider.id: provider for provider in published}
    source = f"genai-prices/{version('genai-prices')}@{DATE}"
    parts = [_provider(by_name[name], hosts) for name, hosts in HOSTS.items()]
    return f'{{"source": {json.dumps(source)}, "providers": {{\n' + ",\n".join(parts) + "\n}}\n"


def _provider(provider: types.Provider, hosts: list[str]) -> str:
    others = [name for name in provider.fallback_model_providers or [] if name in HOSTS]
    models = ",\n".join(json.dumps(_model(model)) for model in provider.models)
    head = f'"hosts": {json.dumps(hosts)}, "others": {json.dumps(others)}'
    return f'{json.dumps(provider.id)}: {{{head}, "models": [\n{models}\n]}}'


def _model(model: types.ModelInfo) -> dict[str, Any]:
    window = {} if model.context_window is None else {"window": model.context_window}
    return {"match": _clause(model.match), "bands": list(_bands(model)), **window}


def _bands(model: types.ModelInfo) -> Iterator[list[str]]:
    """Each [above, input, output, cached input, cache write]; nothing where the price cannot be counted."""
    if _by_time_of_day(model):
        return
    stated = {key: price for key, price in vars(_on_date(model)).items() if price is not None}
    if not {"input_mtok", "output_mtok"} <= stated.keys() or stated.keys() - {*COUNTED, *NEVER_ASKED_FOR}:
        return
    starts = {tier.start for key in COUNTED for tier in getattr(stated.get(key), "tiers", ())}
    for above in sorted({0, *starts}):
        rates = {key: _rate(price, above) for key, price in stated.items() if key in COUNTED}
        yield [
            str(above),
            f"{rates['input_mtok']:f}",
            f"{rates['output_mtok']:f}",
            f"{rates.get('cache_read_mtok', rates['input_mtok']):f}",
            f"{rates.get('cache_write_mtok', rates['input_mtok']):f}",
        ]


def _by_time_of_day(model: types.ModelInfo) -> bool:
    conditional = model.prices if isinstance(model.prices, list) else []
    return any(isinstance(price.constraint, types.TimeOfDateConstraint) for price in conditional)


def _on_date(model: types.ModelInfo) -> types.ModelPrice:
    return model.get_prices(datetime.fromisoformat(DATE).replace(tzinfo=UTC))


def _rate(price: Decimal | types.TieredPrices, above: int) -> Decimal:
    """Of a request with one token more than `above`."""
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return reached[-1] if reached else price.base


def _clause(clause: Any) -> list[Any]:
    match clause:
        case types.ClauseEquals():
            return ["equals", clause.equals.lower()]
        case types.ClauseStartsWith():
            return ["starts", clause.starts_with.lower()]
        case types.ClauseEndsWith():
            return ["ends", clause.ends_with.lower()]
        case types.ClauseContains():
            return ["contains", clause.contains.lower()]
        case types.ClauseRegex():
            return ["regex", clause.regex]
        case types.ClauseOr():
            return ["any", *map(_clause, clause.or_)]
        case types.ClauseAnd():
            return ["all", *map(_clause, clause.and_)]
        case _:
            raise TypeError(f"an unknown clause: {type(clause).__name__}")
