"""The routes guide on a cluster: what a platform engineer sees."""

import json
from typing import Any

import pytest

from tests.e2e import guides
from tests.e2e.conftest import Installed

STEPS = (
    *("install", "general", "critical", "planned", "fallback", "both", "filter", "rules", "status", "audit"),
    "remove",
)


@pytest.fixture(scope="module")
def printed(regent: Installed) -> dict[str, str]:
    return guides.printed(regent, "routes.md", STEPS)


def answers(text: str) -> list[dict[str, Any]]:
    """The agent's answers and errors among the lines."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [each for each in found if "choices" in each or "error" in each]


def said(text: str) -> list[str]:
    return [each["choices"][0]["message"]["content"] for each in answers(text)]


def test_a_general_turn_is_answered_by_the_first_cloud(printed: dict[str, str]) -> None:
    assert said(printed["general"]) == ["from cloud-a"]


def test_a_critical_turn_is_answered_and_no_cloud_has_seen_it(printed: dict[str, str]) -> None:
    answer, *seen = (json.loads(line) for line in printed["critical"].splitlines() if line)
    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == "smollm2-135m-instruct"
    first, second = seen
    assert [each["body"]["messages"][-1]["content"] for each in first] == ["What is on the menu?"]
    assert second == []


def test_explain_names_the_providers_of_both_kinds_of_turns(printed: dict[str, str]) -> None:
    general, critical = (line for line in printed["planned"].splitlines() if line.startswith("Would go on: "))
    assert general.endswith("rule general (Ordered), to cloud-a, cloud-b")
    assert critical.endswith("rule critical (Ordered), to onprem")


def test_the_second_cloud_answers_and_the_log_tells_of_both(printed: dict[str, str]) -> None:
    (answer,) = answers(printed["fallback"])
    assert answer["choices"][0]["message"]["content"] == "from cloud-b"
    turn = next(json.loads(line) for line in printed["fallback"].splitlines() if '"event":"turn"' in line)
    outcomes = [(each["provider"], each["outcome"]) for each in turn["attempts"]]
    assert outcomes[0] == ("cloud-a", "rate_limited")
    assert outcomes[-1] == ("cloud-b", "answered")
    assert 'regent_attempts_total{outcome="rate_limited",provider="cloud-a"}' in printed["fallback"]


def test_with_both_down_the_caller_may_try_again(printed: dict[str, str]) -> None:
    assert "HTTP/1.1 502" in printed["both"]
    assert "x-should-retry: true" in printed["both"].lower()
    assert [each["error"]["code"] for each in answers(printed["both"])] == ["provider_failed"]


def test_a_filters_refusal_is_passed_on(printed: dict[str, str]) -> None:
    assert [each["error"]["code"] for each in answers(printed["filter"])] == ["content_filter"]


def test_the_new_rules_are_planned_with(printed: dict[str, str]) -> None:
    general, long = (line for line in printed["rules"].splitlines() if line.startswith("Would go on: "))
    assert "rule general (Weighted)" in general
    assert long.endswith("rule long (Ordered), to cloud-b")
    weights = {row[1]: row[3] for row in map(str.split, printed["rules"].splitlines()) if row and row[0].isdigit()}
    assert weights["cloud-a"] == "3"


def test_the_status_tells_who_uses_the_route_and_what_its_providers_cost(printed: dict[str, str]) -> None:
    rows = {row[0]: row for row in map(str.split, printed["status"].splitlines()) if row}
    assert rows["hybrid"][1:3] == ["True", "Enforced"]
    assert rows["hybrid"][3:6] == ["3", "3", "2"]
    providers, message = printed["status"].splitlines()[-2:]
    assert {each["name"] for each in json.loads(providers)} == {"onprem", "cloud-a", "cloud-b"}
    assert message.startswith("Every reference exists")


def test_the_audit_has_each_attempt_and_no_word_of_a_turn(printed: dict[str, str]) -> None:
    records = [json.loads(line) for line in printed["audit"].splitlines() if line.startswith("{")]
    attempts = {part["provider"] for each in records if each["kind"] == "attempt" for part in each["attempts"]}
    assert attempts == {"onprem", "cloud-a", "cloud-b"}
    assert {each["rule"] for each in records if each["kind"] == "outcome"} == {"general", "critical"}
    assert "Nightingale" not in printed["audit"]
    assert "menu" not in printed["audit"]


def test_nothing_of_the_example_is_left(printed: dict[str, str], regent: Installed) -> None:
    assert 'namespace "hybrid" deleted' in printed["remove"]
    assert regent.kube("get", "namespace", "hybrid", "--ignore-not-found").strip() == ""
