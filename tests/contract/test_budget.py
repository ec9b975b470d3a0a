"""`budget` over HTTP: in one pod, and in three that share a real Redis."""

import asyncio
import random
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_api.audit import segment
from regent_api.audit.record import Kind, Record, decode
from regent_api.price import words
from tests.contract.processes import request, running
from tests.contract.redis_server import RedisServer, redis_server
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Behaviour, answers, completion, json_answer, provider, send_json, stalls, status
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}
FREE = {"source": "route", "bands": [{"input": "0", "output": "0", "cachedInput": "0", "cacheWrite": "0"}]}
ONE_TURN = "0.0115"
"""Room for the reservation of one, and then not for 64 tokens: some 1160 input tokens at the most, and 1024 of output."""
TELLING = json_answer({**completion("Hi."), "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}})
SILENT = json_answer({**completion("Hi."), "usage": None})


def document(*urls: str, budget: dict[str, str], price: dict[str, Any] | None = PRICE, **more: Any) -> dict[str, Any]:
    priced = {"price": price} if price else {}
    providers = [configs.provider_config(f"p{number}", url, **priced) for number, url in enumerate(urls)]
    return configs.document(*providers, **configs.merged({"policy": {"budget": budget}}, more))


def shared(server: RedisServer) -> dict[str, Any]:
    return {"state": {"redis": {"url": server.url}, "conversations": True}}


async def asked(served: Served, conversation: str = "", **more: Any) -> tuple[int, str, str]:
    """Status, the code of a refusal, and the id of the conversation."""
    headers = {"X-Regent-Conversation": conversation} if conversation else {}
    code, answer, told = await served.post({"messages": [{"role": "user", "content": "Hi"}], **more}, headers=headers)
    return code, answer.get("error", {}).get("code", ""), told.get("x-regent-conversation", "")


def outcomes(directory: Path) -> list[Record]:
    logged = [decode(payload) for _, payload in segment.payloads(directory / "audit")]
    return [each for each in logged if each.kind is Kind.OUTCOME]


@enforces("budget.perConversationUsd")
async def test_a_conversation_that_has_spent_its_budget_is_refused_and_another_is_not(tmp_path: Path) -> None:
    capped = {"perConversationUsd": ONE_TURN}
    async with (
        provider(SILENT) as fake,
        serving(tmp_path, document(fake.url, budget=capped, state={"conversations": True})) as served,
    ):
        code, _, talk = await asked(served)
        assert code == 200
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        refused, answer, headers = await served.post(body, headers={"X-Regent-Conversation": talk})
        assert (refused, answer["error"]["code"], answer["error"]["type"]) == (
            429,
            "insufficient_quota",
            "insufficient_quota",
        )
        assert answer["error"]["message"] == "The agent's budget for this conversation has no room for this turn."
        assert headers["x-should-retry"] == "false"
        assert len(fake.requests) == 1, "nothing of a refused turn reaches a provider"
        assert (await asked(served))[0] == 200
    denied = outcomes(tmp_path)[1]
    assert (denied.code, denied.attempts, denied.cost) == ("insufficient_quota", [], None)
    assert (denied.decisions[-1].action, denied.decisions[-1].field) == ("Deny", "budget.perConversationUsd")


@pytest.mark.parametrize("kept", [False, True])
async def test_a_pod_keeps_no_purse_of_what_has_ended(tmp_path: Path, kept: bool) -> None:
    """Neither of a turn outside of a conversation nor of a conversation that is gone, but for those of late."""
    async with provider(TELLING) as fake:
        paid = document(fake.url, budget={"perConversationUsd": "1"}, state={"conversations": kept})
        async with serving(tmp_path, paid) as served:
            purses = served.runtime.states._pod._purses
            for turn in range(5):
                purses.now = lambda at=1000.0 * turn: at
                code, _, _ = await served.post(
                    {"messages": [{"role": "user", "content": "Hi"}]}, headers={"X-Regent-Conversation-End": "true"}
                )
                assert code == 200
            assert len(purses._spent) == 1


async def second_pod(tmp_path: Path, field: str) -> tuple[int, str]:
    """What a turn of a second pod is told after one of a first has spent all."""
    async with redis_server(tmp_path) as server, provider(SILENT) as fake:
        paid = document(fake.url, budget={field: ONE_TURN}, **shared(server))
        async with serving(tmp_path / "one", paid) as one, serving(tmp_path / "two", paid) as two:
            assert (await asked(one))[0] == 200
            code, word, _ = await asked(two)
            assert len(fake.requests) == 1
    return code, word


@enforces("budget.perDayUsd")
async def test_a_day_that_is_spent_is_spent_for_every_pod(tmp_path: Path) -> None:
    assert await second_pod(tmp_path, "perDayUsd") == (429, "insufficient_quota")


@enforces("budget.perMonthUsd")
async def test_a_month_that_is_spent_is_spent_for_every_pod(tmp_path: Path) -> None:
    assert await second_pod(tmp_path, "perMonthUsd") == (429, "insufficient_quota")


@enforces("budget.alertAtPercent")
async def test_a_threshold_that_is_spent_is_told_and_one_that_is_not_is_not(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(SILENT) as fake:
        paid = document(fake.url, budget={"perDayUsd": "0.02", "perMonthUsd": "100"}, **shared(server))
        paid = configs.merged(paid, {"policy": {"budget": {"alertAtPercent": [50, 80]}}})
        async with serving(tmp_path / "one", paid) as served, serving(tmp_path / "two", paid) as other:
            assert (await served.statusz())["budgets"] == [], "nobody has heard of anything yet"
            assert (await asked(served))[0] == 200
            (reserved,) = {each.cost.at_most for each in outcomes(tmp_path / "one") if each.cost}
            told = {each["period"]: each for each in (await served.statusz())["budgets"]}
            assert {name: (each["usd"], each["exhausted"]) for name, each in told.items()} == {
                "Day": (reserved, False),
                "Month": (reserved, False),
            }
            assert await served.series("regent_budget_alert") == {
                'regent_budget_alert{percent="50",period="Day"}': 1,
                'regent_budget_alert{percent="80",period="Day"}': 0,
                'regent_budget_alert{percent="50",period="Month"}': 0,
                'regent_budget_alert{percent="80",period="Month"}': 0,
            }
            spent = await served.series("regent_budget_spent_ratio")
            assert 0.5 < spent['regent_budget_spent_ratio{period="Day"}'] < 0.8
            assert (await asked(other))[0] == 200, "cut shorter, it fits"
            assert (await asked(other))[0] == 429
            told = {each["period"]: each for each in (await other.statusz())["budgets"]}
            assert (told["Day"]["exhausted"], told["Month"]["exhausted"]) == (True, False)


async def test_an_overspend_is_told_until_the_day_is_over(tmp_path: Path) -> None:
    """By a provider that keeps no output cap: later turns are refused or free, and none hides it."""
    told = {"prompt_tokens": 5, "completion_tokens": 8000, "total_tokens": 8005}
    async with redis_server(tmp_path) as server, provider(json_answer({**completion("Hi."), "usage": told})) as fake:
        paid = document(fake.url, fake.url, budget={"perDayUsd": "0.02"}, **shared(server))
        paid["route"]["providers"][1]["price"] = FREE
        for number, code in enumerate((200, 429)):
            paid["route"]["rules"][0]["providers"] = ["p0"]
            async with serving(tmp_path / f"paid-{number}", paid) as served:
                assert (await asked(served))[0] == code
                assert await overspent(served) == ("0.080005", bool(number))
            paid["route"]["rules"][0]["providers"] = ["p1"]
            async with serving(tmp_path / f"free-{number}", paid) as served:
                assert (await asked(served))[0] == 200
                assert await overspent(served) == ("0.080005", False)


async def overspent(served: Served) -> tuple[str, bool]:
    """What the pod has heard of the day: USD, and whether it is exhausted."""
    await served.attempts()
    ratio = await served.series("regent_budget_spent_ratio")
    assert ratio == {'regent_budget_spent_ratio{period="Day"}': pytest.approx(4.00025)}
    (day,) = (await served.statusz())["budgets"]
    return day["usd"], day["exhausted"]


async def test_what_an_attempt_did_not_cost_is_not_told_as_spent(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(TELLING) as fake:
        paid = document(fake.url, budget={"perDayUsd": "5"}, **shared(server))
        async with serving(tmp_path / "one", paid) as served:
            for turns in (1, 2, 3):
                assert (await asked(served))[0] == 200
                await served.attempts()
                (told,) = (await served.statusz())["budgets"]
                assert Decimal(told["usd"]) == turns * Decimal("0.000015")
            before = (await served.statusz())["digests"]
            served.volume.write(configs.merged(paid, {"instructions": "Answer in two sentences."}))
            found = await served.until(lambda found: found["digests"] != before)
            assert [each["usd"] for each in found["budgets"]] == ["0.000045"], "an edit forgets nothing"


async def test_a_turn_costs_what_was_counted_and_the_rest_comes_back(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(TELLING) as fake:
        paid = document(fake.url, budget={"perDayUsd": ONE_TURN}, **shared(server))
        async with serving(tmp_path / "one", paid) as served:
            assert [(await asked(served))[0] for _ in range(20)] == [200] * 20


async def test_an_attempt_that_a_provider_refused_costs_nothing(tmp_path: Path) -> None:
    """The second reservation would not fit beside the first."""
    async with redis_server(tmp_path) as server, provider(status(429)) as one, provider(TELLING) as other:
        paid = document(one.url, other.url, budget={"perDayUsd": ONE_TURN}, **shared(server))
        async with serving(tmp_path / "one", paid) as served:
            assert (await asked(served))[0] == 200


async def test_an_answer_is_cut_shorter_to_fit_into_what_is_left_and_the_audit_says_so(tmp_path: Path) -> None:
    async with (
        provider(answers("Hi.")) as fake,
        serving(tmp_path, document(fake.url, budget={"perConversationUsd": "0.004"})) as served,
    ):
        assert (await asked(served))[0] == 200
        (sent,) = [each.body["max_tokens"] for each in fake.requests]
    (told,) = outcomes(tmp_path)
    assert 64 <= sent < 1024
    (shrunk,) = [each for each in told.decisions if each.action == "Shrink"]
    assert (shrunk.field, shrunk.reason) == ("budget.perConversationUsd", str(sent))


async def test_an_answer_is_not_cut_to_nothing(tmp_path: Path) -> None:
    async with (
        provider(answers("Hi.")) as fake,
        serving(tmp_path, document(fake.url, budget={"perConversationUsd": "0.0015"})) as served,
    ):
        assert (await asked(served))[:2] == (429, "insufficient_quota")
        assert (await asked(served, max_tokens=8))[0] == 200, "a short answer that was asked for"


def downgrading(*providers: tuple[str, dict[str, Any]], budget: str, on_exceeded: str = "Downgrade") -> dict[str, Any]:
    """A rule of providers with a price each."""
    made = [configs.provider_config(f"p{number}", url, price=price) for number, (url, price) in enumerate(providers)]
    return configs.document(*made, policy={"budget": {"perConversationUsd": budget, "onExceeded": on_exceeded}})


@enforces("budget.onExceeded")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_goes_on_with_a_provider_that_it_can_pay_where_the_policy_says_so(
    tmp_path: Path, stream: bool
) -> None:
    async with provider(answers("Dear.")) as dear, provider(answers("Free.")) as free:
        paid = downgrading((dear.url, PRICE), (free.url, FREE), budget="0.0015")
        async with (
            serving(tmp_path / "one", paid) as served,
            served.http.post(f"{served.url}/v1/chat/completions", **request(stream=stream)) as response,
        ):
            assert (response.status, "Free." in await response.text()) == (200, True)
        denying = downgrading((dear.url, PRICE), (free.url, FREE), budget="0.0015", on_exceeded="Deny")
        async with serving(tmp_path / "two", denying) as served:
            assert (await asked(served))[:2] == (429, "insufficient_quota")
        assert (len(dear.requests), len(free.requests)) == (0, 1)
    (told,) = outcomes(tmp_path / "one")
    (went,) = [each for each in told.decisions if each.action == "Downgrade"]
    assert (went.field, went.reason) == ("budget.onExceeded", "p0")
    assert [each.provider for each in told.attempts] == ["p1"]


async def test_where_no_provider_can_be_paid_a_downgrade_refuses_too(tmp_path: Path) -> None:
    async with (
        provider() as dear,
        serving(tmp_path, downgrading((dear.url, PRICE), (dear.url, PRICE), budget="0.0015")) as served,
    ):
        code, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
        assert (code, answer["error"]["code"], headers["x-should-retry"]) == (429, "insufficient_quota", "false")
        assert dear.requests == []


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (status(500), (502, "provider_failed")),
        (status(400, {"error": {"code": "content_filter"}}), (400, "content_filter")),
    ],
)
@pytest.mark.parametrize("dear_first", [True, False])
async def test_how_a_provider_failed_that_was_paid_is_told_before_that_another_could_not_be(
    tmp_path: Path, fails: Behaviour, told: tuple[int, str], dear_first: bool
) -> None:
    """To try again may help; a budget that is spent stays so."""
    async with provider(fails) as free, provider() as dear:
        asks = [(dear.url, PRICE), (free.url, FREE)]
        paid = downgrading(*(asks if dear_first else reversed(asks)), budget="0.0015")
        async with serving(tmp_path, paid) as served:
            code, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
            assert (code, answer["error"]["code"]) == told
            assert headers.get("x-should-retry") != "false" or code == 400
            assert (len(free.requests) > 0, dear.requests) == (True, [])


async def test_a_downgrade_leaves_the_candidates_of_a_turn_as_they_are(tmp_path: Path) -> None:
    """The provider that it could pay may not see the turn."""
    async with provider() as dear, provider() as free:
        paid = downgrading((dear.url, PRICE), (free.url, FREE), budget="0.0015")
        free_one = paid["route"]["providers"][1]
        free_one["maxSensitivity"] = "Public"
        async with serving(tmp_path, paid) as served:
            assert (await asked(served))[:2] == (429, "insufficient_quota")
        assert (dear.requests, free.requests) == ([], [])


async def test_a_model_that_costs_nothing_needs_no_budget(tmp_path: Path) -> None:
    async with (
        provider(answers("Hi.")) as fake,
        serving(tmp_path, document(fake.url, price=FREE, budget={"perConversationUsd": "0"})) as served,
    ):
        assert (await asked(served))[0] == 200


async def test_a_budget_lets_no_turn_go_where_nobody_knows_the_price(tmp_path: Path) -> None:
    async with (
        provider(answers("Hi.")) as fake,
        serving(tmp_path, document(fake.url, price=None, budget={"perConversationUsd": "100"})) as served,
    ):
        assert (await asked(served))[:2] == (403, "no_provider_allowed")
        assert not fake.requests


async def test_a_rule_of_which_the_policies_left_no_provider_denies(tmp_path: Path) -> None:
    """The plan keeps such a rule, so that its turns do not fall to a laxer one."""
    async with provider(answers("Hi.")) as fake:
        cut = document(fake.url, budget={})
        cut["route"]["rules"] = [{"name": "none", "atLeast": "Public", "providers": []}, *cut["route"]["rules"]]
        async with serving(tmp_path, cut) as served:
            assert (await asked(served))[:2] == (403, "no_provider_allowed")
            assert not fake.requests


@pytest.mark.parametrize("field", ["perDayUsd", "perMonthUsd"])
async def test_a_pod_counts_no_days_alone(tmp_path: Path, field: str) -> None:
    async with (
        provider(answers("Hi.")) as fake,
        serving(tmp_path, document(fake.url, budget={field: "100"})) as served,
    ):
        assert (await asked(served))[:2] == (503, "state_unavailable")
        assert not fake.requests


@row("money of a budget")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_while_redis_is_away_no_money_is_spent(tmp_path: Path, on_error: str) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        paid = document(fake.url, budget={"perDayUsd": "100"}, **shared(server))
        alone = {"policy": {"onStateError": on_error}, "state": {"conversations": False}}
        async with serving(tmp_path / "one", configs.merged(paid, alone)) as served:
            await server.kill()
            assert (await asked(served))[0] == 503
            assert not fake.requests


@row("it comes back empty")
async def test_a_server_that_comes_back_empty_has_booked_nothing(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(SILENT) as fake:
        paid = document(fake.url, budget={"perDayUsd": ONE_TURN}, **shared(server))
        async with serving(tmp_path / "one", paid) as served:
            assert [(await asked(served))[0] for _ in range(2)] == [200, 429]
            await server.kill()
            assert (await asked(served))[0] == 503
            await server.start()
            assert (await eventually(lambda: asked(served), lambda found: found[0] != 503))[0] == 200


async def test_a_caller_who_goes_away_pays_what_was_reserved(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(stalls(), TELLING) as fake:
        paid = document(fake.url, budget={"perDayUsd": ONE_TURN}, **shared(server))
        async with serving(tmp_path / "one", paid) as served:
            turn = asyncio.create_task(asked(served))
            await fake.reached.wait()
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            await served.until(lambda told: told["turns"] == 0)
            assert (await asked(served))[:2] == (429, "insufficient_quota")


def booked(directory: Path) -> list[tuple[str, str, str]]:
    """What each turn cost by its audit record: known, why not, at the most."""
    return [(cost.usd, cost.unknown, cost.at_most) for each in outcomes(directory) if (cost := each.cost)]


@pytest.mark.parametrize("late", [False, True])
async def test_a_reservation_that_is_settled_too_late_is_booked_and_flagged(tmp_path: Path, late: bool) -> None:
    """The purse keeps it, so nothing may tell that the turn has cost less."""
    leases: list[Any] = []

    async def behave(*received: Any) -> None:
        for held in leases[0]._held.values():
            held.ends = held.ends if not late else 0.0
        await TELLING(*received)

    async with provider(behave) as fake:
        paid = document(fake.url, budget={"perConversationUsd": "1"}, state={"conversations": True})
        async with serving(tmp_path, paid) as served:
            leases.append(served.runtime.states._pod._purses)
            assert (await asked(served))[0] == 200
            unknown = await served.series("regent_cost_unknown_total")
            known = await served.series("regent_cost_usd_total")
            (spent,) = (each.amount for each in leases[0]._spent.values())
    kept = words(Decimal(spent) / 10**9)
    assert booked(tmp_path) == [("", "unsettled", kept) if late else ("0.000015", "", "")]
    assert sum(unknown.values()) == late
    assert sum(known.values()) == (0 if late else 0.000015)
    assert not late or Decimal(kept) > Decimal("0.01")


async def test_a_cost_that_the_state_is_not_told_is_flagged_with_what_was_reserved(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:

        async def behave(*received: Any) -> None:
            await server.kill()
            await TELLING(*received)

        async with provider(behave) as fake:
            paid = document(fake.url, budget={"perDayUsd": "100"}, **shared(server))
            async with serving(tmp_path / "one", paid) as served:
                await asked(served)
                (told,) = (await served.statusz())["budgets"]
                unknown = await served.series("regent_cost_unknown_total")
    assert booked(tmp_path / "one") == [("", "unsettled", told["usd"])]
    assert Decimal(told["usd"]) > Decimal("0.01")
    assert list(unknown.values()) == [1]
    assert "unsettled" in next(iter(unknown))


def spends(chance: random.Random, booked: list[Decimal]) -> Behaviour:
    """Answers that cost between a fifth and all of what they may cost; the bound of the input is over 1000."""

    async def behave(received: Any, *streams: Any) -> None:
        share = chance.uniform(0.2, 1)
        prompt, output = int(1000 * share), int(received.body["max_tokens"] * share)
        booked.append((Decimal(prompt) + 10 * Decimal(output)) / 1_000_000)
        usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
        await asyncio.sleep(0)
        await send_json(streams[1], 200, {**completion("Hi."), "usage": usage})

    return behave


@pytest.mark.parametrize("seed", [1, 2])
async def test_three_pods_at_sixty_four_turns_at_once_spend_all_of_a_budget_and_no_more(
    tmp_path: Path, seed: int
) -> None:
    """Three processes, in a closed loop until fifty refusals in a row: nothing is overspent, and at least 95 % is used.

    A turn that gives the state up on a slow machine may leave what it reserved behind.
    """
    cap, booked, given_up = Decimal("0.7"), list[Decimal](), 0
    in_a_row = 0
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(redis_server(tmp_path))
        fake = await stack.enter_async_context(provider(spends(random.Random(seed), booked)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        paid = document(fake.url, budget={"perDayUsd": str(cap)}, **shared(server))
        directories = [tmp_path / str(pod) for pod in range(3)]
        for directory in directories:
            directory.mkdir()
        pods = [await stack.enter_async_context(running(directory, paid)) for directory in directories]

        async def loop(number: int) -> None:
            nonlocal in_a_row, given_up
            while in_a_row < 50 and sum(booked) <= cap:
                async with http.post(f"{pods[number % 3].url}/v1/chat/completions", **request()) as response:
                    await response.read()
                assert response.status in {200, 429, 503}
                in_a_row = in_a_row + 1 if response.status == 429 else 0
                given_up += response.status == 503

        await asyncio.gather(*(loop(number) for number in range(64)))
    assert sum(booked) <= cap
    assert sum(booked) >= cap * Decimal("0.95") - given_up * Decimal(ONE_TURN)
    assert all(outcomes(directory) for directory in directories)
