"""A model's own tokenizer, asked at its server: only where a decision hangs on it, and only where the turn may go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regent_api.audit import segment
from regent_api.audit.record import Kind, decode
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Behaviour, Provider, answers, completion, json_answer, provider, send_json, status
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually

ESTIMATED = 222
"""Tokens of LONG with the agent's instructions, by the estimate, roughly."""
LONG = "How is Rome? " * 60
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}
OUTPUT = 64
BY_BYTES = "0.0018"
"""Less than the bytes of LONG and 1024 tokens more come to, and more than 300 tokens with OUTPUT."""
INPUT_TOKENS = "/v1/chat/completions/input_tokens"


def counting(counted: int | Behaviour, then: Behaviour | None = None) -> Behaviour:
    """A server that counts requests as it is told, and answers all else."""

    async def behave(request: Any, reader: Any, writer: Any) -> None:
        if not request.path.endswith(("/input_tokens", "/count_tokens", "/tokenize")):
            await (then or answers("Counted."))(request, reader, writer)
        elif callable(counted):
            await counted(request, reader, writer)
        else:
            told = {"count": counted, "tokens": [1] * 8} if request.path == "/tokenize" else {"input_tokens": counted}
            await send_json(writer, 200, told)

    return behave


def server(name: str, fake: Provider, window: int | None = None, counter: str = "InputTokens", **more: Any) -> Any:
    can = {"tokenCounter": counter, **({"contextWindow": window} if window else {})}
    return configs.provider_config(name, fake.url, capabilities=can, **more)


def paths(fake: Provider) -> list[str]:
    return [each.path for each in fake.requests]


async def ask(served: Served, content: str = LONG, **more: Any) -> tuple[int, str]:
    """The answer, or the code of the refusal."""
    code, answer = await served.ask(content, **more)
    return code, answer["error"]["code"] if "error" in answer else answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(("counted", "asked"), [(90, (200, "Counted.")), (101, (200, "From the second."))])
async def test_near_the_window_the_count_decides(tmp_path: Path, counted: int, asked: tuple[int, str]) -> None:
    async with provider(counting(counted)) as first, provider(answers("From the second.")) as second:
        document = configs.document(server("first", first, 100), configs.provider_config("second", second.url))
        async with serving(tmp_path, document) as served:
            assert await ask(served) == asked
            assert await ask(served) == asked
            made = served.runtime.records[-1]
    assert made.input_estimate > 100, "the estimate alone would have left it out"
    assert paths(first).count(INPUT_TOKENS) == 1, "the same request is counted once"
    assert len(first.requests) == (3 if counted == 90 else 1)
    assert [each.reason for each in made.decisions if each.action == "Count"] == [f"first: {counted} tokens"]


async def test_what_is_counted_is_what_would_be_sent_and_is_written_down_before(tmp_path: Path) -> None:
    kinds: list[list[tuple[Kind, str]]] = []

    async def looks(request: Any, reader: Any, writer: Any) -> None:
        written = [decode(payload) for _, payload in segment.payloads(tmp_path / "audit")]
        kinds.append([(each.kind, "".join(part.detail for part in each.attempts)) for each in written][-2:])
        await send_json(writer, 200, {"input_tokens": 90})

    async with (
        provider(counting(looks)) as fake,
        serving(tmp_path, configs.document(server("only", fake, 100))) as served,
    ):
        assert await ask(served) == (200, "Counted.")
    count, answer = fake.requests
    assert count.body == answer.body
    assert kinds == [[(Kind.INTENT, ""), (Kind.ATTEMPT, "count")]]


async def test_a_prompt_that_nobody_takes_is_refused_as_too_long(tmp_path: Path) -> None:
    async with (
        provider(counting(101)) as fake,
        serving(tmp_path, configs.document(server("only", fake, 100))) as served,
    ):
        assert await ask(served) == (422, "context_too_long")
    assert paths(fake) == [INPUT_TOKENS]


@pytest.mark.parametrize("window", [20, 1_000, None])
async def test_nobody_counts_where_the_estimate_is_sure_or_nothing_hangs_on_it(
    tmp_path: Path, window: int | None
) -> None:
    async with (
        provider(counting(1)) as fake,
        serving(tmp_path, configs.document(server("only", fake, window))) as served,
    ):
        assert await ask(served) == ((422, "context_too_long") if window == 20 else (200, "Counted."))
    assert INPUT_TOKENS not in paths(fake)


SILENT: dict[str, Callable[[], Behaviour]] = {
    "not found": lambda: status(404),
    "no count": lambda: json_answer({"tokens": []}),
    "nothing": lambda: json_answer({"input_tokens": 0}),
    "not a number": lambda: json_answer({"input_tokens": "9"}),
    "too much": lambda: json_answer({"input_tokens": 9, "padding": "x" * 100_000}),
    "elsewhere": lambda: status(302, {"input_tokens": 9}, Location="/v1/other"),
}


@pytest.mark.parametrize("fault", SILENT)
async def test_without_a_count_the_estimate_decides_and_nobody_is_asked_again_at_once(
    tmp_path: Path, fault: str
) -> None:
    async with (
        provider(counting(SILENT[fault]())) as fake,
        serving(tmp_path, configs.document(server("only", fake, 100))) as served,
    ):
        assert await ask(served) == (422, "context_too_long")
        assert await ask(served) == (422, "context_too_long")
        assert await ask(served, LONG[: len(LONG) // 3]) == (200, "Counted.")
    assert paths(fake) == [INPUT_TOKENS, "/v1/chat/completions"]


async def test_who_may_not_see_a_turn_is_not_asked_to_count_it(tmp_path: Path) -> None:
    async with provider(counting(90)) as closed, provider(answers("From the second.")) as second:
        document = configs.document(
            server("closed", closed, 100, maxSensitivity="Public"), configs.provider_config("second", second.url)
        )
        async with serving(tmp_path, document) as served:
            assert await ask(served) == (200, "From the second.")
    assert closed.connections == 0


@pytest.mark.parametrize(
    ("counter", "api", "path"),
    [
        ("InputTokens", "Messages", "/v1/messages/count_tokens"),
        ("InputTokens", "Responses", "/v1/responses/input_tokens"),
        ("Tokenize", "ChatCompletions", "/tokenize"),
    ],
)
async def test_each_kind_of_server_counts_at_its_own_path(tmp_path: Path, counter: str, api: str, path: str) -> None:
    async with provider(counting(101)) as fake:
        document = configs.document(server("only", fake, 100, counter, api=api))
        async with serving(tmp_path, document) as served:
            assert await ask(served) == (422, "context_too_long")
    assert paths(fake) == [path]


TOLD_TWICE = "Answer in one sentence. " * 20


@pytest.mark.parametrize(("bytes_a_token", "steps"), [(12, []), (6, ["ShortInstructions"])])
async def test_a_prompt_is_made_shorter_by_its_servers_count(
    tmp_path: Path, bytes_a_token: int, steps: list[str]
) -> None:
    async def counts(request: Any, reader: Any, writer: Any) -> None:
        await send_json(writer, 200, {"input_tokens": request.size // bytes_a_token})

    shortens = {"prompt": {"whenTooLong": "Shorten", "shortInstructions": "Be brief."}}
    async with provider(counting(counts)) as fake:
        document = configs.document(server("only", fake, 100), **shortens, instructions=TOLD_TWICE)
        async with serving(tmp_path, document) as served:
            assert await ask(served, LONG[: len(LONG) // 3]) == (200, "Counted.")
            made = served.runtime.records[-1]
    assert made.input_estimate > 100
    assert [each.step for each in made.shortened] == steps
    assert [each.action for each in made.decisions if each.stage == "prompt"] == (["Shorten", *steps] if steps else [])
    told = [each.body["messages"][0]["content"] for each in fake.requests if each.path != INPUT_TOKENS]
    assert told == ["Be brief." if steps else TOLD_TWICE]


def paid(fake: Provider, usd: str = BY_BYTES, **more: Any) -> dict[str, Any]:
    budget = {"policy": {"budget": {"perConversationUsd": usd}}}
    return configs.document(server("only", fake, price=PRICE, **more), **budget)


@enforces("budget.perConversationUsd")
@pytest.mark.parametrize(("counted", "asked"), [(300, (200, "Counted.")), (1800, (429, "insufficient_quota"))])
async def test_a_budget_that_the_bytes_do_not_fit_into_holds_by_the_count(
    tmp_path: Path, counted: int, asked: tuple[int, str]
) -> None:
    async with provider(counting(counted)) as fake, serving(tmp_path, paid(fake)) as served:
        assert await ask(served, max_tokens=OUTPUT) == asked
        made = [(each.action, each.field) for each in served.runtime.records[-1].decisions]
    assert paths(fake)[0] == INPUT_TOKENS
    assert ("Count", "budget.perConversationUsd") in made


@enforces("budget.perConversationUsd")
async def test_a_budget_with_room_for_the_bytes_asks_nobody(tmp_path: Path) -> None:
    async with provider(counting(300)) as fake, serving(tmp_path, paid(fake, "1")) as served:
        assert await ask(served, max_tokens=OUTPUT) == (200, "Counted.")
    assert paths(fake) == ["/v1/chat/completions"]


@enforces("budget.perConversationUsd")
@pytest.mark.parametrize("counted", [status(500), json_answer({"input_tokens": 10**9})])
async def test_a_budget_is_held_by_the_bytes_where_nobody_counts_or_more_than_that(
    tmp_path: Path, counted: Behaviour
) -> None:
    async with provider(counting(counted)) as fake, serving(tmp_path, paid(fake)) as served:
        assert await ask(served, max_tokens=OUTPUT) == (429, "insufficient_quota")
    assert paths(fake) == [INPUT_TOKENS]


async def test_what_nobody_knows_costs_what_was_counted_at_the_most(tmp_path: Path) -> None:
    silent = json_answer({**completion("Hi."), "usage": None})
    async with provider(counting(300, silent)) as fake, serving(tmp_path, paid(fake)) as served:
        assert (await ask(served, max_tokens=OUTPUT))[0] == 200
        await eventually(served.statusz, lambda told: told["turns"] == 0)
        cost = served.runtime.records[-1].cost()
    assert (cost.why, str(cost.at_most)) == ("usage_unknown", "0.000940")


@enforces("budget.perConversationUsd")
async def test_a_server_that_books_more_than_it_counted_is_not_believed_again(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 301, "completion_tokens": 3, "total_tokens": 304}
    lying = json_answer({**completion("Hi."), "usage": usage})
    async with provider(counting(300, lying)) as fake, serving(tmp_path, paid(fake)) as served:
        assert (await ask(served, max_tokens=OUTPUT))[0] == 200
        assert await ask(served, max_tokens=OUTPUT) == (429, "insufficient_quota")
    assert paths(fake) == [INPUT_TOKENS, "/v1/chat/completions"]
