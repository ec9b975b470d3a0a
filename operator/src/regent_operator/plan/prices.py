"""The price in force of each provider: what its route states, else what the dated table says, else none.

Resolved here, once, so that a pod needs no table and every record of a pod names the source of its prices. The table is
`prices.json`, made by tools/price_table.py from the data of genai-prices; nothing is ever fetched.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from regent_api.price import Price, PriceBand, ProviderPrice, amount
from regent_api.route import Provider, ProviderType
from regent_api.types import host_matches
from regent_operator.plan.hosts import host_of

STATED = "route"
"""Source of a price that the route states; the table's stands behind it where that had a say."""


def in_force(provider: Provider) -> ProviderPrice | None:
    """None: nobody knows what the provider costs."""
    known = listed(provider)
    if provider.price is None:
        return known
    if known is None:
        return ProviderPrice(source=STATED, bands=[_band(provider.price)])
    return ProviderPrice(source=f"{STATED}+{known.source}", bands=_above(provider.price, known.bands))


def listed(provider: Provider) -> ProviderPrice | None:
    """What the table says of the model at the provider's host. A Local provider stands in no table."""
    if provider.type is ProviderType.LOCAL:
        return None
    bands = _entry(host_of(provider.base_url), provider.model.lower()).bands
    return ProviderPrice(source=_table()["source"], bands=list(bands)) if bands else None


def listed_window(provider: Provider) -> int | None:
    """The context window of the model at the provider's host, in tokens; None: the table does not say."""
    if provider.type is ProviderType.LOCAL:
        return None
    return _entry(host_of(provider.base_url), provider.model.lower()).window


def price_errors(provider: Provider) -> Iterator[str]:
    """Why a stated price cannot be taken: one below the table's would let a budget last longer than the money."""
    known = listed(provider)
    if provider.price is None or known is None:
        return
    stated = provider.price.wire()
    for name, floor in _floors(known.bands[0]).items():
        if name in stated and amount(stated[name]) < amount(floor):
            yield (
                f"price.{name} is {stated[name]}, below {floor}, the price of {provider.model} in {known.source}; "
                f"write {floor} or more, or remove price"
            )


def _floors(band: PriceBand) -> dict[str, str]:
    return {
        "inputPerMillionTokens": band.input,
        "outputPerMillionTokens": band.output,
        "cachedInputPerMillionTokens": band.cached_input,
    }


def _band(stated: Price) -> PriceBand:
    dear = stated.input_per_million_tokens
    cached = stated.cached_input_per_million_tokens
    output = stated.output_per_million_tokens
    return PriceBand(input=dear, output=output, cached_input=cached or dear, cache_write=dear)


def _above(price: Price, bands: Sequence[PriceBand]) -> list[PriceBand]:
    """What is stated, where the table does not say more: for long requests, and for writing a provider's cache."""
    stated = _band(price)
    return [
        PriceBand(
            above=band.above,
            input=_dearer(stated.input, band.input),
            output=_dearer(stated.output, band.output),
            cached_input=_dearer(stated.cached_input, band.cached_input),
            cache_write=_dearer(stated.cache_write, band.cache_write),
        )
        for band in bands
    ]


def _dearer(one: str, other: str) -> str:
    return max(one, other, key=amount)


@cache
def _table() -> Any:
    return json.loads(resources.files(__package__).joinpath("prices.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Entry:
    """What the table says of a model; no bands: nothing of its price."""

    bands: tuple[PriceBand, ...] = ()
    window: int | None = None


@lru_cache(maxsize=4096)
def _entry(host: str, model: str) -> _Entry:
    """The first entry that speaks for the model: the host's own, then those whose models it offers too."""
    providers = _table()["providers"]
    own = next((each for each in providers.values() if any(host_matches(name, host) for name in each["hosts"])), None)
    if own is None:
        return _Entry()
    offered = [own, *(providers[name] for name in own["others"])]
    models = (entry for provider in offered for entry in provider["models"])
    found = next((entry for entry in models if _speaks_for(entry["match"], model)), None)
    return _Entry(tuple(_read(row) for row in found["bands"]), found.get("window")) if found else _Entry()


def _read(row: Sequence[str]) -> PriceBand:
    above, dear, output, cached, write = row
    return PriceBand(above=int(above), input=dear, output=output, cached_input=cached, cache_write=write)


def _speaks_for(clause: Sequence[Any], model: str) -> bool:
    kind, *operands = clause
    match kind:
        case "any":
            return any(_speaks_for(each, model) for each in operands)
        case "all":
            return all(_speaks_for(each, model) for each in operands)
        case "equals":
            return bool(model == operands[0])
        case "starts":
            return model.startswith(operands[0])
        case "ends":
            return model.endswith(operands[0])
        case "contains":
            return operands[0] in model
        case _:
            return re.search(operands[0], model) is not None
