"""What pods say of the conversations that are active at them, over HTTP, with a Redis that they share or without one."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.redis_server import RedisServer, redis_server
from tests.fakes import configs
from tests.fakes.provider import Behaviour, answers, completion, provider, send_json
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually

BODY = {"messages": [{"role": "user", "content": "Hi"}]}
ID = "x-regent-conversation"


def document(url: str, idle_after: float = 600.0, **state: Any) -> dict[str, Any]:
    made = configs.document(configs.provider_config("local", url), state={"conversations": True, **state})
    return {**made, "drain": {"idleAfterSeconds": idle_after}}


@asynccontextmanager
async def pods(directory: Path, number: int, made: dict[str, Any]) -> AsyncIterator[list[Served]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serving(directory / str(each), made, pod=f"uid-{each}"))
            for each in range(number)
        ]


def held(gate: asyncio.Event) -> Behaviour:
    """Answers once the gate is open."""

    async def behave(_request: Any, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await send_json(writer, 200, completion("Hi."))

    return behave


async def ask(served: Served, id_: str | None = None) -> str:
    status, _, headers = await served.post(BODY, headers={"X-Regent-Conversation": id_} if id_ else {})
    assert status == 200
    return str(headers[ID])


async def figures(all_: list[Served]) -> list[int]:
    return [(await served.statusz())["activeConversations"] for served in all_]


async def settle(all_: list[Served], expected: list[int]) -> None:
    await eventually(lambda: figures(all_), lambda found: found == expected)


async def gauge(served: Served) -> float:
    """regent_active_conversations, as it stands."""
    async with served.http.get(f"{served.status_url}/metrics") as response:
        lines = (await response.text()).splitlines()
    (value,) = (line.split()[-1] for line in lines if line.startswith("regent_active_conversations "))
    return float(value)


@pytest.mark.parametrize("number", [1, 3, 6])
async def test_the_pods_add_up_to_the_distinct_active_conversations(tmp_path: Path, number: int) -> None:
    """Turns go round the pods, as behind a Service; some conversations are deleted at whichever pod is next."""
    rng, active = random.Random(number), dict[str, int]()
    async with (
        redis_server(tmp_path) as server,
        provider(answers("Hi.")) as fake,
        pods(tmp_path, number, document(fake.url, redis={"url": server.url})) as all_,
    ):
        for turn in range(40):
            pod = turn % number
            match rng.choice(("new", "new", "new", "again", "again", "again", "delete")):
                case "again" if active:
                    id_ = rng.choice([*active])
                    assert await ask(all_[pod], id_) == id_
                    active[id_] = pod
                case "delete" if active:
                    id_ = rng.choice([*active])
                    await all_[pod].sdk().conversations.delete(id_)
                    del active[id_]
                case _:
                    active[await ask(all_[pod])] = pod
        expected = [[*active.values()].count(pod) for pod in range(number)]
        await settle(all_, expected)
        assert sum(expected) == len(active) > 4
        assert [await gauge(served) for served in all_] == expected


async def test_an_idle_conversation_is_no_longer_active(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url, idle_after=0.5)) as served:
        await ask(served)
        await settle([served], [0])
        assert await gauge(served) == 0
    async with provider(answers("Hi.")) as fake, serving(tmp_path / "2", document(fake.url)) as served:
        await ask(served)
        await asyncio.sleep(1.5)
        assert await figures([served]) == [1]


async def test_a_conversation_whose_turn_takes_longer_than_idle_is_active(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        provider(held(gate)) as fake,
        serving(tmp_path, document(fake.url, idle_after=0.2)) as served,
    ):
        turn = asyncio.create_task(ask(served))
        await served.until(lambda status: status["turns"] == 1)
        await asyncio.sleep(1.5)
        assert await figures([served]) == [1]
        gate.set()
        await turn
        await settle([served], [0])


async def test_turns_of_one_conversation_at_once_count_once(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gate.set()
    async with provider(held(gate)) as fake, serving(tmp_path, document(fake.url)) as served:
        id_ = await ask(served)
        gate.clear()
        turns = [asyncio.create_task(ask(served, id_)) for _ in range(3)]
        await served.until(lambda status: status["turns"] == 3)
        assert await figures([served]) == [1]
        gate.set()
        await asyncio.gather(*turns)
        assert await figures([served]) == [1]


async def test_a_request_without_a_conversation_counts_while_it_is_in_flight(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with provider(held(gate)) as fake:
        made = document(fake.url, conversations=False)
        async with serving(tmp_path, made) as served:
            turns = [asyncio.create_task(served.ask()) for _ in range(2)]
            await settle([served], [2])
            assert await gauge(served) == 2
            gate.set()
            await asyncio.gather(*turns)
            await settle([served], [0])


async def test_a_pod_that_ends_says_none(tmp_path: Path) -> None:
    """It still serves a turn, so its endpoints still answer."""
    gate = asyncio.Event()
    async with provider(held(gate)) as fake, serving(tmp_path, document(fake.url)) as served:
        turn = asyncio.create_task(ask(served))
        await served.until(lambda status: status["turns"] == 1)
        assert await figures([served]) == [1]
        served.runtime.stop()
        await served.until(lambda status: status["draining"])
        assert await figures([served]) == [0]
        assert await gauge(served) == 0
        gate.set()
        await turn


async def test_a_process_that_follows_another_in_its_pod_knows_what_is_active_there(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        made = document(fake.url, redis={"url": server.url})
        async with serving(tmp_path / "one", made, pod="uid-7") as served:
            await ask(served)
        async with serving(tmp_path / "two", made, pod="uid-7") as served:
            await settle([served], [1])


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that others use too, a request that was given up may have begun a conversation nevertheless."""
    monkeypatch.setattr("regent_runtime.state.link.ANSWER_SECONDS", 60.0)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as server:
        yield server


async def test_while_redis_is_away_its_last_word_stands_until_all_must_be_idle(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with provider(answers("Hi.")) as fake:
        made = document(fake.url, idle_after=3.0, redis={"url": redis.url})
        async with serving(tmp_path / "one", made) as served:
            await ask(served)
            await redis.kill()
            assert await figures([served]) == [1]
            await settle([served], [0])
