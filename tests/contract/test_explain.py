"""`regent explain` as a program: the same stages as a turn, on manifests, with the field and policy behind each decision."""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from regent_operator.cli.bundle import gather
from regent_operator.cli.manifests import read
from regent_operator.cli.planning import config_of
from regent_operator.plan.document import document
from regent_runtime.decision import Stage
from regent_runtime.explain import Considered
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


def in_a_cluster(directory: Path, *words: str, **objects: Any) -> tuple[int, str, str, list[list[str]]]:
    """Exit code, output, errors, and what was asked of whatever `kubectl` is on the PATH: here one that answers from
    files, by kind, and writes down its words.
    """
    for kind, answer in objects.items():
        (directory / f"{kind}.json").write_text(json.dumps(answer))
    kubectl = directory / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(
        f'#!/bin/sh\ncd {directory}\necho "$@" >> words\nfile=${{2%%.*}}.json\n'
        'if [ -f "$file" ]; then cat "$file"; else echo "Error (Forbidden): $2" >&2; exit 1; fi\n'
    )
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    ended = subprocess.run(
        [sys.executable, "-m", "regent_operator.cli.main", "explain", "acme/helper", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"},
    )
    asked = [line.split() for line in (directory / "words").read_text().splitlines()]
    return ended.returncode, ended.stdout, ended.stderr, asked


def test_in_a_cluster_the_config_of_the_pods_is_asked_for(tmp_path: Path) -> None:
    explained(tmp_path, spec={"size": {"maxInputTokens": 16}})
    config = config_of(gather(*read([tmp_path]), "default"), "helper", "regent-system")
    code, out, err, said = in_a_cluster(
        tmp_path,
        *("--context", "prod", *CALLER, "--prompt", "word " * 100, "-o", "yaml"),
        configmap={"data": {"agent.json": document(config).text}},
    )
    assert code == 3, err
    assert yaml.safe_load(out)["code"] == "input_too_long"
    assert said == [["get", "configmap", "helper", "--output", "json", "--namespace", "acme", "--context", "prod"]]


def test_the_route_shows_each_provider_its_place_or_what_keeps_it_out(tmp_path: Path) -> None:
    low = {**ROUTE["spec"]["providers"][0], "name": "low", "maxSensitivity": "Public"}
    priced = {
        "price": {"inputPerMillionTokens": "0.5", "outputPerMillionTokens": "1.5"},
        "limits": {"requestsPerMinute": 60, "maxConcurrent": 4},
    }
    narrow = {**ROUTE["spec"]["providers"][0], "name": "narrow", "capabilities": {"contextWindow": 1}}
    spare = {**ROUTE["spec"]["providers"][0], "name": "spare"}
    spec = {
        "providers": [{**ROUTE["spec"]["providers"][0], **priced}, low, narrow, spare],
        "rules": [
            {"name": "secret", "match": {"sensitivity": {"atLeast": "Restricted"}}, "providers": [{"name": "spare"}]},
            {"name": "all", "providers": [{"name": "low"}, {"name": "narrow"}, {"name": "onprem"}]},
        ],
    }
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
            ["-", "spare", model, "-", "unknown", "-", "not", "in", "rule", "all", "-"],
            [],
            ["Would", "go", "on:", "Internal,", "rule", "all", "(Ordered),", "to", "onprem"],
        ],
    )


CLOUD = {
    "name": "cloud",
    "type": "OpenAI",
    "baseURL": "https://models.example/v1",
    "api": "ChatCompletions",
    "model": "large",
    "credentials": [{"name": "one", "secretKeyRef": {"name": "cloud", "key": "key"}}],
    "maxSensitivity": "Internal",
    "limits": {"requestsPerMinute": 60},
}
FREE = {"price": {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}}
EXCLUDED: dict[str, tuple[dict[str, Any], str]] = {
    "a model that is not allowed": (
        {"models": {"allow": [{"host": "llm.models.svc", "models": ["*"]}]}},
        "models.allow",
    ),
    "a host that is not allowed": ({"egress": {"hosts": ["llm.models.svc", "redis.demo.svc"]}}, "egress.hosts"),
    "a host that is not local": ({"models": {"localHosts": ["llm.models.svc"]}}, "models.localHosts"),
    "a price that nobody knows": ({"budget": {"perDayUsd": "10"}}, "budget.perDayUsd"),
}


def manifests(directory: Path, case: str) -> dict[str, Any]:
    """An agent whose policy leaves the first provider of its rule out. The route."""
    spec, field = EXCLUDED[case]
    house = {**ROUTE["spec"]["providers"][0], **FREE}
    other = (
        {**CLOUD, "type": "Local", "baseURL": "http://other.models.svc/v1"} if field == "models.localHosts" else CLOUD
    )
    other = {key: value for key, value in other.items() if key != "credentials" or other["type"] != "Local"}
    rules = [{"name": "all", "providers": [{"name": "cloud"}, {"name": "onprem"}]}]
    route = {**ROUTE, "spec": {"providers": [other, house], "rules": rules}}
    agent = {**AGENT, "spec": {**AGENT["spec"], "state": {"redis": {"url": "redis://redis.demo.svc:6379"}}}}
    whole = [agent, route, policy(**spec)]
    (directory / "all.yaml").write_text(yaml.safe_dump_all(whole))
    return route


def left_out(field: str) -> list[dict[str, Any]]:
    """What `considered` must have of both providers."""
    of_onprem = {"weight": 1, "model": "m", "price": "0/0", "limits": "", "field": "", "policies": []}
    policies = ["acme/internal", *(["regent-system/floor"] if field == "models.localHosts" else [])]
    of_cloud = {"weight": 1, "model": "large", "price": "", "limits": "60/min"}
    return [
        {"name": "onprem", "place": 1, **of_onprem},
        {"name": "cloud", "place": 0, **of_cloud, "field": field, "policies": policies},
    ]


@pytest.mark.parametrize("case", EXCLUDED)
def test_a_provider_that_the_policies_leave_out_of_the_config_has_its_row(tmp_path: Path, case: str) -> None:
    manifests(tmp_path, case)
    code, out, err = run("-f", str(tmp_path), *CALLER, *PROMPT, "--route", "-o", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["considered"] == left_out(EXCLUDED[case][1])


@pytest.mark.parametrize("case", EXCLUDED)
def test_in_a_cluster_the_route_is_asked_for_whom_the_policies_left_out(tmp_path: Path, case: str) -> None:
    route = manifests(tmp_path, case)
    config = config_of(gather(*read([tmp_path]), "default"), "helper", "regent-system")
    assert [each.name for each in config.route.providers] == ["onprem"]
    code, out, err, said = in_a_cluster(
        tmp_path,
        *(*CALLER, *PROMPT, "--route", "-o", "json"),
        configmap={"data": {"agent.json": document(config).text}},
        modelroutes=route,
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["considered"] == left_out(EXCLUDED[case][1])
    assert said[1] == ["get", "modelroutes.regent.dev", "local", "--output", "json", "--namespace", "acme"]


def test_a_route_that_may_not_be_seen_takes_nothing_else_away(tmp_path: Path) -> None:
    manifests(tmp_path, "a host that is not allowed")
    config = config_of(gather(*read([tmp_path]), "default"), "helper", "regent-system")
    code, out, err, _ = in_a_cluster(
        tmp_path, *CALLER, *PROMPT, "--route", "-o", "json", configmap={"data": {"agent.json": document(config).text}}
    )
    assert code == 0
    assert json.loads(out)["considered"] == left_out("")[:1]
    assert "left out of the config are not shown: Error (Forbidden)" in err


def test_the_reference_shows_what_it_prints() -> None:
    page = Path("docs/reference/cli.md").read_text()
    ((asked, shown),) = re.findall(r"^\$ regent (explain .+)\n((?:.+\n)+?)\.\.\.\n", page, re.MULTILINE)
    code, out, _ = regent(*shlex.split(asked))
    assert (code, out.startswith(shown)) == (3, True), out
    (keys,) = re.findall(r'"considered":\s+\[\{(.+?)\}\]', page)
    assert re.findall(r'"(\w+)"', keys) == [each.name for each in fields(Considered)]
