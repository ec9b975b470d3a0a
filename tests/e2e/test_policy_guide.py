"""The policy guide on a cluster: what an admin sees."""

import json

import pytest

from tests.e2e import guides
from tests.e2e.conftest import Installed

STEPS = ("install", "try", "told", "enforce", "refused", "why", "conflict", "broken", "remove")


@pytest.fixture(scope="module")
def printed(regent: Installed) -> dict[str, str]:
    return guides.printed(regent, "policy.md", STEPS)


def test_a_trial_shows_its_mode(printed: dict[str, str]) -> None:
    rows = {row[0]: row for row in map(str.split, printed["try"].splitlines()) if row}
    assert rows["trial"][3] == "Audit"
    assert rows["house-rules"][3] == "Enforce"


def test_the_trial_tells_what_it_would_have_refused(printed: dict[str, str]) -> None:
    assert '"choices"' in printed["told"], "the question is answered"
    assert 'field="size.maxInputTokens"' in printed["told"]
    assert 'policy="quickstart/trial"' in printed["told"]


def test_what_is_enforced_names_its_policy(printed: dict[str, str]) -> None:
    fields = {line.partition("\t")[0] for line in printed["enforce"].splitlines() if "\t" in line}
    assert {"size.maxInputTokens", "limits", "guardrails.refusal"} <= fields


def test_an_injection_meets_the_refusal_and_the_third_request_the_limit(printed: dict[str, str]) -> None:
    withheld, limited = (json.loads(line) for line in printed["refused"].splitlines() if line.startswith("{"))
    (choice,) = withheld["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"] == "Ask me about documentation."
    assert limited["error"]["type"] == "rate_limit_error"


def test_explain_and_the_audit_log_name_the_policy_behind_a_refusal(printed: dict[str, str]) -> None:
    *stages, record = printed["why"].strip().splitlines()
    assert any("Deny" in line and "size.maxInputTokens" in line and "quickstart/trial" in line for line in stages)
    decisions = json.loads(record)["decisions"]
    assert any(each["field"] == "limits" and "quickstart/trial" in each["policies"] for each in decisions)


def test_a_conflict_names_both_policies(printed: dict[str, str]) -> None:
    assert "quickstart/elsewhere" in printed["conflict"]
    assert "quickstart/house-rules" in printed["conflict"]


def test_a_broken_pattern_is_named_with_its_path(printed: dict[str, str]) -> None:
    assert "spec.guardrails.input.patterns" in printed["broken"]


def test_nothing_of_the_example_is_left(printed: dict[str, str], regent: Installed) -> None:
    assert 'namespace "quickstart" deleted' in printed["remove"]
    assert regent.kube("get", "namespace", "quickstart", "--ignore-not-found").strip() == ""
