import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import RuleConfig
from regent_runtime.route.strategy import in_order
from regent_runtime.wire.request import parse
from tests.fakes import configs

NAMES = ("a", "b", "c")
CONFIG = configs.config(*(configs.provider_config(name, "http://127.0.0.1/v1") for name in NAMES))
PROVIDERS = CONFIG.route.providers
DRAWING = ("Weighted", "Sticky")
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


def order(strategy: str, first: str = "Hi", conversation: str = "", turn: str = "t", **more: Any) -> Sequence[str]:
    rule = RuleConfig.model_validate(
        {
            "name": "r",
            "atLeast": "Public",
            "providers": list(NAMES),
            "strategy": strategy,
            "weights": more.get("weights", {}),
        }
    )
    request = parse(json.dumps({"messages": [{"role": "user", "content": first}]}).encode())
    return [each.name for each in in_order(rule, more.get("allowed", PROVIDERS), request, conversation, turn)]


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
