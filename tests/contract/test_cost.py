"""What a turn costs, as the audit log, the log line and the metrics tell it, with the real runtime."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_api.audit import segment
from regent_api.audit.record import CostPart, Kind, Record, decode
from tests.contract.processes import request, running
from tests.fakes import configs
from tests.fakes.provider import (
    Behaviour,
    answers,
    chunk,
    completion,
    json_answer,
    provider,
    raw,
    status,
    stream_of,
    usage_chunk,
)
from tests.fakes.serving import serving
from tests.fakes.waiting import eventually

PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "2.5", "output": "10", "cachedInput": "1.25", "cacheWrite": "2.5"}],
}
COSTS = CostPart(usd="0.0000575", price="route")
"""11 x 2.5 + 3 x 10 = 57.5 millionths of a dollar."""


def document(*urls: str, price: dict[str, Any] | None = PRICE, **more: Any) -> dict[str, Any]:
    priced = {"price": price} if price else {}
    return configs.document(
        *(configs.provider_config(f"p{number}", url, **priced) for number, url in enumerate(urls)), **more
    )


def outcome(directory: Path) -> Record:
    """Of the one turn."""
    logged = [decode(payload) for _, payload in segment.payloads(directory / "audit")]
    (found,) = [each for each in logged if each.kind is Kind.OUTCOME]
    return found


async def cost_of(tmp_path: Path, behaviour: Behaviour, stream: bool = False, **more: Any) -> CostPart | None:
    async with provider(behaviour) as fake, serving(tmp_path, document(fake.url, **more)) as served:
        async with served.http.post(f"{served.url}/v1/chat/completions", **request(stream=stream)) as response:
            await response.read()

        async def ended() -> int:
            return len(served.runtime.records)

        await eventually(ended, lambda count: count == 1)
    told = outcome(tmp_path)
    assert told.attempts[0].cost is not None
    assert (told.cost and told.cost.usd) == told.attempts[0].cost.usd
    return told.attempts[0].cost


async def test_what_one_provider_counted_is_not_told_of_anothers_answer(tmp_path: Path) -> None:
    filtered = json_answer(completion("Par", finish_reason="content_filter"))
    silent = json_answer({**completion("Rose."), "usage": None})
    async with provider(filtered) as one, provider(silent) as other:
        route = {"route": {"fallback": {"errors": ["ContentFilter"]}}}
        async with serving(tmp_path, document(one.url, other.url, **route)) as served:
            assert (await served.ask())[0] == 200
    told = outcome(tmp_path)
    assert [each.outcome for each in told.attempts] == ["content_filter", "answered"]
    assert told.tokens is None


@pytest.mark.parametrize("stream", [False, True])
async def test_log_line_audit_and_metrics_tell_the_same_exact_cost(tmp_path: Path, stream: bool) -> None:
    async with (
        provider(answers("Rose.")) as fake,
        aiohttp.ClientSession() as http,
        running(tmp_path, document(fake.url)) as pod,
    ):
        async with http.post(f"{pod.url}/v1/chat/completions", **request(stream=stream)) as response:
            assert response.status == 200
            await response.read()
        async with http.get(f"{pod.status_url}/metrics") as response:
            metrics = await response.text()
        pod.process.terminate()
        assert await pod.ended() == 0
        (line,) = [each for each in pod.lines if each["event"] == "turn"]
    assert line["cost"] == "0.0000575"
    assert line["attempts"] == [
        {"provider": "p0", "outcome": "answered", "detail": "", "cost": "0.0000575", "price": "route"}
    ]
    assert 'regent_cost_usd_total{model="p0-model",provider="p0"} 5.75e-05' in metrics
    assert "regent_cost_unknown_total{" not in metrics
    told = outcome(tmp_path)
    assert told.attempts[0].cost == COSTS
    assert told.cost == CostPart(usd="0.0000575")


async def test_cached_tokens_have_their_own_price(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920},
    }
    cost = await cost_of(tmp_path, json_answer({**completion("Hi."), "usage": usage}))
    assert cost == CostPart(usd="0.005615", price="route")


@pytest.mark.parametrize(
    ("behaviour", "stream"),
    [
        (json_answer({**completion("Hi."), "usage": None}), False),
        (json_answer({**completion("Hi."), "usage": {"prompt_tokens": "many"}}), False),
        (stream_of(chunk({"content": "Hi."}), chunk({}, "stop"), b"data: [DONE]\n\n"), True),
        (stream_of(chunk({"content": "Hi."}), usage_chunk()), True),
        (raw(b""), False),
        (status(503), False),
    ],
    ids=["no usage", "nonsense", "a stream without usage", "cut before its end", "cut", "a fault of the provider"],
)
async def test_what_was_not_counted_is_unknown_and_bounded_never_zero(
    tmp_path: Path, behaviour: Behaviour, stream: bool
) -> None:
    cost = await cost_of(tmp_path, behaviour, stream=stream)
    assert cost is not None
    assert (cost.usd, cost.unknown, cost.price) == ("", "usage_unknown", "route")
    assert float(cost.at_most) > 1024 * 10 / 1_000_000


async def test_without_a_price_the_cost_is_unknown_whatever_was_counted(tmp_path: Path) -> None:
    assert await cost_of(tmp_path, answers("Rose."), price=None) == CostPart(unknown="price_unknown")


@pytest.mark.parametrize("code", [400, 401, 404, 429])
async def test_what_a_provider_refuses_costs_nothing(tmp_path: Path, code: int) -> None:
    assert await cost_of(tmp_path, status(code)) == CostPart(usd="0", price="route")


async def test_an_answer_that_a_guard_withholds_is_paid_all_the_same(tmp_path: Path) -> None:
    secret = "ghp_" + "aZ3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
    cost = await cost_of(tmp_path, answers(f"It is {secret}."))
    assert cost == COSTS


async def test_a_turn_costs_what_its_attempts_cost(tmp_path: Path) -> None:
    async with (
        provider(status(429)) as one,
        provider(answers("Rose.")) as other,
        serving(tmp_path, document(one.url, other.url)) as served,
    ):
        assert (await served.ask("Tulip?"))[0] == 200
    told = outcome(tmp_path)
    assert [each.cost for each in told.attempts] == [CostPart(usd="0", price="route"), COSTS]
    assert told.cost == CostPart(usd="0.0000575")


async def test_metrics_count_what_is_unknown_beside_what_is_known(tmp_path: Path) -> None:
    async with (
        provider(status(503)) as one,
        provider(answers("Rose.")) as other,
        serving(tmp_path, document(one.url, other.url)) as served,
    ):
        assert (await served.ask("Tulip?"))[0] == 200
        async with served.http.get(f"{served.status_url}/metrics") as response:
            metrics = await response.text()
    assert 'regent_cost_unknown_total{model="p0-model",provider="p0",reason="usage_unknown"} 1.0' in metrics
    assert 'regent_cost_unknown_at_most_usd_total{model="p0-model",provider="p0"}' in metrics
    assert 'regent_cost_usd_total{model="p1-model",provider="p1"} 5.75e-05' in metrics
    assert outcome(tmp_path).cost is not None
