"""The fakes kept honest: the same questions to llama.cpp's server with SmolLM2, the model of the demo."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio

from regent_runtime.cost.sending import written
from regent_runtime.dialect.chat_completions.request import parse
from tests.fakes import configs
from tests.fakes.ports import held_port
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually
from tests.unit.runtime.limits.test_size import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENT = {"connect": 30, "firstToken": 300, "idle": 300, "attempt": 300, "total": 300}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
CAN = {"tools": False, "tokenCounter": "InputTokens"}
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    with held_port() as port:
        async with talking_to_it(tmp_path_factory.mktemp("real"), port) as agent:
            yield agent


@asynccontextmanager
async def talking_to_it(folder: Path, port: int) -> AsyncIterator[Served]:
    """An agent whose model listens on that port."""
    command = [sys.executable, "-I", "-m", "regent_demo_model", "--host", "127.0.0.1", "--port", str(port)]
    model = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    document = configs.document(
        configs.provider_config(
            "local", f"http://127.0.0.1:{port}/v1", model="smollm2-135m-instruct", capabilities=CAN
        ),
        policy={"size": {"turnTimeoutSeconds": 300, "maxInputTokens": 100_000}},
        route={"timeouts": PATIENT},
    )
    try:
        async with serving(folder, document) as agent:
            await eventually(lambda: healthy(agent, port))
            yield agent
    finally:
        model.terminate()
        await model.wait()


async def healthy(agent: Served, port: int) -> bool:
    try:
        return (await agent.http.get(f"http://127.0.0.1:{port}/health")).status == 200
    except OSError:
        return False


async def test_a_plain_answer(served: Served) -> None:
    async with served.sdk(timeout=300) as client:
        answer = await client.chat.completions.create(model="any", messages=QUESTION, temperature=0, max_tokens=24)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.usage
    assert 0 < answer.usage.completion_tokens <= 24


async def test_a_streamed_answer_is_the_plain_one(served: Served) -> None:
    async with served.sdk(timeout=300) as client:
        options: Any = {"model": "any", "messages": QUESTION, "temperature": 0, "max_tokens": 16, "seed": 1}
        stream = await client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        plain = await client.chat.completions.create(**options)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage == plain.usage


async def test_the_output_cap_holds(served: Served) -> None:
    async with served.sdk(timeout=300) as client:
        answer = await client.chat.completions.create(model="any", messages=QUESTION, max_tokens=1)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 1


async def test_an_input_beyond_the_context_window_is_422(served: Served) -> None:
    long: Any = [{"role": "user", "content": "tulip " * 20_000}]
    async with served.sdk(timeout=300) as client:
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            await client.chat.completions.create(model="any", messages=long)
    assert refused.value.code == "context_too_long"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_knows_no_tools_calls_one(served: Served, stream: bool) -> None:
    asked: Any = {"model": "any", "messages": [{"role": "user", "content": "How is the weather in Rome?"}]}
    async with served.sdk(timeout=300) as client:
        made: Any = await client.chat.completions.create(
            **asked, tools=[WEATHER], tool_choice="required", temperature=0, max_tokens=400, stream=stream
        )
        last = [each async for each in made][-1].choices[0] if stream else made.choices[0]
    assert last.finish_reason == "tool_calls"
    for call in (last.delta if stream else last.message).tool_calls:
        arguments = json.loads(call.function.arguments)
        assert call.function.name == "weather"
        assert arguments.keys() == {"city", "days"}
        assert arguments["city"] in {"Paris", "Rome"}
        assert isinstance(arguments["days"], int)


async def test_a_model_that_knows_no_tools_answers_in_words_where_it_may(served: Served) -> None:
    """Which of both it does is the model's choice; what it does not do is show the schema."""
    async with served.sdk(timeout=300) as client:
        answer = await client.chat.completions.create(
            model="any", messages=QUESTION, tools=[WEATHER], temperature=0, max_tokens=400, parallel_tool_calls=False
        )
    choice = answer.choices[0]
    assert choice.finish_reason in {"stop", "tool_calls", "length"}
    assert bool(choice.message.tool_calls) == (choice.finish_reason == "tool_calls")
    assert not (choice.message.content or "").lstrip().startswith("{")


HISTORY: Any = [
    {"role": "user", "content": "Где 2 + 2?"},
    {"role": "assistant", "content": "4"},
    *QUESTION,
]


@pytest.mark.parametrize("messages", [QUESTION, HISTORY])
async def test_its_server_counts_what_it_then_books(served: Served, messages: Any) -> None:
    snapshot = served.runtime.lifecycle.snapshot
    assert snapshot is not None
    body = {"messages": messages, "max_tokens": 1}
    (provider,) = snapshot.config.route.providers
    sending = written(snapshot.config, parse(json.dumps(body).encode()), provider)
    counted = await snapshot.counters["local"].count(sending.outbound, Unwritten())
    code, answer, _ = await served.post(body)
    assert (code, counted) == (200, answer["usage"]["prompt_tokens"])


async def test_the_committed_sample_has_the_tokens_that_the_model_finds_in_it(served: Served) -> None:
    snapshot = served.runtime.lifecycle.snapshot
    assert snapshot is not None
    at = snapshot.config.route.providers[0].base_url.removesuffix("/v1") + "/tokenize"
    for text, (_, smollm2) in TEXTS.items():
        async with served.http.post(at, json={"content": text}) as answer:
            assert len((await answer.json())["tokens"]) == smollm2


class Unwritten:
    """witness.Witness."""

    async def attempt(self, provider: str, model: str, detail: str = "") -> None: ...
