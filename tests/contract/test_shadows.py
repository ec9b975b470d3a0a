"""Policies in mode Audit: they tell what they would have done, and change nothing."""

from pathlib import Path
from typing import Any

import pytest

from regent_operator.plan.policy import effective
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.serving import serving

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi, " + "word " * 60}]}


def shadow(**policy: Any) -> dict[str, Any]:
    in_force = configs.merged(effective({}).wire(), {"models": {"localHosts": [["127.0.0.1"]]}})
    return {"name": "demo/trial", "policy": configs.merged(in_force, policy)}


@enforces("mode")
@pytest.mark.parametrize(
    ("trial", "told"),
    [
        ({}, []),
        ({"callers": {"serviceAccounts": [[{"name": "other"}]]}}, [("callers", "Deny", "callers.serviceAccounts")]),
        ({"size": {"maxRequestBytes": 20}}, [("size", "Deny", "size.maxRequestBytes")]),
        ({"size": {"maxInputTokens": 16}}, [("size", "Deny", "size.maxInputTokens")]),
        ({"size": {"maxOutputTokens": 1}}, [("size", "Clamp", "size.maxOutputTokens")]),
        ({"models": {"localHosts": []}}, [("route", "Deny", "")]),
        (
            {"data": {"classes": {"Internal": {"aiProcessing": ["Deny"]}}}},
            [("route", "Deny", "data.classes.Internal.aiProcessing")],
        ),
        (
            {"data": {"classes": {"Internal": {"aiProcessing": ["Approve"], "anonymize": True}}}},
            [
                ("class", "Approve", "data.classes.Internal.aiProcessing"),
                ("anonymize", "Anonymize", "data.classes.Internal.anonymize"),
            ],
        ),
    ],
)
async def test_a_shadow_tells_what_it_would_have_refused_and_lets_the_turn_pass(
    tmp_path: Path, trial: dict[str, Any], told: list[tuple[str, str, str]]
) -> None:
    async with provider() as fake:
        document = configs.document(configs.provider_config("local", fake.url), shadows=[shadow(**trial)])
        async with serving(tmp_path, document) as served:
            status, answer, _ = await served.post(HELLO)
            counted = await served.series("regent_shadow_decisions_total")
            (record,) = served.runtime.records
    assert status == 200
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert len(fake.requests) == 1
    decisions = [found for found in record.decisions if found.shadow]
    assert [(found.stage, found.action, found.field) for found in decisions] == told
    assert {(found.shadow, found.policies) for found in decisions} <= {("demo/trial", ("demo/trial",))}
    series = 'regent_shadow_decisions_total{{action="{1}",field="{2}",policy="demo/trial"}}'
    assert counted == {series.format(*decision): 1.0 for decision in told}


async def test_what_is_in_force_refuses_whatever_a_shadow_would_let_pass(tmp_path: Path) -> None:
    async with provider() as fake:
        document = configs.document(
            configs.provider_config("local", fake.url),
            policy={"size": {"maxInputTokens": 16}},
            shadows=[shadow()],
        )
        async with serving(tmp_path, document) as served:
            status, answer, _ = await served.post(HELLO)
    assert (status, answer["error"]["code"]) == (422, "input_too_long")
    assert not fake.requests


@enforces("mode", "limits.requestsPerHour")
async def test_a_shadows_limits_count_by_themselves(tmp_path: Path) -> None:
    limits = [
        {"policy": "demo/in-force", "per": "Caller", "requestsPerHour": 3},
        {"policy": "demo/trial", "per": "Caller", "requestsPerHour": 1},
    ]
    async with provider() as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"limits": limits[:1]}, shadows=[shadow(limits=limits)]
        )
        async with serving(tmp_path, document) as served:
            found = [(await served.ask())[0] for _ in range(4)]
            told = [
                [(each.field, each.shadow, each.action) for each in record.decisions if each.shadow]
                for record in served.runtime.records
            ]
    assert found == [200, 200, 200, 429]
    assert told == [[], [("limits", "demo/trial", "Deny")], [("limits", "demo/trial", "Deny")], []]
