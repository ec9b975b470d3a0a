"""`regent explain` as a program: the same stages as a turn, on manifests, with the field and policy behind each decision."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from regent_operator.cli.bundle import gather
from regent_operator.cli.manifests import read
from regent_operator.cli.planning import config_of
from regent_operator.plan.config import text
from regent_runtime.decision import Stage
from tests.contract.commands import regent
from tests.contract.test_lint import AGENT, ROUTE, policy

CALLER = ("--caller", "acme/chat")
PROMPT = ("--prompt", "Hello.")
OIDC = {"issuer": "https://id.test", "audience": "helper", "groupsClaim": "groups", "groups": ["staff"]}
KEYS = json.dumps(
    {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "kid": "1",
                "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
                "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
            }
        ]
    }
)


def run(*words: str) -> tuple[int, str, str]:
    return regent("explain", "helper", *words)


def explained(directory: Path, *words: str, spec: Any = None, agent: Any = None) -> tuple[int, dict[str, Any]]:
    whole = {**AGENT, "spec": {**AGENT["spec"], **(agent or {})}}
    (directory / "all.yaml").write_text(yaml.safe_dump_all([whole, ROUTE, policy(**(spec or {}))]))
    asked = words if "--caller" in words else (*CALLER, *words)
    asked = asked if "--prompt" in asked else (*PROMPT, *asked)
    code, out, err = run("-f", str(directory), "-o", "json", *asked)
    assert err == ""
    return code, json.loads(out)


def decided(answer: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    return [decision for decision in answer["decisions"] if decision["stage"] == stage]


def test_a_turn_that_would_go_on_says_where_to_and_every_stage_says_something(tmp_path: Path) -> None:
    code, answer = explained(tmp_path)
    assert code == 0
    assert answer["refused"] is False
    assert (answer["sensitivity"], answer["rule"], answer["providers"]) == ("Internal", "all", ["onprem"])
    assert list(dict.fromkeys(decision["stage"] for decision in answer["decisions"])) == [*Stage]
    assert decided(answer, "callers") == [
        {
            "stage": "callers",
            "action": "Allow",
            "field": "callers.serviceAccounts",
            "policies": ["regent-system/floor"],
            "reason": "ServiceAccount",
        }
    ]


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...], str, str, str]] = {
    "a caller that a policy does not let in": (
        {"callers": {"serviceAccounts": [{"name": "other"}]}},
        (),
        "caller_not_allowed",
        "callers",
        "callers.serviceAccounts",
    ),
    "a caller of another namespace": ({}, ("--caller", "blue/chat"), "caller_not_allowed", "callers", ""),
    "anonymous": ({}, ("--caller", "anonymous"), "token_missing", "callers", "callers.anonymous"),
    "an API key that nobody names": ({}, ("--caller", "apikey:ci"), "caller_not_allowed", "callers", "callers.apiKeys"),
    "an issuer that nobody names": (
        {},
        ("--caller", "oidc:https://id.test#u-1"),
        "caller_not_allowed",
        "callers",
        "callers.oidc",
    ),
    "a group that is not let in": (
        {"callers": {"oidc": [{**OIDC, "jwks": {"inline": KEYS}}]}},
        ("--caller", "oidc:https://id.test#u-1", "--groups", "guests"),
        "caller_not_allowed",
        "callers",
        "callers.oidc",
    ),
    "too long a prompt": (
        {"size": {"maxInputTokens": 16}},
        ("--prompt", "word " * 200),
        "input_too_long",
        "size",
        "size.maxInputTokens",
    ),
    "too large a body": (
        {"size": {"maxRequestBytes": 1024}},
        ("--prompt", "x" * 2000),
        "body_too_large",
        "size",
        "size.maxRequestBytes",
    ),
    "a class that is forbidden": (
        {"data": {"classes": {"Internal": {"aiProcessing": "Forbidden"}}}},
        (),
        "data_class_forbidden",
        "class",
        "data.classes.Internal.aiProcessing",
    ),
    "a class that asks for approval": (
        {
            "data": {"classes": {"Internal": {"aiProcessing": "AllowedWithApproval"}}},
            "approvals": {"approvers": {"groups": ["leads"]}},
        },
        (),
        "approval_required",
        "class",
        "data.classes.Internal.aiProcessing",
    ),
    "a label that is none": ({}, ("--sensitivity", "Secret"), "invalid_sensitivity", "label", ""),
    "a pattern of the policy": (
        {"guardrails": {"input": {"patterns": [{"name": "word", "re2": "forbidden word", "action": "Deny"}]}}},
        ("--prompt", "This is a forbidden word."),
        "withheld",
        "input",
        "guardrails.input.patterns",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_turn_that_would_be_refused_says_by_which_field(tmp_path: Path, case: str) -> None:
    spec, words, refusal, stage, field = REFUSED[case]
    code, answer = explained(tmp_path, *words, spec=spec)
    assert (code, answer["refused"], answer["code"]) == (3, True, refusal)
    denials = [decision for decision in decided(answer, stage) if decision["action"] == "Deny"]
    assert any(decision.get("field", "") == field or not field for decision in denials), answer["decisions"]
    if field == "callers.anonymous":
        assert denials[0]["policies"] == ["regent-system/floor"]
    elif spec:
        assert "acme/internal" in denials[0]["policies"]
    reached = {decision["stage"] for decision in answer["decisions"] if decision["action"] != "NotReached"}
    assert "anonymize" not in reached


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (("--caller", "apikey:ci"), {"apiKeys": [{"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}}]}),
        (
            ("--caller", "oidc:https://id.test#u-1", "--groups", "guests,staff"),
            {"oidc": [{**OIDC, "jwks": {"inline": KEYS}}]},
        ),
    ],
)
def test_callers_of_every_kind_can_be_asked_about(tmp_path: Path, words: Any, spec: Any) -> None:
    assert explained(tmp_path, *words, spec={"callers": spec})[0] == 0


def test_a_suspended_agent_is_told(tmp_path: Path) -> None:
    code, answer = explained(tmp_path, agent={"suspend": True})
    assert (code, answer["code"]) == (3, "agent_suspended")


def test_a_policy_in_mode_audit_is_shown_beside_and_refuses_nothing(tmp_path: Path) -> None:
    trial = policy("trial", selector={}, mode="Audit", callers={"serviceAccounts": [{"name": "other"}]})
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(trial))
    code, answer = explained(tmp_path)
    assert code == 0
    assert [decision.get("shadow") for decision in decided(answer, "callers")] == [None, "acme/trial"]
    assert decided(answer, "callers")[1]["action"] == "Deny"


def test_people_read_a_table(tmp_path: Path) -> None:
    explained(tmp_path)
    code, out, _ = run("-f", str(tmp_path), *CALLER, *PROMPT)
    assert code == 0
    assert out.splitlines()[0].split() == ["STAGE", "DECISION", "FIELD", "POLICIES", "REASON"]
    assert out.splitlines()[-1] == "Would go on: Internal, rule all (Ordered), to onprem"
    code, out, _ = run("-f", str(tmp_path), "--caller", "anonymous", *PROMPT)
    assert (code, out.splitlines()[-1].split(":")[:2]) == (3, ["Refused", " token_missing"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--caller", "nobody"), 2, "is no caller; write NAMESPACE/NAME"),
        (("--caller", "oidc:https://id.test"), 2, "is no caller"),
    ],
)
def test_what_cannot_be_asked_is_a_mistake_of_usage(tmp_path: Path, words: Any, code: int, said: str) -> None:
    explained(tmp_path)
    ended, out, err = run("-f", str(tmp_path), *PROMPT, *words)
    assert (ended, out) == (code, "")
    assert said in err


def test_an_agent_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_text(yaml.safe_dump(ROUTE))
    ended, out, err = run("-f", str(tmp_path), *PROMPT, *CALLER)
    assert (ended, out) == (4, "")
    assert "no AIAgent helper" in err


def test_in_a_cluster_the_config_of_the_pods_is_asked_for(tmp_path: Path) -> None:
    """By whatever `kubectl` is on the PATH; here one that answers from a file and writes down its words."""
    explained(tmp_path, spec={"size": {"maxInputTokens": 16}})
    config = config_of(gather(read([tmp_path]), "default"), "helper", "regent-system")
    (tmp_path / "answer.json").write_text(json.dumps({"data": {"agent.json": text(config)}}))
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat {tmp_path}/answer.json\n')
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, "-m", "regent_operator.cli.main", "explain", "acme/helper", "--context", "prod"]
    ended = subprocess.run(
        [*command, *CALLER, "--prompt", "word " * 100, "-o", "yaml"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"},
    )
    assert ended.returncode == 3, ended.stderr
    assert yaml.safe_load(ended.stdout)["code"] == "input_too_long"
    said = (tmp_path / "words").read_text().split()
    assert said == ["get", "configmap", "helper", "--output", "json", "--namespace", "acme", "--context", "prod"]


def test_the_route_shows_each_provider_its_place_or_what_keeps_it_out(tmp_path: Path) -> None:
    low = {**ROUTE["spec"]["providers"][0], "name": "low", "maxSensitivity": "Public"}
    priced = {
        "price": {"inputPerMillionTokens": "0.5", "outputPerMillionTokens": "1.5"},
        "limits": {"requestsPerMinute": 60, "maxConcurrent": 4},
    }
    narrow = {**ROUTE["spec"]["providers"][0], "name": "narrow", "capabilities": {"contextWindow": 1}}
    spec = {
        "providers": [{**ROUTE["spec"]["providers"][0], **priced}, low, narrow],
        "rules": [{"name": "all", "providers": []}],
    }
    spec["rules"][0]["providers"] = [{"name": "low"}, {"name": "narrow"}, {"name": "onprem"}]
    documents = [AGENT, {**ROUTE, "spec": spec}, policy()]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(documents))
    code, out, _ = run("-f", str(tmp_path), *CALLER, *PROMPT, "--route")
    model = low["model"]
    assert (code, [line.split() for line in out.splitlines()]) == (
        0,
        [
            ["PLACE", "PROVIDER", "MODEL", "WEIGHT", "USD", "PER", "MILLION", "LIMITS", "EXCLUDED", "BY", "POLICIES"],
            ["1", "onprem", model, "-", "0.5/1.5", "60/min", "4", "at", "once", "-", "-"],
            ["-", "low", model, "-", "unknown", "-", "maxSensitivity", "-"],
            ["-", "narrow", model, "-", "unknown", "-", "capabilities.contextWindow", "-"],
            [],
            ["Would", "go", "on:", "Internal,", "rule", "all", "(Ordered),", "to", "onprem"],
        ],
    )
