"""`cache` over HTTP: whose answers are kept, for how long, and what is never kept; in the pod and in a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from regent_api.audit import segment
from regent_api.audit.record import CachePart, CostPart, Kind, Record, TokensPart, decode
from regent_api.audit.subjects import subject_digest
from regent_runtime.cache import embedder
from tests.contract.redis_server import RedisServer, redis_server
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import (
    Behaviour,
    Provider,
    answers,
    chunk,
    completion,
    gated,
    json_answer,
    provider,
    stalls,
    status,
    stream_of,
)
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}
HI: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}


def document(url: str, *, cache: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    only = configs.provider_config("local", url, temperature=0.2, price=PRICE)
    kept = {"maxSensitivity": "Internal"} if cache is None else cache
    return configs.document(only, **configs.merged({"policy": {"cache": kept}}, more))


@asynccontextmanager
async def cached(
    directory: Path, *behaviours: Behaviour, cache: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[tuple[Served, Provider]]:
    async with provider(*behaviours) as fake, serving(directory, document(fake.url, cache=cache, **more)) as served:
        yield served, fake


async def said(served: Served, *, name: str = "caller", label: str = "", **body: Any) -> str:
    """What the caller is answered."""
    headers = {"X-Regent-Sensitivity": label} if label else {}
    code, answer, _ = await served.post({**HI, **body}, token=configs.token(name), headers=headers)
    assert code == 200, answer
    return str(answer["choices"][0]["message"]["content"])


async def streamed(served: Served, **body: Any) -> tuple[str, str | None, Any]:
    """The text, the finish reason and the usage of a stream, as the official client reads it."""
    text, finish, usage = "", None, None
    async with served.sdk() as client:
        options: Any = {"stream_options": {"include_usage": True}}
        async for event in await client.chat.completions.create(
            model="any", messages=HI["messages"], stream=True, **options, **body
        ):
            usage = event.usage or usage
            for choice in event.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    return text, finish, usage


def outcomes(directory: Path) -> list[Record]:
    logged = [decode(payload) for _, payload in segment.payloads(directory / "audit")]
    return [each for each in logged if each.kind is Kind.OUTCOME]


def results(served: Served) -> list[str]:
    return [each.cache for each in served.runtime.records]


@enforces("cache.maxSensitivity")
async def test_an_equal_request_is_answered_again_without_asking_anybody(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Hel", "lo."), answers("Another.")) as (served, fake):
        assert await said(served) == "Hello."
        code, answer, _ = await served.post(HI)
        assert (code, answer["choices"][0]["message"]["content"], answer["model"]) == (200, "Hello.", "local-model")
        assert answer["usage"].items() >= ZERO.items(), "nothing was used"
        assert (await streamed(served))[0] == "Hello."
        text, finish, usage = await streamed(served)
        assert (text, finish, usage.total_tokens) == ("Hello.", "stop", 0)
        assert len(fake.requests) == 1
        assert await said(served, messages=[{"role": "user", "content": "Hi?"}]) == "Another."
        assert await served.series("regent_cache_total") == {
            'regent_cache_total{result="miss"}': 2.0,
            'regent_cache_total{result="hit"}': 3.0,
        }


async def test_what_a_stream_brought_is_kept_too(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Hel", "lo.")) as (served, fake):
        assert (await streamed(served))[:2] == ("Hello.", "stop")
        assert await said(served) == "Hello."
        assert len(fake.requests) == 1


@enforces("cache.maxSensitivity")
async def test_above_its_label_nothing_is_kept(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Hello.")) as (served, fake):
        for _ in range(2):
            await said(served, label="Confidential")
        assert len(fake.requests) == 2
        assert await served.series("regent_cache_total") == {'regent_cache_total{result="sensitivity"}': 2.0}


@enforces("cache.maxSensitivity")
async def test_a_policy_that_states_no_label_keeps_nothing(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Hello."), cache={"ttlSeconds": 60}) as (served, fake):
        for _ in range(2):
            await said(served)
        assert len(fake.requests) == 2
        assert results(served) == ["", ""]


@enforces("cache.ttl")
async def test_an_answer_is_kept_for_its_time(tmp_path: Path) -> None:
    cache = {"maxSensitivity": "Internal", "ttlSeconds": 0.05}
    async with cached(tmp_path, answers("Old."), answers("New."), cache=cache) as (served, _):
        assert await said(served) == "Old."
        await eventually(lambda: said(served), lambda text: text == "New.")


@enforces("cache.scope")
async def test_a_caller_gets_what_another_was_answered_only_where_every_policy_lets_it(tmp_path: Path) -> None:
    async with cached(tmp_path / "own", answers("Ann's."), answers("Bob's.")) as (served, _):
        assert [await said(served, name=name) for name in ("ann", "bob", "ann", "bob")] == ["Ann's.", "Bob's."] * 2
    everybody = {"maxSensitivity": "Internal", "scope": "Agent"}
    async with cached(tmp_path / "all", answers("Ann's."), answers("Bob's."), cache=everybody) as (served, _):
        assert [await said(served, name=name) for name in ("ann", "bob")] == ["Ann's.", "Ann's."]


async def test_a_hit_costs_nothing_and_the_audit_says_what_it_spared(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Hello.")) as (served, _):
        for _ in range(2):
            await said(served)
        assert await served.series("regent_cache_saved_usd_total") == {
            'regent_cache_saved_usd_total{model="local-model",provider="local"}': 0.000041
        }
        assert list((await served.series("regent_cost_usd_total")).values()) == [0.000041]
    paid, hit = outcomes(tmp_path)
    assert (paid.cost, paid.cache, len(paid.attempts)) == (CostPart(usd="0.000041"), None, 1)
    assert (hit.cost, hit.attempts, hit.outcome) == (CostPart(usd="0"), [], "answered")
    assert hit.cache == CachePart(result="hit", provider="local", model="local-model", saved="0.000041")
    assert hit.tokens == TokensPart(input=0, output=0)
    assert hit.output == paid.output, "the same words, as the subject's key tells"
    reuse = next(each for each in hit.decisions if each.action == "Reuse")
    assert (reuse.stage, reuse.field, reuse.reason) == ("route", "cache.maxSensitivity", "hit")


async def test_a_hit_needs_no_budget(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Hello."), policy={"budget": {"perConversationUsd": "0.012"}}) as (served, _):
        served_first = await said(served)
        assert [await said(served) for _ in range(20)] == [served_first] * 20


async def test_a_hit_is_screened_again(tmp_path: Path) -> None:
    """A secret was mounted after the answer had been kept."""
    async with cached(tmp_path, answers("It is sesame-open-1.")) as (served, fake):
        for stream in (False, True):
            assert "sesame" in await said(served)
            served.secret("late", value="sesame-open-1")
            if stream:
                text, finish, _ = await streamed(served)
                assert (text, finish) == ("I'm sorry, but I can't assist with that request.", "content_filter")
            else:
                assert "sesame" not in await said(served)
            (served.credentials / "late" / "value").unlink()
        assert len(fake.requests) == 1
        assert [each.outcome for each in served.runtime.records] == ["answered", "withheld"] * 2


CUT = json_answer(completion("Hel", finish_reason="length"))
FILTERED = json_answer(completion("Hel", finish_reason="content_filter"))
TORN = stream_of(chunk({"content": "Hel"}), then="cut")


@pytest.mark.parametrize("first", [CUT, FILTERED, status(500), json_answer({"nonsense": 1})])
async def test_what_is_not_a_whole_answer_is_not_kept(tmp_path: Path, first: Behaviour) -> None:
    async with cached(tmp_path, first, answers("Hello.")) as (served, fake):
        await served.post(HI)
        assert await said(served) == "Hello."
        assert len(fake.requests) == 2


async def test_a_stream_that_broke_off_is_not_kept(tmp_path: Path) -> None:
    async with cached(tmp_path, TORN, answers("Hello.")) as (served, _):
        with pytest.raises(Exception, match=r".+"):
            await streamed(served)
        assert await said(served) == "Hello."


REDACTED = {"guardrails": {"output": {"personalData": {"action": ["Redact"]}}}}
DENIED = {"guardrails": {"output": {"personalData": {"action": ["Deny"]}}}}
WATCHED = {"guardrails": {"output": {"personalData": {"action": ["Audit"]}}}}


@pytest.mark.parametrize(("policy", "asked"), [(REDACTED, 2), (DENIED, 2), (WATCHED, 1)])
async def test_what_a_guard_changed_is_not_kept(tmp_path: Path, policy: dict[str, Any], asked: int) -> None:
    async with cached(tmp_path, answers("It is ann@example.com."), policy=policy) as (served, fake):
        for _ in range(2):
            await said(served)
        assert len(fake.requests) == asked
        assert {each.decisions[-1].action for each in served.runtime.records} - {"Reuse"}, "the guard told of both"


async def test_answers_with_tools_or_at_another_temperature_are_not_kept(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    async with cached(tmp_path, answers("Hello.")) as (served, fake):
        for _ in range(2):
            await said(served, tools=tools)
        assert (len(fake.requests), results(served)) == (2, ["tools", "tools"])
    async with provider(answers("Hello.")) as warm:
        unstated = configs.provider_config("local", warm.url)
        made = configs.document(unstated, policy={"cache": {"maxSensitivity": "Internal"}})
        async with serving(tmp_path / "warm", made) as served:
            for _ in range(2):
                await said(served)
            await said(served, temperature=0)
            await said(served, temperature=0)
            assert results(served) == ["temperature", "temperature", "miss", "hit"]


async def test_a_turn_with_placeholders_is_not_kept(tmp_path: Path) -> None:
    anonymous = {"data": {"classes": {"Internal": {"anonymize": True}}}}
    mine = [{"role": "user", "content": "Write to ann@example.com"}]
    async with cached(tmp_path, answers("Done."), policy=anonymous) as (served, fake):
        for _ in range(2):
            await said(served, messages=mine)
        assert (len(fake.requests), results(served)) == (2, ["anonymised", "anonymised"])


async def test_a_hit_is_a_turn_of_its_conversation(tmp_path: Path) -> None:
    """The conversation that a hit begins bears its label from then on."""
    cache = {"maxSensitivity": "Confidential"}
    async with cached(tmp_path, answers("Hello."), cache=cache, state={"conversations": True}) as (served, fake):
        await said(served, label="Confidential")
        _, _, headers = await served.post(HI, headers={"X-Regent-Sensitivity": "Confidential"})
        talk = headers["x-regent-conversation"]
        assert len(fake.requests) == 1
        await served.post({"messages": [{"role": "user", "content": "And?"}]}, headers={"X-Regent-Conversation": talk})
        last = served.runtime.records[-1]
        assert (last.conversation, last.sensitivity) == (talk, "Confidential")


async def test_a_new_config_begins_with_nothing_kept(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Old."), answers("New.")) as (served, fake):
        assert await said(served) == "Old."
        served.volume.write(document(fake.url, instructions="Answer in two sentences."))
        await eventually(lambda: said(served), lambda text: text == "New.")


# By what a question means, with the real embedder

MEANING = {"maxSensitivity": "Internal", "semantic": "Allow"}


def asking(text: str, *before: str) -> dict[str, Any]:
    said = [
        {"role": role, "content": words}
        for role, words in zip(("user", "assistant") * len(before), before, strict=False)
    ]
    return {"messages": [*said, {"role": "user", "content": text}]}


@enforces("cache.semantic")
async def test_a_question_in_other_words_is_answered_again_only_where_the_policy_lets_it(tmp_path: Path) -> None:
    one, other = asking("How do I turn on dark mode?"), asking("How can I enable dark mode?")
    async with cached(tmp_path / "off", answers("So."), answers("Thus.")) as (served, _):
        assert [await said(served, **each) for each in (one, other)] == ["So.", "Thus."]
    async with cached(tmp_path / "on", answers("So."), answers("Thus."), cache=MEANING) as (served, fake):
        assert [await said(served, **each) for each in (one, other)] == ["So.", "So."]
        assert (len(fake.requests), results(served)) == (1, ["miss", "semantic"])
    hit = outcomes(tmp_path / "on")[1]
    assert hit.cache is not None
    assert (hit.cache.result, hit.cost) == ("semantic", CostPart(usd="0"))
    assert 0.85 <= float(hit.cache.similarity) < 1
    assert next(each.field for each in hit.decisions if each.action == "Reuse") == "cache.semantic"


async def test_a_pod_whose_embedder_is_another_model_answers_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedder, "MODEL_SHA256", "0" * 64)
    embedder._session.cache_clear()
    embedder.embedder.cache_clear()
    async with cached(tmp_path, answers("One."), answers("Two."), cache=MEANING) as (served, _):
        assert await said(served, **asking("How do I turn on dark mode?")) == "One."
        assert await said(served, **asking("How can I enable dark mode?")) == "Two."
        assert await said(served, **asking("How do I turn on dark mode?")) == "One."
        assert results(served) == ["miss", "miss", "hit"]
    embedder.embedder.cache_clear()
    assert capsys.readouterr().out.count('"event":"embedder_failed","exception":"RuntimeError"') == 1


@pytest.mark.parametrize(
    ("limit", "found"), [("max", "semantic"), (str(512 << 20), "semantic"), (str(256 << 20), "miss")]
)
async def test_a_pod_with_too_little_memory_for_the_embedder_answers_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, found: str
) -> None:
    file = tmp_path / "memory.max"
    file.write_text(f"{limit}\n")
    monkeypatch.setattr("regent_runtime.cache.embedder.LIMIT_FILES", (tmp_path / "absent", file))
    one, other = asking("How do I turn on dark mode?"), asking("How can I enable dark mode?")
    async with cached(tmp_path / "on", answers("So."), answers("Thus."), cache=MEANING) as (served, _):
        await said(served, **one)
        await said(served, **other)
        assert results(served) == ["miss", found]


@enforces("cache.minSimilarity")
async def test_questions_that_are_less_alike_than_the_policy_says_are_not_the_same(tmp_path: Path) -> None:
    strict = {**MEANING, "minSimilarity": 0.999}
    async with cached(tmp_path, answers("So."), answers("Thus."), cache=strict) as (served, _):
        asked = asking("How do I turn on dark mode?"), asking("How can I enable dark mode?")
        assert [await said(served, **each) for each in asked] == ["So.", "Thus."]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asking("How do I turn on dark mode?"), asking("How do I turn off dark mode?")),
        (asking("What is the capital of France?"), asking("What is the capital of Germany?")),
        (asking("What is 15% of 200?"), asking("What is 20% of 200?")),
        (asking("How do I cook rice?"), asking("How do I cook pasta?")),
        (asking("And why?", "Is it red?", "Yes."), asking("And why?", "Is it blue?", "Yes.")),
        (asking("How do I turn on dark mode?"), {**asking("How can I enable dark mode?"), "seed": 1}),
    ],
)
async def test_what_is_only_near_is_another_question(tmp_path: Path, one: Any, other: Any) -> None:
    async with cached(tmp_path, answers("One."), answers("Other."), cache=MEANING) as (served, _):
        assert [await said(served, **each) for each in (one, other)] == ["One.", "Other."]


async def test_another_caller_is_never_answered_by_meaning_what_it_would_not_be_word_for_word(tmp_path: Path) -> None:
    async with cached(tmp_path, answers("Ann's."), answers("Bob's."), cache=MEANING) as (served, _):
        assert await said(served, name="ann", **asking("How do I turn on dark mode?")) == "Ann's."
        assert await said(served, name="bob", **asking("How can I enable dark mode?")) == "Bob's."


@pytest.mark.parametrize("where", ["pod", "redis"])
async def test_answers_that_are_gone_are_not_found_by_meaning(tmp_path: Path, where: str) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hello.")) as fake:
        made = document(fake.url, cache=MEANING, **(shared(server) if where == "redis" else {}))
        async with serving(tmp_path / "one", made) as served:
            await said(served, **asking("How do I turn on dark mode?"))
            await said(served, **asking("How can I enable dark mode?"))
            assert await served.runtime._forget(subject_digest("serviceaccount:demo/caller"))
            await said(served, **asking("How can I turn on dark mode?"))
            assert results(served) == ["miss", "semantic", "miss"]


# Several at the same time


async def waiting(served: Served) -> int:
    """Turns that wait for what another one asks."""
    snapshot = served.runtime.lifecycle.snapshot
    assert snapshot is not None
    return sum(map(len, snapshot.cache._flights._open.values()))


async def test_of_equal_turns_at_the_same_time_one_asks_and_pays(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with cached(tmp_path, gated(gate, "Hel", "lo.")) as (served, fake):
        turns = [asyncio.create_task(streamed(served)) for _ in range(8)]
        await eventually(lambda: waiting(served), lambda others: others == 7)
        gate.set()
        assert [text for text, *_ in await asyncio.gather(*turns)] == ["Hello."] * 8
        assert len(fake.requests) == 1
        assert sorted(results(served)) == ["miss", *["shared"] * 7]
    shared = [each for each in outcomes(tmp_path) if each.cache]
    assert [(each.cache.result, each.cost) for each in shared if each.cache] == [("shared", CostPart(usd="0"))] * 7


async def test_a_turn_that_leaves_hands_over(tmp_path: Path) -> None:
    async with cached(tmp_path, stalls(), answers("Hello.")) as (served, fake):
        leader = asyncio.create_task(served.post(HI))
        await fake.reached.wait()
        other = asyncio.create_task(said(served))
        await eventually(lambda: waiting(served))
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        assert await other == "Hello."
        assert len(fake.requests) == 2


async def test_a_failure_is_not_shared(tmp_path: Path) -> None:
    """Whoever waited asks for itself, and is told its own error or answer."""
    gate = asyncio.Event()

    async def fails(*streams: Any) -> None:
        await gate.wait()
        await status(500)(*streams)

    async with cached(tmp_path, fails, answers("Hello.")) as (served, fake):
        leader = asyncio.create_task(served.post(HI))
        await fake.reached.wait()
        others = [asyncio.create_task(said(served)) for _ in range(3)]
        await eventually(lambda: waiting(served), lambda turns: turns == 3)
        gate.set()
        assert (await leader)[0] == 502
        assert await asyncio.gather(*others) == ["Hello."] * 3


# In Redis


def shared(server: RedisServer, **more: Any) -> dict[str, Any]:
    return {"state": {"redis": {"url": server.url}}, **more}


async def test_pods_share_what_is_kept_in_redis(tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path) as server,
        provider(answers("Hello.")) as fake,
        serving(tmp_path / "one", document(fake.url, **shared(server))) as one,
        serving(tmp_path / "two", document(fake.url, **shared(server))) as two,
    ):
        assert [await said(one), await said(two), (await streamed(two))[0]] == ["Hello."] * 3
        assert len(fake.requests) == 1


async def test_nothing_readable_lies_in_redis(tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path) as server,
        provider(answers("The pin is 4711.")) as fake,
        serving(tmp_path / "one", document(fake.url, **shared(server))) as served,
    ):
        await said(served, messages=[{"role": "user", "content": "What is the secret pin?"}])
        dumped = [str(await contents(server, key)) + key for key in await server.ask("KEYS", "*")]
        assert any("answer:" in each for each in dumped)
        for word in ("4711", "pin", "caller", "local"):
            assert not any(word in each for each in dumped), word


async def contents(server: RedisServer, key: str) -> Any:
    commands = {
        "string": ["GET", key],
        "hash": ["HGETALL", key],
        "set": ["SMEMBERS", key],
        "zset": ["ZRANGE", key, "0", "-1"],
    }
    return await server.ask(*commands[await server.ask("TYPE", key)])


async def test_a_pod_with_other_credentials_finds_and_forges_nothing(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hello.")) as fake:
        key = {"credentials": [{"name": "main", "secret": "openai", "key": "api-key"}]}
        keyed = document(fake.url, **shared(server))
        keyed["route"]["providers"].append(configs.provider_config("unused", "https://127.0.0.1:1", **key))
        async with serving(tmp_path / "one", keyed) as one, serving(tmp_path / "two", keyed) as two:
            one.secret("openai", hosts="127.0.0.1", **{"api-key": "sk-of-the-agent"})
            two.secret("openai", hosts="127.0.0.1", **{"api-key": "sk-of-another"})
            for pod in (one, two, one):
                await said(pod)
            assert len(fake.requests) == 2


@row("a kept answer")
@row("it comes back empty")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_a_cache_that_is_away_knows_nothing_and_harms_nothing(tmp_path: Path, on_error: str) -> None:
    async with (
        redis_server(tmp_path) as server,
        provider(answers("Hello.")) as fake,
        serving(tmp_path / "one", document(fake.url, policy={"onStateError": on_error}, **shared(server))) as served,
    ):
        await said(served)
        await server.kill()
        assert [await said(served) for _ in range(2)] == ["Hello."] * 2
        assert len(fake.requests) == 3
        await server.start()

        async def again() -> str:
            await said(served)
            return results(served)[-1]

        assert await again() != "hit", "nothing is left of what was kept"
        await eventually(again, lambda result: result == "hit")


async def test_answers_that_somebody_changed_are_none(tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path) as server,
        provider(answers("Hello.")) as fake,
        serving(tmp_path / "one", document(fake.url, **shared(server))) as served,
    ):
        await said(served)
        (key,) = await server.ask("KEYS", "*answer:*")
        await server.ask("SET", key, "forged")
        assert await said(served) == "Hello."
        assert len(fake.requests) == 2


@pytest.mark.parametrize("where", ["pod", "redis"])
async def test_what_a_subject_was_answered_goes_with_its_key(tmp_path: Path, where: str) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hello.")) as fake:
        made = document(fake.url, **(shared(server) if where == "redis" else {}))
        async with serving(tmp_path / "one", made) as served:
            for name in ("ann", "bob"):
                await said(served, name=name)
            assert await served.runtime._forget(subject_digest("serviceaccount:demo/ann"))
            for name in ("ann", "bob"):
                await said(served, name=name)
            assert results(served) == ["miss", "miss", "miss", "hit"]
