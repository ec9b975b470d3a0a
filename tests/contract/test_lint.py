"""`regent lint -f` as a program: what it finds, how it says so, and with which exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.commands import regent

ROOT = Path(__file__).resolve().parents[2]
AGENT = {
    "apiVersion": "regent.dev/v1alpha1",
    "kind": "AIAgent",
    "metadata": {"name": "helper", "namespace": "acme"},
    "spec": {
        "instructions": {"inline": "Help."},
        "modelRouteRef": {"name": "local"},
        "policyRefs": [{"name": "internal"}],
        "sensitivity": "Internal",
    },
}
ROUTE = {
    "apiVersion": "regent.dev/v1alpha1",
    "kind": "ModelRoute",
    "metadata": {"name": "local", "namespace": "acme"},
    "spec": {
        "providers": [
            {
                "name": "onprem",
                "type": "Local",
                "baseURL": "http://llm.models.svc:8080/v1",
                "api": "ChatCompletions",
                "model": "m",
                "maxSensitivity": "Restricted",
            }
        ],
        "rules": [{"name": "all", "providers": [{"name": "onprem"}]}],
    },
}


def policy(name: str = "internal", namespace: str = "acme", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "regent.dev/v1alpha1", "kind": "AgentPolicy", "metadata": metadata, "spec": spec}


GOOD = (AGENT, ROUTE, policy())
ISSUER = {"issuer": "https://id.test", "audience": "helper"}
CONTRADICTION = [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"}]


def run(*words: str) -> tuple[int, str, str]:
    return regent("lint", *words)


def lint(directory: Path, *manifests: dict[str, Any], form: str = "json") -> tuple[int, str]:
    (directory / "all.yaml").write_text(yaml.safe_dump_all(manifests))
    code, out, err = run("-f", str(directory), "-o", form)
    assert err == ""
    return code, out


def found(directory: Path, *manifests: dict[str, Any]) -> list[tuple[str, str, str]]:
    code, text = lint(directory, *manifests)
    findings = [(each["code"], each["object"], each["message"]) for each in json.loads(text)["findings"]]
    assert code == (3 if findings else 0)
    return findings


def test_good_manifests_give_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path, *GOOD) == []
    assert lint(tmp_path, *GOOD, form="table") == (0, "")


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_the_examples_are_clean(tmp_path: Path, example: str) -> None:
    assert run("-f", str(ROOT / "examples" / example)) == (0, "", "")


WRONG: dict[str, tuple[tuple[dict[str, Any], ...], str, str, str]] = {
    "a route that is not there": ((AGENT, policy()), "RouteMissing", "AIAgent acme/helper", "create it"),
    "a policy that is not there": ((AGENT, ROUTE), "PolicyMissing", "AIAgent acme/helper", "acme/internal"),
    "a key set that is not there": (
        (AGENT, ROUTE, policy(callers={"oidc": [{**ISSUER, "jwks": {"configMapKeyRef": {"name": "k", "key": "j"}}}]})),
        "DanglingReference",
        "AgentPolicy acme/internal",
        "key j of ConfigMap k does not exist",
    ),
    "a key set that is none": (
        (AGENT, ROUTE, policy(callers={"oidc": [{**ISSUER, "jwks": {"inline": "no"}}]})),
        "Invalid",
        "AgentPolicy acme/internal",
        "spec.callers.oidc[0].jwks.inline: is not JSON",
    ),
    "an unknown field": ((*GOOD, policy("x", sizes={})), "Invalid", "AgentPolicy acme/x", "did you mean size?"),
    "a broken rule of the schema": (
        (*GOOD, policy("x", selector={}, size={"turnTimeout": "0s"})),
        "Invalid",
        "AgentPolicy acme/x",
        "must be longer than 0s",
    ),
    "API keys in a floor": (
        (
            *GOOD,
            policy(
                "x",
                "regent-system",
                selector={},
                callers={"apiKeys": [{"name": "k", "secretKeyRef": {"name": "s", "key": "k"}}]},
            ),
        ),
        "Invalid",
        "AgentPolicy regent-system/x",
        "state apiKeys in a policy of the agents' namespace",
    ),
    "a policy that nobody names": (
        (*GOOD, policy("x")),
        "NeverMatches",
        "AgentPolicy acme/x",
        "select or name agents",
    ),
    "a selector that nothing satisfies": (
        (*GOOD, policy("x", selector={"agents": {"matchExpressions": CONTRADICTION}})),
        "NeverMatches",
        "AgentPolicy acme/x",
        "spec.selector.agents: no labels satisfy",
    ),
    "a floor that its subjects can leave": (
        (*GOOD, policy("x", "regent-system", selector={"agents": {"matchLabels": {"tier": "one"}}})),
        "SelectedByAuthors",
        "AgentPolicy regent-system/x",
        "select by spec.selector.namespaces",
    ),
    "namespaces selected outside of the floor": (
        (*GOOD, policy("x", selector={"namespaces": {"matchLabels": {"a": "b"}}})),
        "Invalid",
        "AgentPolicy acme/x",
        "ask the cluster's admins",
    ),
    "policies with nothing in common": (
        (
            *GOOD,
            policy("a", selector={}, callers={"serviceAccounts": [{"name": "a"}]}),
            policy("b", selector={}, callers={"serviceAccounts": [{"name": "b"}]}),
        ),
        "PolicyConflict",
        "AIAgent acme/helper",
        "callers.serviceAccounts: the lists of acme/a, acme/b, regent-system/floor have nothing in common",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found(tmp_path: Path, case: str) -> None:
    manifests, code, title, words = WRONG[case]
    findings = found(tmp_path, *manifests)
    assert any((code, title) == each[:2] and words in each[2] for each in findings), findings


def test_a_pattern_that_is_none_is_found_under_its_own_code(tmp_path: Path) -> None:
    patterns = [{"name": name, "re2": re2, "action": "Deny"} for name, re2 in (("a", "(?<=x)y"), ("b", "[z"))]
    findings = found(tmp_path, AGENT, ROUTE, policy(guardrails={"input": {"patterns": patterns}}))
    bad = [
        message for code, title, message in findings if (code, title) == ("InvalidPattern", "AgentPolicy acme/internal")
    ]
    assert len(bad) == 2, findings
    assert all("spec.guardrails.input.patterns" in message for message in bad)


def test_expressions_that_are_none_are_found_under_their_own_code(tmp_path: Path) -> None:
    alerts = [{"name": name, "when": when} for name, when in (("a", "record.tokens >"), ("b", "record.nothing == 1"))]
    rules = [{"name": "all", "match": {"when": "turn.caller == 'x'"}, "providers": [{"name": "onprem"}]}]
    route = {**ROUTE, "spec": {**ROUTE["spec"], "rules": rules}}
    findings = found(tmp_path, AGENT, route, policy(audit={"alerts": alerts}))
    bad = {(title, message.split(": ")[0]) for code, title, message in findings if code == "InvalidExpression"}
    assert bad == {
        ("AgentPolicy acme/internal", "spec.audit.alerts[0].when"),
        ("AgentPolicy acme/internal", "spec.audit.alerts[1].when"),
        ("ModelRoute acme/local", "spec.rules[0].match.when"),
    }, findings


def test_all_that_is_wrong_is_told_at_once_each_thing_once(tmp_path: Path) -> None:
    findings = found(tmp_path, AGENT, policy("x"), policy("y", sizes={}))
    assert [each[0] for each in findings] == ["Invalid", "NeverMatches", "PolicyMissing", "RouteMissing"]


def test_an_object_that_stands_twice_is_told_unless_alike(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(yaml.safe_dump_all([policy(size={"turnTimeout": "1s"}), ROUTE]))
    words = f"{tmp_path}/all.yaml and {tmp_path}/more.yaml state it differently; remove one"
    assert found(tmp_path, *GOOD) == [("Duplicate", "AgentPolicy acme/internal", words)]


def test_where_nothing_is_read_nothing_is_called_good(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "all.yaml").write_text(yaml.safe_dump_all(GOOD))
    code, out, _ = run("-f", str(tmp_path), "-o", "json")
    assert (code, [each["code"] for each in json.loads(out)["findings"]]) == (3, ["NothingRead"])
    assert [each[:2] for each in found(tmp_path)] == [("NothingRead", str(tmp_path))]  # a file without a document


def test_a_namespace_that_is_none_is_told_as_such(tmp_path: Path) -> None:
    agent = {**AGENT, "metadata": {"name": "helper", "namespace": "A_B"}}
    assert ("Invalid", "AIAgent A_B/helper") in [each[:2] for each in found(tmp_path, agent, ROUTE, policy())]


def test_a_file_that_is_no_yaml_is_a_finding_beside_those_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    unread = ("NotReadable", str(tmp_path / "broken.yaml"))
    assert [each[:2] for each in found(tmp_path, *GOOD)] == [unread]
    others = [("Invalid", "AgentPolicy acme/y"), ("NeverMatches", "AgentPolicy acme/x")]
    assert [each[:2] for each in found(tmp_path, *GOOD, policy("x"), policy("y", sizes={}))] == [unread, *others]
    (tmp_path / "all.yaml").unlink()
    code, out, _ = run("-f", str(tmp_path), "-o", "json")
    assert (code, [each["code"] for each in json.loads(out)["findings"]]) == (3, ["NotReadable"])


@pytest.mark.parametrize("form", ["table", "yaml"])
def test_people_and_programs_read_it_in_their_own_form(tmp_path: Path, form: str) -> None:
    code, text = lint(tmp_path, *GOOD, policy("x"), form=form)
    assert code == 3
    if form == "yaml":
        assert yaml.safe_load(text)["findings"][0]["code"] == "NeverMatches"
    else:
        assert text.splitlines()[0].split() == ["CODE", "OBJECT", "MESSAGE"]
        assert text.splitlines()[1].startswith("NeverMatches   AgentPolicy acme/x")


def test_a_path_that_does_not_exist_is_another_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "regent_operator.cli.main", "lint", "-f", str(tmp_path / "nothing")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "does not exist" in ended.stderr
