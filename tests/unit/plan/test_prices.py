import json
from importlib import resources
from typing import Any

import pytest

from regent_api.price import PriceBand, ProviderPrice
from regent_api.route import Provider
from regent_operator import plan
from regent_operator.plan.acceptance import route_rejections
from regent_operator.plan.prices import in_force, listed, listed_window
from tests.unit.plan.samples import CLOUD, ONPREM, route

TABLE = "genai-prices/0.2.3@2026-11-26"
GPT_5 = PriceBand(input="1.25", output="10", cached_input="0.125", cache_write="1.25")
FREE = {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}


def provider(**fields: Any) -> Provider:
    return Provider.model_validate({**CLOUD, **fields})


def stated(input_price: str, output: str, cached: str | None = None) -> dict[str, str]:
    price = {"inputPerMillionTokens": input_price, "outputPerMillionTokens": output}
    return {**price, "cachedInputPerMillionTokens": cached} if cached is not None else price


def errors(**fields: Any) -> list[str]:
    return [each.words for each in route_rejections(route(providers=[{**CLOUD, **fields}, ONPREM]), "cluster.local")]


def test_where_nothing_is_stated_the_table_holds() -> None:
    assert in_force(provider()) == ProviderPrice(source=TABLE, bands=[GPT_5])


def test_a_price_that_depends_on_the_length_has_its_bands() -> None:
    price = in_force(provider(model="gpt-5.4"))
    assert price is not None
    assert [band.above for band in price.bands] == [0, 272_000]
    assert [band.output for band in price.bands] == ["15", "22.5"]


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({}, 400_000),
        ({"model": "gpt-4"}, 8192),
        ({"model": "gpt-99"}, None),
        ({"baseURL": "https://models.example.com/v1"}, None),
        ({"baseURL": "https://acme.openai.azure.com"}, 400_000),
    ],
)
def test_the_table_knows_windows_where_it_knows_models(fields: dict[str, Any], window: int | None) -> None:
    assert listed_window(provider(**fields)) == window


def test_a_local_model_has_no_window_in_the_table() -> None:
    assert listed_window(Provider.model_validate({**ONPREM, "model": "gpt-4"})) is None


def test_the_name_of_a_model_is_read_in_any_case() -> None:
    assert in_force(provider(model="GPT-5")) == in_force(provider(model="gpt-5"))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://models.example.com/v1",
        "https://api.openai.com.example.com/v1",
        "https://example.com/api.openai.com",
        "https://eu.api.openai.com/v1",
    ],
)
def test_the_table_knows_the_price_at_the_providers_own_host_alone(base_url: str) -> None:
    assert in_force(provider(baseURL=base_url)) is None


def test_azure_has_its_own_prices_and_those_of_the_models_that_it_offers() -> None:
    azure = {"baseURL": "https://acme.openai.azure.com/openai/v1"}
    assert in_force(provider(model="gpt-5", **azure)) == ProviderPrice(source=TABLE, bands=[GPT_5])
    phi = in_force(provider(model="phi-4", **azure))
    assert phi is not None
    assert phi.bands[0].input == "0.125"


@pytest.mark.parametrize(
    ("host", "model"),
    [
        ("api.openai.com", "gpt-99"),
        ("api.deepseek.com", "deepseek-chat"),
        ("api.openai.com", "gpt-image-1"),
        ("api.openai.com", "text-embedding-3-small"),
    ],
)
def test_nobody_knows_the_price_of_what_is_unknown_or_cannot_be_counted(host: str, model: str) -> None:
    assert in_force(provider(baseURL=f"https://{host}/v1", model=model)) is None


def test_a_local_provider_costs_what_is_stated_and_else_nobody_knows() -> None:
    free = PriceBand(input="0", output="0", cached_input="0", cache_write="0")
    assert in_force(Provider.model_validate(ONPREM)) is None
    assert in_force(Provider.model_validate({**ONPREM, "price": FREE})) == ProviderPrice(source="route", bands=[free])
    assert list(route_rejections(route(providers=[CLOUD, {**ONPREM, "price": FREE}]), "cluster.local")) == []


def test_a_stated_price_of_a_model_that_the_table_does_not_know_is_taken_as_it_is() -> None:
    price = stated("0.5", "2", "0.1")
    band = PriceBand(input="0.5", output="2", cached_input="0.1", cache_write="0.5")
    assert in_force(provider(model="gpt-99", price=price)) == ProviderPrice(source="route", bands=[band])
    assert errors(model="gpt-99", price=price) == []


def test_a_stated_price_raises_the_tables_and_names_both() -> None:
    band = PriceBand(input="2", output="10", cached_input="2", cache_write="2")
    assert in_force(provider(price=stated("2", "10"))) == ProviderPrice(source=f"route+{TABLE}", bands=[band])


def test_what_a_stated_price_does_not_say_is_never_below_the_table() -> None:
    long = in_force(provider(model="gpt-5.6-luna", price=stated("0.2", "1.5", "0.02")))
    assert long is not None
    assert long.bands == [
        PriceBand(input="0.2", output="1.5", cached_input="0.02", cache_write="0.25"),
        PriceBand(above=272_000, input="0.4", output="1.8", cached_input="0.04", cache_write="0.5"),
    ]


@pytest.mark.parametrize(
    ("price", "field", "least"),
    [
        (stated("1.2499", "10"), "inputPerMillionTokens", "1.25"),
        (stated("1.25", "9"), "outputPerMillionTokens", "10"),
        (stated("1.25", "10", "0.1"), "cachedInputPerMillionTokens", "0.125"),
        (FREE, "inputPerMillionTokens", "1.25"),
    ],
)
def test_a_price_below_the_table_is_refused_with_the_least_that_may_be_written(
    price: dict[str, str], field: str, least: str
) -> None:
    first = errors(price=price)[0]
    assert first == (
        f"spec.providers: cloud: price.{field} is {price[field]}, below {least}, the price of gpt-5 in {TABLE}; "
        f"write {least} or more, or remove price"
    )


def test_a_price_at_the_table_is_taken() -> None:
    assert errors(price=stated("1.250", "10.0", "0.125")) == []


def test_every_line_of_the_table_can_be_a_price() -> None:
    table = json.loads(resources.files(plan).joinpath("prices.json").read_text())
    rows = [entry["bands"] for host in table["providers"].values() for entry in host["models"] if entry["bands"]]
    assert len(rows) > 300
    for bands in rows:
        starts = [int(above) for above, *_ in bands]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        read = [PriceBand(above=int(a), input=i, output=o, cached_input=c, cache_write=w) for a, i, o, c, w in bands]
        ProviderPrice(source=table["source"], bands=read)


def test_a_local_host_that_bears_a_clouds_name_stands_in_no_table() -> None:
    assert listed(Provider.model_validate({**ONPREM, "baseURL": "https://api.openai.com/v1", "model": "gpt-5"})) is None
