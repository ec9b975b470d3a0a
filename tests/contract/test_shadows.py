"""Policies in mode Audit: they tell what they would have done, and change nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from regent_operator.plan.policy import effective
from tests.contract.processes import request
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import answers, completion, gated, json_answer, provider
from tests.fakes.serving import serving
from tests.fakes.waiting import eventually

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


@enforces("mode", "limits.maxConcurrentTurns")
async def test_a_shadow_tells_of_a_turn_too_many_and_lets_it_run(tmp_path: Path) -> None:
    """What has ended makes room, also where the caller has left."""
    limits = [{"policy": "demo/trial", "per": "Caller", "maxConcurrentTurns": 1}]
    gate = asyncio.Event()

    async def reached() -> int:
        return len(fake.requests)

    async def streamed() -> int:
        async with served.http.post(f"{served.url}/v1/chat/completions", **request(stream=True)) as response:
            await response.read()
            return response.status

    async with provider(gated(gate, "Hi."), gated(gate, "Hi."), answers("Hi.")) as fake:
        document = configs.document(configs.provider_config("local", fake.url), shadows=[shadow(limits=limits)])
        async with serving(tmp_path, document) as served:
            leaves = asyncio.create_task(streamed())
            await eventually(reached, lambda number: number == 1)
            stays = asyncio.create_task(streamed())
            await eventually(reached, lambda number: number == 2)
            leaves.cancel()
            gate.set()
            assert await stays == 200
            await served.until(lambda told: told["turns"] == 0)
            assert (await served.ask())[0] == 200
            records = sorted(served.runtime.records, key=lambda record: record.began)
    told = [[(each.field, each.action, each.reason) for each in record.decisions if each.shadow] for record in records]
    assert told == [[], [("limits", "Deny", "rate_limit_exceeded")], []]


PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}
SILENT = json_answer({**completion("Hi."), "usage": None})
"""What it costs nobody knows: some 0.0116 USD at the most."""


def trying(url: str, in_force: dict[str, Any], **budget: Any) -> dict[str, Any]:
    return configs.document(
        configs.provider_config("local", url, price=PRICE),
        policy={"budget": in_force},
        shadows=[shadow(budget={**in_force, **budget})],
        state={"conversations": True},
    )


@pytest.mark.parametrize(
    ("in_force", "tried", "told"),
    [
        ({}, {"perConversationUsd": "0.0120"}, [[], ["Deny"], ["Deny"]]),
        ({}, {"perConversationUsd": "0.0240"}, [[], [], ["Deny"]]),
        ({}, {"perConversationUsd": "0.0130", "onExceeded": "Downgrade"}, [[], ["Downgrade"], ["Downgrade"]]),
        ({}, {"perConversationUsd": "0.0180"}, [[], ["Shrink"], ["Deny"]]),
        ({"perConversationUsd": "5"}, {}, [[], [], []]),
        ({"perConversationUsd": "5"}, {"perConversationUsd": "0.0130"}, [[], ["Deny"], ["Deny"]]),
        ({}, {"perDayUsd": "5"}, [["Fault"], ["Fault"], ["Fault"]]),
    ],
)
async def test_a_budget_that_is_tried_counts_by_itself_and_refuses_nobody(
    tmp_path: Path, in_force: dict[str, Any], tried: dict[str, Any], told: list[list[str]]
) -> None:
    async with provider(SILENT) as fake, serving(tmp_path, trying(fake.url, in_force, **tried)) as served:
        status, _, headers = await served.post(HELLO)
        talk = {"X-Regent-Conversation": headers["X-Regent-Conversation"]}
        assert status == 200
        assert [(await served.post(HELLO, headers=talk))[0] for _ in range(2)] == [200, 200]
        found = [[each for each in record.decisions if each.shadow] for record in served.runtime.records]
        assert {each.body["max_tokens"] for each in fake.requests} == {1024}
    assert [[each.action for each in of_turn] for of_turn in found] == told
    assert {(each.field, each.policies) for of_turn in found for each in of_turn} <= {
        (f"budget.{field}", ("demo/trial",)) for field in tried
    }


async def test_a_budget_that_is_tried_counts_what_turns_cost(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    telling = json_answer({**completion("Hi."), "usage": usage})
    tried = trying("http://unused", {}, perConversationUsd="0.0130")
    async with provider(telling) as fake:
        tried["route"]["providers"][0]["baseURL"] = fake.url
        async with serving(tmp_path, tried) as served:
            _, _, headers = await served.post(HELLO)
            talk = {"X-Regent-Conversation": headers["X-Regent-Conversation"]}
            for _ in range(5):
                assert (await served.post(HELLO, headers=talk))[0] == 200
            assert [each for record in served.runtime.records for each in record.decisions if each.shadow] == []
            spent = served.runtime.states._pod._purses._spent
            assert [each.amount for each in spent.values()] == [6 * 15_000]
