"""`cache.semantic` where pods share a real Redis: what one of them answered, the others find by its meaning; and who reads
the Redis learns nothing. With the real embedder.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regent_api.audit.record import CostPart
from regent_api.audit.subjects import subject_digest
from regent_runtime.cache.embedder import embedded
from tests.contract.redis_server import RedisServer, redis_server
from tests.contract.test_cache import MEANING, asking, document, outcomes, results, said, shared
from tests.fakes import configs
from tests.fakes.provider import Behaviour, Provider, answers, provider
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

ONE, OTHER, THIRD = (asking(f"How {words} dark mode?") for words in ("do I turn on", "can I enable", "can I turn on"))
KEY = {"name": "main", "secret": "openai", "key": "api-key"}
UNUSED = configs.provider_config("unused", "https://127.0.0.1:1", credentials=[KEY])
LOGS = "regent:{demo/helper}:answer:*:meanings"
MEANINGS = "regent:{demo/helper}:answer:*:meaning"


@dataclass
class Pods:
    """Of one agent whose route names a key."""

    server: RedisServer
    fake: Provider
    _directory: Path
    _stack: AsyncExitStack
    _made: list[Served] = field(default_factory=list)

    async def another(self, *, key: str = "sk-of-the-agent", cache: dict[str, Any] = MEANING, **more: Any) -> Served:
        made = document(self.fake.url, cache=cache, **shared(self.server), **more)
        made["route"]["providers"].append(UNUSED)
        self._made.append(await self._stack.enter_async_context(serving(self.directory(len(self._made)), made)))
        self._made[-1].secret("openai", hosts="127.0.0.1", **{"api-key": key})
        return self._made[-1]

    def directory(self, number: int) -> Path:
        return self._directory / f"{number}"


@asynccontextmanager
async def pods(directory: Path, *behaviours: Behaviour, redis: tuple[str, ...] = ()) -> AsyncIterator[Pods]:
    async with redis_server(directory, *redis) as server, provider(*behaviours) as fake, AsyncExitStack() as stack:
        yield Pods(server, fake, directory, stack)


async def test_a_question_in_other_words_is_answered_with_what_another_pod_was_told(tmp_path: Path) -> None:
    async with pods(tmp_path, answers("So."), answers("Thus.")) as some:
        one, other = await some.another(), await some.another()
        assert await said(other, **asking("What time is it?")) == "So."
        assert [await said(pod, **body) for pod, body in ((one, ONE), (other, OTHER), (one, THIRD))] == ["Thus."] * 3
        late = await some.another()
        assert await said(late, **OTHER) == "Thus."
        assert [results(pod) for pod in (one, other, late)] == [
            ["miss", "semantic"],
            ["miss", "semantic"],
            ["semantic"],
        ]
        assert len(some.fake.requests) == 2
        hit, again = outcomes(some.directory(1))[1], outcomes(some.directory(0))[1]
        assert hit.cache is not None
        assert (hit.cost, hit.attempts, hit.cache.saved) == (CostPart(usd="0"), [], "0.000041")
        assert 0.85 <= float(hit.cache.similarity) < 1
        assert next(each.field for each in hit.decisions if each.action == "Reuse") == "cache.semantic"
        assert again.cache is not None
        assert again.cache.result == hit.cache.result == "semantic"


async def test_what_another_pod_was_told_is_screened(tmp_path: Path) -> None:
    async with pods(tmp_path, answers("It is sesame-open-1.")) as some:
        one, other = await some.another(), await some.another()
        assert "sesame" in await said(one, **ONE)
        other.secret("late", value="sesame-open-1")
        assert "sesame" not in await said(other, **OTHER)
        assert [each.outcome for each in other.runtime.records] == ["withheld"]
        assert results(other) == ["semantic"]


@pytest.mark.parametrize(
    "change",
    [
        {"policy": {"cache": {**MEANING, "ttlSeconds": 60}}},
        {"instructions": "Answer in two sentences."},
        {"sensitivity": "Public"},
        {"agent": {"namespace": "demo", "name": "other"}},
    ],
    ids=["policy", "instructions", "label", "agent"],
)
async def test_pods_with_another_config_share_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    cache = change.pop("policy", {}).get("cache", MEANING)
    name = change.get("agent", {}).get("name", "helper")
    async with pods(tmp_path, answers("So."), answers("Thus.")) as some:
        one, other = await some.another(), await some.another(cache=cache, **change)
        await said(one, **ONE)
        token = configs.token(audience=f"regent.dev/demo/{name}")
        assert (await other.post(OTHER, token=token))[0] == 200
        assert (results(other), len(some.fake.requests)) == (["miss"], 2)


async def test_another_caller_or_label_is_another_place_at_every_pod(tmp_path: Path) -> None:
    cache = {**MEANING, "maxSensitivity": "Confidential"}
    async with pods(tmp_path, answers("Ann's."), answers("Bob's."), answers("Ann's own.")) as some:
        one, other = await some.another(cache=cache), await some.another(cache=cache)
        assert await said(one, name="ann", **ONE) == "Ann's."
        assert await said(other, name="bob", **OTHER) == "Bob's."
        assert await said(other, name="ann", label="Confidential", **OTHER) == "Ann's own."
        assert await said(other, name="ann", **OTHER) == "Ann's."
        assert await said(one, name="bob", **THIRD) == "Bob's."
        assert await said(one, name="ann", label="Confidential", **THIRD) == "Ann's own."
        assert len(some.fake.requests) == 3


async def test_who_reads_the_redis_learns_neither_questions_nor_vectors_nor_answers(tmp_path: Path) -> None:
    """The whole of it, as it is written to a disk."""
    question = str(ONE["messages"][-1]["content"])
    async with pods(tmp_path, answers("By the switch."), redis=("--rdbcompression", "no")) as some:
        one, other = await some.another(), await some.another()
        await said(one, **ONE)
        await said(other, **OTHER)
        assert results(other) == ["semantic"]
        await some.server.ask("SAVE")
    dumped = (tmp_path / "dump.rdb").read_bytes()
    (vector,) = embedded([question])
    assert dumped.count(b":meaning") == 2
    words = [word.encode() for word in (*question.split()[-2:], "switch", "caller", "local")]
    forms = [vector.astype(form).tobytes() for form in ("<f4", "<f2", ">f4", ">f2", "<f8")]
    scaled = [np.round(vector * scale).astype(np.int8).tobytes() for scale in (127, 127 / np.abs(vector).max())]
    for lies in (*words, *(form[at : at + 8] for form in (*forms, *scaled) for at in range(0, len(form) - 8, 8))):
        assert lies not in dumped


async def test_what_lies_in_redis_opens_in_its_own_place_alone_and_what_was_changed_is_none(tmp_path: Path) -> None:
    """Each of the forged ones is told once to each pod that reads it, and no turn fails by it."""
    async with pods(tmp_path, answers("Ann's."), answers("Bob's.")) as some:
        one, other = await some.another(), await some.another()
        await said(one, name="ann", **ONE)
        (anns,) = await some.server.ask("KEYS", MEANINGS)
        await said(one, name="bob", **ONE)
        (bobs,) = set(await some.server.ask("KEYS", MEANINGS)) - {anns}
        await some.server.ask("COPY", anns, bobs, "REPLACE")
        await some.server.ask("SETRANGE", anns, "100", "forged")
        assert [await said(other, name=name, **OTHER) for name in ("ann", "bob")] == ["Bob's."] * 2
        assert results(other) == ["miss", "miss"]
        assert await other.series("regent_state_errors_total") == {'regent_state_errors_total{reason="forged"}': 2.0}
        assert [await said(one, name=name, **THIRD) for name in ("ann", "bob")] == ["Bob's."] * 2
        assert results(one)[-2:] == ["semantic", "semantic"], "of what was asked at the other pod"


async def test_a_pod_with_another_key_finds_nothing(tmp_path: Path) -> None:
    async with pods(tmp_path, answers("So.")) as some:
        one, other = await some.another(), await some.another(key="sk-of-another")
        for pod, body in ((one, ONE), (other, OTHER), (one, THIRD)):
            await said(pod, **body)
        assert (results(one), results(other)) == (["miss", "semantic"], ["miss"])
        assert await other.series("regent_state_errors_total") == {}, "it does not even see it"


@pytest.mark.parametrize("password", [False, True], ids=["no secret at all", "the password of the Redis"])
async def test_what_only_a_reader_of_the_redis_would_need_to_know_seals_nothing(tmp_path: Path, password: bool) -> None:
    """Such a pod finds what it was asked itself."""
    named = {"name": "redis", "secret": "redis", "key": "password"}
    options = ("--requirepass", "open") if password else ()
    async with redis_server(tmp_path, *options) as server, provider(answers("So.")) as fake:
        redis = {"url": server.url, **({"password": named} if password else {})}
        made = document(fake.url, cache=MEANING, state={"redis": redis})
        for pod_name in ("one", "two"):
            mounted = tmp_path / pod_name / "credentials" / "redis"
            mounted.mkdir(parents=True)
            for key, value in {"password": "open", "hosts": "127.0.0.1"}.items():
                (mounted / key).write_text(value)
        async with serving(tmp_path / "one", made) as one, serving(tmp_path / "two", made) as other:
            for pod, body in ((one, ONE), (other, OTHER), (one, THIRD), (other, ONE)):
                await said(pod, **body)
            assert (results(one), results(other)) == (["miss", "semantic"], ["miss", "hit"])


async def test_what_was_erased_at_one_pod_is_answered_by_none(tmp_path: Path) -> None:
    async with pods(tmp_path, answers("So.")) as some:
        one, other = await some.another(), await some.another()
        for name in ("ann", "bob"):
            await said(one, name=name, **ONE)
            await said(other, name=name, **OTHER)
        assert len(await some.server.ask("KEYS", MEANINGS)) == 2
        assert await one.runtime._forget(subject_digest("serviceaccount:demo/ann"))
        assert len(await some.server.ask("KEYS", MEANINGS)) == len(await some.server.ask("KEYS", LOGS)) == 1
        for name in ("ann", "bob"):
            await said(other, name=name, **THIRD)
        assert results(other) == ["semantic", "semantic", "miss", "semantic"]


async def test_an_answer_is_found_by_its_meaning_for_its_time(tmp_path: Path) -> None:
    async with pods(tmp_path, answers("So.")) as some:
        cache = {**MEANING, "ttlSeconds": 60.0}
        one, other = await some.another(cache=cache), await some.another(cache=cache)
        await said(one, **ONE)
        assert [await said(other, **OTHER), results(other)[-1]] == ["So.", "semantic"]
        for meaning in await some.server.ask("KEYS", MEANINGS):
            for key in (meaning, meaning.removesuffix(":meaning")):
                assert 0 < int(await some.server.ask("PTTL", key)) <= 60_000
                await some.server.ask("PEXPIRE", key, "0")
        await said(other, **OTHER)
        assert results(other)[-1] == "miss"


@row("an answer to a question that means the same")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_while_redis_is_away_nothing_is_found_by_meaning_and_afterwards_it_is_again(
    tmp_path: Path, on_error: str
) -> None:
    async with pods(tmp_path, answers("So.")) as some:
        policy = {"policy": {"onStateError": on_error}}
        one, other = await some.another(**policy), await some.another(**policy)
        await said(one, **ONE)
        await said(other, **OTHER)
        assert results(other) == ["semantic"]
        await some.server.kill()
        for _ in range(2):
            await said(other, **OTHER)
        assert results(other) == ["semantic", "miss", "miss"]
        await some.server.start()

        async def again() -> str:
            await said(one, **ONE)
            await said(other, **OTHER)
            return results(other)[-1]

        await eventually(again, lambda result: result in {"semantic", "hit"})
        assert results(one)[1] == "miss", "nothing is left of what was kept"


async def test_a_hit_word_for_word_asks_redis_no_more_for_it(tmp_path: Path) -> None:
    async def asked(some: Pods, cache: dict[str, Any]) -> int:
        pod = await some.another(cache=cache)
        await said(pod, **ONE)
        await some.server.ask("CONFIG", "RESETSTAT")
        await said(pod, **ONE)
        assert results(pod)[-1] == "hit"
        told = await some.server.ask("INFO", "commandstats")
        return sum(int(line.split("calls=")[1].split(",")[0]) for line in told.splitlines() if "evalsha" in line)

    async with pods(tmp_path, answers("So.")) as some:
        assert await asked(some, MEANING) == await asked(some, {"maxSensitivity": "Internal"}) == 1
