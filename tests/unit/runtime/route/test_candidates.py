import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.turncondition import TurnFacts
from regent_api.types import Sensitivity
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.refusals import Refused
from regent_runtime.route.candidates import Barriers, abilities, able, candidates, rule_for, verdicts
from regent_runtime.wire.request import ChatRequest
from tests.enforces import enforces
from tests.fakes import configs

labels = st.sampled_from(Sensitivity)


def provider(name: str, **more: Any) -> dict[str, Any]:
    return configs.provider_config(name, f"https://{name}.example/v1", type="OpenAI", **more)


FACTS = TurnFacts("ServiceAccount", ["staff"], 10, stream=False, hour=3, weekday=6)
LOCAL = configs.provider_config("local", "http://model.demo.svc/v1")


def names(config: Any, sensitivity: Sensitivity, **more: Any) -> list[str]:
    rule = rule_for(config, sensitivity, FACTS)
    return [each.name for each in candidates(sensitivity, verdicts(config, rule, sensitivity, **more))]


def code(config: Any, sensitivity: Sensitivity) -> str:
    with pytest.raises(Refused) as refused:
        names(config, sensitivity)
    return refused.value.refusal.code


def test_the_order_is_the_rules() -> None:
    config = configs.config(provider("b"), provider("a"), LOCAL)
    assert names(config, Sensitivity.INTERNAL) == ["b", "a", "local"]


def test_what_was_found_for_one_label_or_class_stands_for_no_other() -> None:
    config = configs.config(provider("cloud", maxSensitivity="Internal"), LOCAL)
    rule, barriers = config.route.rules[0], Barriers(config)
    for _ in range(2):
        for sensitivity in Sensitivity:
            for local_only in (False, True):
                expected = verdicts(config, rule, sensitivity, local_only=local_only)
                assert barriers.verdicts(rule, sensitivity, local_only=local_only) == expected


def test_the_first_rule_that_matches_wins() -> None:
    rules = [
        {"name": "high", "atLeast": "Confidential", "providers": ["local"]},
        {"name": "rest", "atLeast": "Public", "providers": ["cloud"]},
    ]
    config = configs.config(provider("cloud"), LOCAL, route={"rules": rules})
    assert names(config, Sensitivity.CONFIDENTIAL) == ["local"]
    assert names(config, Sensitivity.INTERNAL) == ["cloud"]


def test_no_rule_no_turn() -> None:
    rules = [{"name": "high", "atLeast": "Confidential", "providers": ["local"]}]
    assert code(configs.config(LOCAL, route={"rules": rules}), Sensitivity.INTERNAL) == "no_rule_matches"


@given(labels, labels, labels)
def test_no_provider_sees_more_than_it_may(highest: Sensitivity, local_from: Sensitivity, turn: Sensitivity) -> None:
    config = configs.config(
        provider("cloud", maxSensitivity=highest),
        {**LOCAL, "maxSensitivity": highest},
        policy={"models": {"localAtOrAbove": local_from}},
    )
    expected = ["cloud"] * (turn < local_from) + ["local"]
    if turn > highest:
        assert code(config, turn) == "no_provider_allowed"
    else:
        assert names(config, turn) == expected


@enforces("data.classes.*.aiProcessing", "models.localAtOrAbove")
@given(labels, labels, st.booleans())
def test_a_class_or_a_label_can_ask_for_local_models(local_from: Sensitivity, turn: Sensitivity, local: bool) -> None:
    config = configs.config(provider("cloud"), LOCAL, policy={"models": {"localAtOrAbove": local_from}})

    assert names(config, turn, local_only=local) == ["cloud"] * (turn < local_from and not local) + ["local"]


@pytest.mark.parametrize(
    "policy",
    [
        {"models": {"localHosts": []}},
        {"models": {"localHosts": [["*.svc"], ["*.models.svc"]]}},
        {"models": {"allow": [[{"host": "*.example"}]]}},
        {"models": {"allow": [[{"host": "*.svc", "models": ["gpt-*"]}]]}},
        {"egress": {"hosts": [["*.example"]]}},
        {"egress": {"hosts": []}},
    ],
)
@enforces("models.allow.host", "models.allow.models", "models.localHosts", "egress.hosts")
def test_what_a_policy_does_not_let_is_no_candidate(policy: dict[str, Any]) -> None:
    assert code(configs.config(LOCAL, policy=policy), Sensitivity.INTERNAL) == "no_provider_allowed"


def asked(**more: Any) -> ChatRequest:
    return parse(json.dumps({"messages": [{"role": "user", "content": "Hi"}], **more}).encode())


MIXED = configs.config(provider("strict", api="Responses"), provider("wide"), provider("late", api="Responses"))


def test_who_cannot_be_told_the_whole_request_is_no_candidate() -> None:
    assert [each.name for each in able(abilities(MIXED, asked(), MIXED.route.providers, 1))] == [
        "strict",
        "wide",
        "late",
    ]
    assert [each.name for each in able(abilities(MIXED, asked(seed=7), MIXED.route.providers, 1))] == ["wide"]


def test_a_request_that_nobody_can_be_told_is_refused_by_the_fields_name() -> None:
    only = [each for each in MIXED.route.providers if each.name != "wide"]
    with pytest.raises(Refused) as refused:
        able(abilities(MIXED, asked(seed=7), only, 1))
    assert (refused.value.refusal.code, refused.value.param) == ("unsupported_field", "seed")
    assert "7" not in refused.value.message


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ("'staff' in turn.callerGroups", True),
        ("'staff' in turn.callerGroups && turn.callerKind == 'APIKey'", False),
        ("turn.inputTokens > 10 || turn.stream", False),
        ("turn.hour < 6 && turn.weekday >= 6", True),
    ],
)
def test_a_rule_can_ask_about_the_turn(when: str, matches: bool) -> None:
    rules = [
        {"name": "some", "atLeast": "Public", "when": when, "providers": ["local"]},
        {"name": "rest", "atLeast": "Public", "providers": ["cloud"]},
    ]
    config = configs.config(provider("cloud"), LOCAL, route={"rules": rules})
    assert names(config, Sensitivity.INTERNAL) == (["local"] if matches else ["cloud"])


def test_label_and_condition_must_both_match() -> None:
    rules = [{"name": "some", "atLeast": "Confidential", "when": "turn.hour == 3", "providers": ["local"]}]
    assert code(configs.config(LOCAL, route={"rules": rules}), Sensitivity.INTERNAL) == "no_rule_matches"


def test_a_condition_that_fails_denies_the_turn_also_where_a_later_rule_would_take_it() -> None:
    rules = [
        {"name": "some", "atLeast": "Public", "when": "turn.callerGroups[1] == 'x'", "providers": ["local"]},
        {"name": "rest", "atLeast": "Public", "providers": ["cloud"]},
    ]
    assert code(configs.config(provider("cloud"), LOCAL, route={"rules": rules}), Sensitivity.INTERNAL) == (
        "no_rule_matches"
    )


@pytest.mark.parametrize(
    ("policy", "more", "fields"),
    [
        ({}, {}, ["maxSensitivity", "", ""]),
        ({}, {"local_only": True}, ["maxSensitivity", "data.classes.Internal.aiProcessing", ""]),
        ({"models": {"localAtOrAbove": "Internal"}}, {}, ["maxSensitivity", "models.localAtOrAbove", ""]),
        ({"models": {"localHosts": []}}, {}, ["maxSensitivity", "", "models.localHosts"]),
        ({"models": {"allow": [[{"host": "*.svc"}]]}}, {}, ["maxSensitivity", "models.allow", ""]),
        ({"egress": {"hosts": [["cloud.example"]]}}, {}, ["maxSensitivity", "", "egress.hosts"]),
    ],
)
def test_what_keeps_a_provider_from_a_turn_is_named(
    policy: dict[str, Any], more: dict[str, bool], fields: list[str]
) -> None:
    config = configs.config(provider("low", maxSensitivity="Public"), provider("cloud"), LOCAL, policy=policy)
    rule = rule_for(config, Sensitivity.INTERNAL, FACTS)
    assert [each.field for each in verdicts(config, rule, Sensitivity.INTERNAL, **more)] == fields
