"""The fakes kept honest: the same questions to llama.cpp's server with SmolLM2, the model of the demo."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.fakes import configs
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENT = {"connect": 30, "firstToken": 300, "idle": 300, "attempt": 300, "total": 300}
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-I", "-m", "regent_demo_model", "--host", "127.0.0.1", "--port", str(port)]
    model = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    document = configs.document(
        configs.provider_config("local", f"http://127.0.0.1:{port}/v1", model="smollm2-135m-instruct"),
        policy={"size": {"turnTimeoutSeconds": 300, "maxInputTokens": 100_000}},
        route={"timeouts": PATIENT},
    )
    try:
        async with serving(tmp_path_factory.mktemp("real"), document) as agent:
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
