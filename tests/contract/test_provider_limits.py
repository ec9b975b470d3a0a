"""`limits` of a provider over HTTP: a turn goes on with the next one where there is no room, over all pods of an agent."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.decision import Stage
from tests.contract import test_batch, test_shortening
from tests.contract.redis_server import redis_server
from tests.contract.test_budget import PRICE, SILENT, TELLING, asked, shared
from tests.contract.test_route_faults import booked
from tests.fakes import configs
from tests.fakes.provider import answers, gated, provider, status
from tests.fakes.serving import serving
from tests.rows import row

INPUT, OUTPUT = 16, 1024
"""What a turn is taken to ask for: the estimate of its input, and its output cap."""


def document(*urls: str, limits: dict[str, int], **more: Any) -> dict[str, Any]:
    """The first provider is limited."""
    providers = [configs.provider_config(f"p{number}", url) for number, url in enumerate(urls)]
    providers[0]["limits"] = limits
    return configs.document(*providers, **more)


async def test_requests_beyond_those_of_a_minute_go_to_the_next_provider(tmp_path: Path) -> None:
    async with provider() as one, provider() as other:
        async with serving(tmp_path, document(one.url, other.url, limits={"requestsPerMinute": 2})) as served:
            for _ in range(3):
                assert (await asked(served))[0] == 200
            assert await served.attempts() == [("p1", "answered", "")]
            excluded = [each for each in served.runtime.records[-1].decisions if each.action == "Exclude"]
            assert [(each.field, each.reason) for each in excluded] == [("providers.limits", "p0")]
        assert (len(one.requests), len(other.requests)) == (2, 1)


async def test_where_all_are_at_their_limits_the_caller_learns_when_to_come_again(tmp_path: Path) -> None:
    async with provider() as one, serving(tmp_path, document(one.url, limits={"requestsPerMinute": 1})) as served:
        assert (await asked(served))[0] == 200
        code, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
        assert (code, answer["error"]["code"]) == (429, "provider_rate_limited")
        assert 0 < int(headers["retry-after"]) <= 60
        assert await served.attempts() == []
        assert len(one.requests) == 1


@pytest.mark.parametrize(("behaviour", "fit"), [(TELLING, True), (SILENT, False), (status(429), True)])
async def test_tokens_that_were_not_used_come_back_and_unknown_ones_do_not(
    tmp_path: Path, behaviour: Any, fit: bool
) -> None:
    limits = {"tokensPerMinute": INPUT + OUTPUT + 10}
    async with provider(behaviour) as one, provider() as other:
        async with serving(tmp_path, document(one.url, other.url, limits=limits)) as served:
            counted = served.runtime.states._pod._purses
            counted.now = lambda: 100.0  # no minute ends
            for _ in range(2):
                served.forget_standings()
                assert (await asked(served))[0] == 200
        assert len(one.requests) == (2 if fit else 1)


async def test_a_prompt_that_was_shortened_takes_what_is_sent_of_it(tmp_path: Path) -> None:
    limits = {"tokensPerMinute": test_shortening.CAP + OUTPUT}
    messages = [{"role": "user", "content": test_shortening.PASSAGE}] * 2
    async with provider() as one:
        limited = test_shortening.document(configs.provider_config("p", one.url, limits=limits))
        async with serving(tmp_path, limited) as served:
            assert await test_shortening.refusal(served, messages) == (200, "")
            assert served.runtime.records[-1].input_estimate > test_shortening.CAP


async def test_a_batchs_group_takes_what_all_its_questions_take(tmp_path: Path) -> None:
    behaviour = test_batch.echoing()
    async with provider(behaviour) as one, provider(behaviour) as other:
        first, second = configs.provider_config("p0", one.url), configs.provider_config("p1", other.url)
        async with serving(tmp_path / "open", test_batch.document(first)) as served:
            await test_batch.answers(served, *test_batch.CITIES)
            of_one = served.runtime.records[-1].input_estimate + one.requests[0].body["max_tokens"]
        first["limits"] = {"tokensPerMinute": of_one}
        async with serving(tmp_path / "limited", test_batch.document(first, second)) as served:
            await test_batch.answers(served, *test_batch.CITIES)
        assert (len(one.requests), len(other.requests)) == (1, 1)


async def test_no_more_requests_run_at_once_than_may(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        provider(gated(gate, "One", " more."), answers("Again.")) as one,
        provider() as other,
        serving(tmp_path, document(one.url, other.url, limits={"maxConcurrent": 1})) as served,
    ):
        running = asyncio.create_task(asked(served, stream=True))
        await one.reached.wait()
        assert (await asked(served))[0] == 200
        assert (len(one.requests), len(other.requests)) == (1, 1)
        gate.set()
        await asyncio.wait([running])
        await served.attempts()
        assert (await asked(served))[0] == 200
        assert (len(one.requests), len(other.requests)) == (2, 1)


async def test_two_pods_with_one_redis_ask_as_much_as_one_would(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider() as one, provider() as other:
        limited = document(one.url, other.url, limits={"requestsPerMinute": 3}, **shared(server))
        async with serving(tmp_path / "one", limited) as first, serving(tmp_path / "two", limited) as second:
            for served in (first, second, first, second):
                assert (await asked(served))[0] == 200
        assert (len(one.requests), len(other.requests)) == (3, 1)


@row("room in the limits of a provider")
@pytest.mark.parametrize(("on_error", "code"), [("Deny", 503), ("Local", 200)])
async def test_while_redis_is_away_a_pod_counts_alone_only_where_it_may(
    tmp_path: Path, on_error: str, code: int
) -> None:
    async with redis_server(tmp_path) as server, provider() as one:
        limited = document(one.url, limits={"requestsPerMinute": 1, "tokensPerMinute": 5000}, **shared(server))
        alone = {"policy": {"onStateError": on_error}, "state": {"conversations": False}}
        async with serving(tmp_path / "one", configs.merged(limited, alone)) as served:
            await server.kill()
            assert (await asked(served))[0] == code
            assert len(one.requests) == (code == 200)
            (told,) = [each for each in served.runtime.records[0].decisions if each.field == "onStateError"]
            assert (told.stage, told.action, told.reason) == (Stage.ROUTE, on_error, "state_away")
            if code == 200:
                assert (await asked(served))[:2] == (429, "provider_rate_limited")


async def test_a_turn_that_finds_no_room_pays_nothing_for_it(tmp_path: Path) -> None:
    async with provider(TELLING) as one:
        limited = document(one.url, limits={"requestsPerMinute": 1}, policy={"budget": {"perConversationUsd": "1"}})
        limited["route"]["providers"][0]["price"] = PRICE
        async with serving(tmp_path, limited) as served:
            assert [(await asked(served))[0] for _ in range(3)] == [200, 429, 429]
            assert booked(served) == 15_000
