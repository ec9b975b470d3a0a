"""Whom a turn goes to: by label, by condition, by weight; and that no fault opens a way around the label."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_providers import BAD, BAD_STREAMS
from tests.fakes import configs
from tests.fakes.provider import Behaviour, provider
from tests.fakes.serving import Served, serving

SECRET = "The merger is called Nightingale."
CONFIDENTIAL = {"X-Regent-Sensitivity": "Confidential"}
FAULTS = [
    *(pytest.param(behaviour, False, id=name) for name, (behaviour, _) in BAD.items()),
    *(pytest.param(behaviour, True, id=f"{name}, streamed") for name, (behaviour, _) in BAD_STREAMS.items()),
]


def asked(content: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **more}


def document(*providers: dict[str, Any], **rule: Any) -> dict[str, Any]:
    names = [each["name"] for each in providers]
    rules = [{"name": "all", "atLeast": "Public", "providers": names, **rule}]
    return configs.document(*providers, route={"rules": rules})


@pytest.mark.parametrize(("behaviour", "stream"), FAULTS)
async def test_no_fault_lets_a_confidential_turn_reach_a_provider_below_it(
    tmp_path: Path, behaviour: Behaviour, stream: bool
) -> None:
    async with provider() as cloud, provider(behaviour) as home:
        below = configs.provider_config("cloud", cloud.url, maxSensitivity="Internal")
        async with serving(tmp_path, document(below, configs.provider_config("home", home.url))) as served:
            async with served.http.post(
                f"{served.url}/v1/chat/completions",
                json=asked(SECRET, stream=stream),
                headers={"Authorization": f"Bearer {configs.token()}", **CONFIDENTIAL},
            ) as response:
                await response.read()
            assert {each for each, *_ in await served.attempts()} == {"home"}
            assert (cloud.connections, cloud.requests) == (0, [])
            assert SECRET in json.dumps([request.body for request in home.requests])


async def test_the_label_of_a_conversation_stays_with_its_later_turns(tmp_path: Path) -> None:
    async with provider() as cloud, provider() as home:
        below = configs.provider_config("cloud", cloud.url, maxSensitivity="Internal")
        whole = document(below, configs.provider_config("home", home.url))
        async with serving(tmp_path, {**whole, "state": {"conversations": True}}) as served:
            _, _, headers = await served.post(asked(SECRET), headers=CONFIDENTIAL)
            again = {"X-Regent-Conversation": headers["X-Regent-Conversation"]}
            await served.post(asked("And then?"), headers=again)
            assert (len(home.requests), cloud.connections) == (2, 0)


@pytest.mark.parametrize(
    ("when", "reached"),
    [
        ("'system:serviceaccounts:demo' in turn.callerGroups", "staff"),
        ("'system:serviceaccounts:other' in turn.callerGroups", "rest"),
        ("turn.inputTokens > 100", "rest"),
        ("turn.callerKind == 'ServiceAccount' && !turn.stream", "staff"),
    ],
)
async def test_a_rule_may_ask_about_the_turn(tmp_path: Path, when: str, reached: str) -> None:
    async with provider() as fake:
        rules = [
            {"name": "staff", "atLeast": "Public", "when": when, "providers": ["only"]},
            {"name": "rest", "atLeast": "Public", "providers": ["only"]},
        ]
        whole = configs.document(configs.provider_config("only", fake.url), route={"rules": rules})
        async with serving(tmp_path, whole) as served:
            assert (await served.ask())[0] == 200
            assert served.runtime.records[-1].rule == reached


@pytest.mark.parametrize("strategy", ["Weighted", "Sticky"])
async def test_a_conversation_stays_with_its_provider(tmp_path: Path, strategy: str) -> None:
    async with provider() as one, provider() as other:
        providers = [configs.provider_config(name, fake.url) for name, fake in (("one", one), ("other", other))]
        whole = document(*providers, strategy=strategy)
        async with serving(tmp_path, {**whole, "state": {"conversations": True}}) as served:
            for number in range(6):
                _, _, headers = await served.post(asked(f"Topic {number}"))
                again = {"X-Regent-Conversation": headers["X-Regent-Conversation"]}
                begun = await first(served)
                for turn in range(3):
                    await served.post(asked(f"More {turn}"), headers=again)
                    assert await first(served) == begun


async def test_turns_without_a_conversation_are_shared_out_by_weight(tmp_path: Path) -> None:
    async with provider() as one, provider() as other:
        providers = [configs.provider_config(name, fake.url) for name, fake in (("one", one), ("other", other))]
        async with serving(tmp_path, document(*providers, strategy="Weighted", weights={"one": 1000})) as served:
            for _ in range(20):
                assert (await served.ask())[0] == 200
            assert len(one.requests) > 10 > len(other.requests)


async def first(served: Served) -> str:
    return (await served.attempts())[0][0]


@pytest.mark.parametrize(("strategy", "reached"), [("LeastLatency", "quick"), ("Ordered", "slow")])
async def test_who_was_quickest_of_late_is_asked_first_where_the_rule_says_so(
    tmp_path: Path, strategy: str, reached: str
) -> None:
    async with provider() as slow, provider() as quick:
        both = configs.provider_config("slow", slow.url), configs.provider_config("quick", quick.url)
        async with serving(tmp_path, document(*both, strategy=strategy)) as served:
            assert (await served.ask())[0] == 200
            told = {each["name"]: each["firstWordSeconds"] for each in (await served.statusz())["providers"]}
            assert told[served.runtime.records[-1].provider]["whole"] > 0
            snapshot = served.runtime.lifecycle.snapshot
            assert snapshot is not None
            for name, seconds in (("slow", 2.0), ("quick", 0.01)):
                for _ in range(100):
                    snapshot.standings[name].latency.measured(seconds, stream=False)
            assert (await served.ask())[0] == 200
            assert served.runtime.records[-1].provider == reached
