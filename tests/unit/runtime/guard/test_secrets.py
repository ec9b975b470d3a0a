"""Tokens of known forms are found, placeholders are not; values of mounted files are found exactly."""

import pytest

from regent_runtime.guard import mounted
from regent_runtime.guard.scan import RuleSet, Scanner
from regent_runtime.guard.secrets import RULES
from tests.bench.labelled import decoys

A = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SAMPLES = {
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq1",
    "json-web-token": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{A}",
    "anthropic-key": f"sk-ant-api03-{A}",
    "openai-key": f"sk-proj-{A}",
    "aws-access-key": "AKIAQ3EGTWVPLMN7RXZB",
    "aws-secret-key": f'aws_secret_access_key = "{A}9aB8cD7e"',
    "github-token": f"ghp_{A}Qw9z",
    "gitlab-token": f"glpat-{A[:20]}",
    "slack-token": f"xoxb-2718281828-{A}",
    "slack-webhook": "https://hooks.slack.com/services/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",
    "stripe-key": f"sk_live_{A}",
    "google-api-key": f"AIza{A}Zz9",
    "google-oauth": f"ya29.{A}",
    "azure-key": f"AccountKey={A}{A}Ab3dEf6hIj9kLm2nOp5qRs==",
    "npm-token": f"npm_{A}Qw9z",
    "pypi-token": f"pypi-AgEIcHlwaS5vcmc{A}{A}",
    "hugging-face-token": f"hf_{A}Qw",
    "sendgrid-key": f"SG.{A[:22]}.{A}{A[:11]}",
    "twilio-key": f"SK{HEX}",
    "mailgun-key": f"key-{HEX}",
    "telegram-token": f"123456789:AA{A}x",
    "digitalocean-token": f"dop_v1_{HEX}{HEX}",
    "databricks-token": f"dapi{HEX}",
    "vault-token": f"hvs.{A}",
    "shopify-token": f"shpat_{HEX}",
    "atlassian-token": f"ATATT3{A}{A}{A}{A}",
    "age-key": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE",
}
GLUED = SAMPLES | {"openai-key": f"sk-proj-{A}{A}T3BlbkFJ{A}{A}", "stripe-key": f"whsec_{A}"}
NEEDS_A_BORDER = {
    *("aws-access-key", "aws-secret-key", "digitalocean-token", "databricks-token", "google-api-key"),
    *("json-web-token", "mailgun-key", "telegram-token", "twilio-key", "vault-token"),
}
SET = RuleSet(rule for rule, _ in RULES)


def found(text: str) -> list[str]:
    return [match.rule.name for match in Scanner(SET).feed(text.encode(), final=True)]


def test_every_rule_has_a_sample() -> None:
    assert set(SAMPLES) == {rule.name for rule, _ in RULES}


def test_every_rule_fits_the_window() -> None:
    assert SET.is_windowed


@pytest.mark.parametrize("name", SAMPLES)
def test_a_token_is_found(name: str) -> None:
    assert name in found(f"It is {SAMPLES[name]}, keep it.")


@pytest.mark.parametrize("glue", ["x", "my_", "2", "Key"])
@pytest.mark.parametrize("name", sorted(set(SAMPLES) - NEEDS_A_BORDER))
def test_a_form_that_nothing_else_has_is_found_within_a_word(name: str, glue: str) -> None:
    assert name in found(f"It is {glue}{GLUED[name]}, keep it.")


@pytest.mark.parametrize("name", sorted(NEEDS_A_BORDER - {"aws-secret-key"}))
def test_a_form_that_others_end_with_needs_a_border(name: str) -> None:
    assert name not in found(f"It is x{SAMPLES[name]}, keep it.")


def test_no_decoy_is_a_secret() -> None:
    words = ("task", "risk", "desk", "disk", "mask", "vendor", "corridor", "half", "mark", "monkey", "single")
    ids = ("2024-11-release-notes-for-payments", HEX, HEX * 2, A[:24], "v1_" + HEX * 2, "test_configurationoptions1")
    made = [f"{word}{joint}{each}" for word in words for joint in "-_" for each in ids]
    for text in [*made, *decoys(seed=1, count=500)]:
        assert found(f"See {text} there.") == [], text


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE", "sk-your-api-key-goes-here-now", "sk-xxxxxxxxxxxxxxxxxxxxxxxxx", "sk-this-is-a-long-css-class-name",
        "ghp_000000000000000000000000000000000000", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0B", "-----BEGIN PRIVATE KEY----- begins it",
        "risk-Ab3dEf6hIj9kLm2nOp5qRs8t", "eyJhbGciOiJIUzI1NiJ9", "password = hunter2",
    ],
)  # fmt: skip
def test_placeholders_and_words_are_none(text: str) -> None:
    assert found(text) == []


def test_a_mounted_value_is_found_exactly() -> None:
    rules = RuleSet([mounted.rule(frozenset({b"tulip.garden+7", b"tulip.garden+7-long", "schlüssel-1".encode()}))])
    text = "tulipXgarden+7 tulip.garden+7-long tulip.garden+7. schlüssel-1"
    matches = Scanner(rules).feed(text.encode(), final=True)
    data = text.encode()
    assert [data[match.start : match.end].decode() for match in matches] == ["tulip.garden+7-long", "tulip.garden+7", "schlüssel-1"]  # fmt: skip


def test_a_rule_does_not_print_its_pattern() -> None:
    assert "tulip" not in repr(mounted.rule(frozenset({b"tulip.garden"})))
