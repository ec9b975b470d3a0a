"""The words for invalid specs; the rules are the CRDs' own, and tests/api holds the API server to the same ones."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from regent_api.crd import root_schema
from regent_api.kinds import AGENT_POLICY, AI_AGENT, KINDS, MODEL_ROUTE, Kind
from regent_operator.cli import rules
from regent_operator.cli.validation import problems

AGENT: dict[str, Any] = {"instructions": {"inline": "Help."}, "modelRouteRef": {"name": "r"}, "sensitivity": "Public"}
PROVIDER = "{name: a, type: Local, baseURL: 'http://m.models.svc:8080/v1', api: ChatCompletions, model: m, maxSensitivity: Public}"


def edited(text: str) -> dict[str, Any]:
    return {**AGENT, **yaml.safe_load(text)}


def said_of(spec: dict[str, Any], kind: Kind, name: str = "shop") -> list[str]:
    return problems({"metadata": {"name": name}, "spec": spec}, kind)


def test_a_valid_spec_has_no_problems() -> None:
    assert said_of(AGENT, AI_AGENT) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"instructions": {"inline": "x"}, "sensitivity": "Public"}, "spec.modelRouteRef: is required"),
        (edited("polices: []"), "spec.polices: unknown field; did you mean policyRefs?"),
        (edited("parameters: {zzz: 1}"), "spec.parameters.zzz: unknown field; known are maxOutputTokens, temperature"),
        (edited("sensitivity: Secret"), "spec.sensitivity: Input should be 'Public', 'Internal', 'Confidential' or"),
        (edited("scaling: {replicas: 0}"), "spec.scaling.replicas: Input should be greater than or equal to 1"),
        (edited("scaling: null"), "spec.scaling: is null; write a value, or leave the field out"),
        (edited("instructions: {}"), "spec.instructions: set exactly one of instructions.inline and"),
        (
            edited("instructions: {inline: a, configMapKeyRef: {name: a, key: b}}"),
            "spec.instructions: set exactly one of instructions.inline and instructions.configMapKeyRef",
        ),
        (
            edited("instructions: {inline: a, short: b}"),
            "spec.instructions.short: short instructions are used where prompt.whenTooLong is Shorten",
        ),
        (edited("policyRefs: [{name: a}, {name: a}]"), "spec.policyRefs[1]: stands twice (by name); remove one"),
        (
            edited("workload: {priorityClassName: system-node-critical}"),
            "spec.workload.priorityClassName: priority classes of the system are not for agents",
        ),
        (edited("policyRefs: a"), "spec.policyRefs: must be a list"),
        (
            edited("workload: {resources: {requests: {cpu: '2'}, limits: {cpu: 500m}}}"),
            "spec.workload.resources.requests.cpu: must",
        ),
    ],
)
def test_a_problem_of_an_agent_names_the_field_and_what_to_write(spec: dict[str, Any], words: str) -> None:
    found = said_of(spec, AI_AGENT)

    assert len(found) == 1
    assert found[0].startswith(words)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("{egress: {}}", AGENT_POLICY, "spec.egress: set egress.hosts, egress.cidrs or both"),
        ("{egress: {cidrs: ['10.0.0.0']}}", AGENT_POLICY, "spec.egress.cidrs[0]: must be a CIDR such as 10.0.0.0/8"),
        ("{egress: {hosts: [a.b, a.b]}}", AGENT_POLICY, "spec.egress.hosts[1]: stands twice; remove one"),
        ("{size: {turnTimeout: 0s}}", AGENT_POLICY, "spec.size.turnTimeout: must be longer than 0s"),
        (
            "{callers: {serviceAccounts: []}}",
            AGENT_POLICY,
            "spec.callers.serviceAccounts: List should have at least 1 item",
        ),
        (
            f"{{providers: [{PROVIDER}], rules: [{{name: all, providers: [{{name: b}}]}}]}}",
            MODEL_ROUTE,
            "spec.rules: every provider named in a rule must stand in spec.providers",
        ),
        (
            (
                f"{{providers: [{PROVIDER.replace('Local', 'OpenAI').replace('.svc', '.com')}], "
                "rules: [{name: all, providers: [{name: a}]}]}"
            ),
            MODEL_ROUTE,
            "spec.providers[0].baseURL: must start with https:// unless the provider is Local",
        ),
        (
            f"{{providers: [{PROVIDER.replace('http:', 'HTTP:')}], rules: [{{name: all, providers: [{{name: a}}]}}]}}",
            MODEL_ROUTE,
            "spec.providers[0].baseURL: must be a URL such as https",
        ),
    ],
)
def test_the_rules_of_policies_and_routes_hold(text: str, kind: Kind, words: str) -> None:
    found = said_of(yaml.safe_load(text), kind)

    assert len(found) == 1
    assert found[0].startswith(words)


def test_every_value_stays_out_of_the_words() -> None:
    spec = edited("{instructions: {inline: 7}, sensitivity: hunter2, description: [hunter2]}")

    assert "hunter2" not in " ".join(said_of(spec, AI_AGENT))
    assert len(said_of(spec, AI_AGENT)) == 3


@pytest.mark.parametrize("name", ["7up", "a" * 51, "a.b", "Shop", "shop-"])
def test_the_rule_of_an_agents_name_holds(name: str) -> None:
    found = said_of(AGENT, AI_AGENT, name)

    assert len(found) == 1
    assert found[0].startswith("metadata.name: must be at most 50 characters")


def test_a_field_beside_spec_is_named() -> None:
    assert problems({"metadata": {"name": "a"}, "sensitivity": "Public", "spec": AGENT}, AI_AGENT) == [
        "sensitivity: unknown field; did you mean spec.sensitivity?"
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_function_that_a_rule_calls_is_known(kind: Kind) -> None:
    built_in = {"all", "duration", "exists", "exists_one", "has", "int", "matches", "size", "startsWith"}
    called = set(re.findall(r"\b([A-Za-z_]+)\(", re.sub(r"'[^']*'", "''", json.dumps([*rules_of(root_schema(kind))]))))

    assert called - built_in <= set(rules.FUNCTIONS)


def rules_of(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            yield from (validation["rule"] for validation in schema.get("x-kubernetes-validations", ()))
            for inner in schema.values():
                yield from rules_of(inner)
        case list():
            for inner in schema:
                yield from rules_of(inner)


@pytest.mark.parametrize(
    ("left", "right", "order"), [("1", "1000m", 0), ("1Gi", "1G", 1), ("100m", "1", -1), ("1.5", "1500m", 0)]
)
def test_quantities_compare_by_amount(left: str, right: str, order: int) -> None:
    assert rules.compare(left, right) == order
