"""What pods say of the conversations that are active at them, over HTTP, with a Redis that they share or without one."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.redis_server import RedisServer, redis_server
from tests.fakes import configs
from tests.fakes.provider import Behaviour, answers, completion, provider, send_json
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.rows import row

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


LAST = {"X-Regent-Conversation-End": "true"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shared", [False, True])
async def test_the_answer_that_closes_a_conversation_ends_it(tmp_path: Path, *, shared: bool, stream: bool) -> None:
    """Whoever has seen the answer's end finds it ended: nothing is waited for."""
    async with redis_server(tmp_path) as server, provider(answers("Hi."), answers("Hi.")) as fake:
        made = document(fake.url, **({"redis": {"url": server.url}} if shared else {}))
        async with serving(tmp_path, made) as served, served.sdk() as sdk:
            id_ = await ask(served)
            answer = await sdk.chat.completions.create(
                model="helper",
                messages=[{"role": "user", "content": "Thanks."}],
                stream=stream,
                extra_headers={"X-Regent-Conversation": id_, **LAST},
            )
            if isinstance(answer, openai.AsyncStream):
                assert [chunk async for chunk in answer]
            status, body, _ = await served.post(BODY, headers={"X-Regent-Conversation": id_})
            assert (status, body["error"]["code"]) == (404, "conversation_not_found")
            await settle([served], [0])


async def test_a_turn_without_an_answer_ends_no_conversation(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        id_ = await ask(served)
        again = {"X-Regent-Conversation": id_}
        status, _, _ = await served.post({"messages": []}, headers=again | LAST)
        assert status == 400
        status, body, _ = await served.post(BODY, headers=again | {"X-Regent-Conversation-End": "yes"})
        assert (status, body["error"]["param"]) == (400, "X-Regent-Conversation-End")
        assert await ask(served, id_) == id_
        assert await figures([served]) == [1]


async def test_a_single_question_counts_only_while_it_is_answered(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, document(fake.url)) as served:
        status, _, headers = await served.post(BODY, headers=LAST)
        assert status == 200
        await settle([served], [0])
        assert (await served.post(BODY, headers={"X-Regent-Conversation": headers[ID]}))[0] == 404


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


async def test_a_turn_that_ends_leaves_the_other_of_its_conversation_active(tmp_path: Path) -> None:
    """The second begins while the first is in flight, and takes longer than a conversation may be idle."""
    gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    gates[0].set()
    async with (
        provider(*map(held, gates)) as fake,
        serving(tmp_path, document(fake.url, idle_after=0.2)) as served,
    ):
        id_ = await ask(served)
        first = asyncio.create_task(ask(served, id_))
        await served.until(lambda status: status["turns"] == 1)
        second = asyncio.create_task(ask(served, id_))
        await served.until(lambda status: status["turns"] == 2)
        gates[1].set()
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        await served.until(lambda status: status["turns"] == 1)
        await asyncio.sleep(1.5)
        assert await figures([served]) == [1]
        gates[2].set()
        await asyncio.gather(first, second)
        await settle([served], [0])


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


async def test_what_was_active_at_a_pod_that_is_gone_counts_again_with_its_next_turn(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        made = document(fake.url, redis={"url": server.url})
        async with serving(tmp_path / "one", made, pod="uid-1") as served:
            ids = [await ask(served) for _ in range(3)]
        async with serving(tmp_path / "two", made, pod="uid-2") as served:
            assert await figures([served]) == [0]
            for number, id_ in enumerate(ids, start=1):
                assert await ask(served, id_) == id_
                assert await figures([served]) == [number]


async def test_a_process_that_follows_another_in_its_pod_knows_what_is_active_there(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, provider(answers("Hi.")) as fake:
        made = document(fake.url, redis={"url": server.url})
        async with serving(tmp_path / "one", made, pod="uid-7") as served:
            await ask(served)
        async with serving(tmp_path / "two", made, pod="uid-7") as served:
            await settle([served], [1])


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as server:
        yield server


@row("regent_active_conversations")
@pytest.mark.parametrize("on_error", ["Deny", "Local"])
async def test_while_redis_is_away_its_last_word_stands_until_all_must_be_idle(
    tmp_path: Path, redis: RedisServer, on_error: str
) -> None:
    async with provider(answers("Hi.")) as fake:
        made = document(fake.url, idle_after=600.0, redis={"url": redis.url})
        made = configs.merged(made, {"policy": {"onStateError": on_error}})
        async with serving(tmp_path / "one", made) as served:
            await ask(served)
            await redis.kill()
            assert await figures([served]) == [1]
            served.runtime.attendance._now = lambda: time.monotonic() + 600.0
            await settle([served], [0])
