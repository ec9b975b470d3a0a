import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import ProviderConfig, RuleConfig
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.record import TurnRecord
from regent_runtime.route.strategy import in_order
from tests.fakes import configs

NAMES = ("a", "b", "c")
CONFIG = configs.config(*(configs.provider_config(name, "http://127.0.0.1/v1") for name in NAMES))
PROVIDERS = CONFIG.route.providers
DRAWING = ("Weighted", "Sticky")
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


def order(strategy: str, first: str = "Hi", conversation: str = "", turn: str = "t", **more: Any) -> Sequence[str]:
    wire = {"name": "r", "atLeast": "Public", "providers": list(NAMES), "strategy": strategy}
    rule = RuleConfig.model_validate({**wire, "weights": more.get("weights", {})})
    request = parse(json.dumps({"messages": [{"role": "user", "content": first}], **more.get("asked", {})}).encode())
    record = TurnRecord(id=turn, conversation=conversation, input_estimate=more.get("input_tokens", 1000))
    return [
        each.name
        for each in in_order(CONFIG, rule, more.get("allowed", PROVIDERS), request, record, more.get("known", {}))
    ]


@given(TEXTS, TEXTS, TEXTS)
def test_ordered_is_the_rules_order(first: str, conversation: str, turn: str) -> None:
    assert order("Ordered", first, conversation, turn) == list(NAMES)


@pytest.mark.parametrize("strategy", DRAWING)
@given(TEXTS, TEXTS.filter(bool), TEXTS, TEXTS)
def test_a_conversation_keeps_its_order(strategy: str, first: str, conversation: str, one: str, other: str) -> None:
    assert order(strategy, first, conversation, one) == order(strategy, "Else", conversation, other)


@given(TEXTS, TEXTS, TEXTS)
def test_sticky_follows_the_first_message_where_there_is_no_conversation(first: str, one: str, other: str) -> None:
    assert order("Sticky", first, turn=one) == order("Sticky", first, turn=other)


@pytest.mark.parametrize("strategy", DRAWING)
@given(TEXTS, TEXTS.filter(bool), st.sampled_from(NAMES))
def test_who_falls_away_moves_nobody_else(strategy: str, first: str, conversation: str, gone: str) -> None:
    left = [provider for provider in PROVIDERS if provider.name != gone]
    whole = order(strategy, first, conversation)
    assert order(strategy, first, conversation, allowed=left) == [name for name in whole if name != gone]


@pytest.mark.parametrize("weights", [{}, {"a": 8}, {"a": 2, "b": 5, "c": 3}])
def test_each_gets_its_share_of_the_turns(weights: dict[str, int]) -> None:
    turns = 20_000
    firsts = Counter(order("Weighted", turn=str(number), weights=weights)[0] for number in range(turns))
    whole = sum(weights.get(name, 1) for name in NAMES)
    for name in NAMES:
        assert firsts[name] / turns == pytest.approx(weights.get(name, 1) / whole, abs=0.015)


def test_fallbacks_are_drawn_by_weight_too() -> None:
    seconds = Counter(order("Weighted", turn=str(number), weights={"a": 1000, "b": 9})[1] for number in range(5000))
    assert seconds["b"] / 5000 == pytest.approx(0.9, abs=0.03)


def costing(**prices: tuple[str, str] | None) -> Sequence[ProviderConfig]:
    """Name -> USD for a million tokens of input and of output."""
    return [
        ProviderConfig.model_validate(
            configs.provider_config(name, "http://127.0.0.1/v1")
            | ({"price": {"source": "route", "bands": [band(*price)]}} if price else {})
        )
        for name, price in prices.items()
    ]


def band(dear: str, output: str) -> dict[str, str]:
    return {"input": dear, "output": output, "cachedInput": dear, "cacheWrite": dear}


def test_the_cheapest_for_the_turn_is_asked_first() -> None:
    offers = costing(a=("1", "9"), b=("2", "2"), c=("2.000000001", "2"))
    assert order("LeastCost", allowed=offers, input_tokens=1000, asked={"max_tokens": 1000}) == ["b", "c", "a"]
    assert order("LeastCost", allowed=offers, input_tokens=9000, asked={"max_tokens": 100}) == ["a", "b", "c"]


def test_who_costs_nobody_knows_what_comes_last_and_equal_costs_keep_the_rules_order() -> None:
    assert order("LeastCost", allowed=costing(a=None, b=("3", "3"), c=("0", "0"))) == ["c", "b", "a"]
    assert order("LeastCost", allowed=costing(a=("1", "1"), b=None, c=("1", "1"))) == ["a", "c", "b"]
