"""The cloud of the examples: what it says and how it fails, as OpenAI's client sees it and as the runtime classes it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio

from tests.fakes import configs
from tests.fakes.serving import serving
from tests.fakes.waiting import WAIT_SECONDS

QUESTION: Any = [{"role": "user", "content": "Hi"}]
REFUSALS = {
    "error": (openai.InternalServerError, 500),
    "overloaded": (openai.InternalServerError, 529),
    "rate-limited": (openai.RateLimitError, 429),
    "quota": (openai.RateLimitError, 429),
    "content-filter": (openai.BadRequestError, 400),
}
FAILURES = {
    "error": "server_error",
    "overloaded": "overloaded",
    "rate-limited": "rate_limited",
    "quota": "quota_exhausted",
    "content-filter": "content_filter",
}
IMPATIENT = {"connect": 5, "firstToken": 0.5, "idle": 5, "attempt": 1, "total": 60}


@dataclass(frozen=True)
class Cloud:
    url: str
    http: aiohttp.ClientSession

    async def switch(self, mode: str) -> int:
        async with self.http.post(f"{self.url}/mode", json={"mode": mode}) as response:
            return response.status

    async def seen(self) -> list[Any]:
        async with self.http.get(f"{self.url}/seen") as response:
            found: list[Any] = await response.json()
            return found

    def sdk(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="its-key", max_retries=0)


@pytest_asyncio.fixture
async def cloud() -> AsyncIterator[Cloud]:
    words = (sys.executable, "-I", "-m", "regent_demo_model.cloud", "cloud-a", "--port", "0")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    said = await asyncio.wait_for(process.stdout.readline(), WAIT_SECONDS)
    async with aiohttp.ClientSession() as http:
        yield Cloud(f"http://{said.decode().split()[-1]}", http)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), WAIT_SECONDS) == 0, "it ends when a pod does"


async def test_it_answers_plain_and_streamed_and_tells_what_it_was_asked(cloud: Cloud) -> None:
    async with cloud.sdk() as client:
        plain = await client.chat.completions.create(model="any", messages=QUESTION)
        stream = await client.chat.completions.create(
            model="any", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert plain.choices[0].message.content == "from cloud-a"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "from cloud-a"
    assert chunks[-1].usage == plain.usage
    seen = await cloud.seen()
    assert [(each["path"], each["key"], each["body"]["messages"]) for each in seen] == [
        ("/v1/chat/completions", "Bearer its-key", QUESTION)
    ] * 2


@pytest.mark.parametrize("mode", REFUSALS)
async def test_a_refusal_is_one_to_openais_client(cloud: Cloud, mode: str) -> None:
    kind, status = REFUSALS[mode]
    await cloud.switch(mode)
    async with cloud.sdk() as client:
        with pytest.raises(kind) as refused:
            await client.chat.completions.create(model="any", messages=QUESTION)
    assert refused.value.status_code == status
    assert refused.value.response.headers.get("retry-after") == ("3" if status == 429 else None)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("mode", [*REFUSALS, "truncated", "hang"])
async def test_each_mode_is_the_failure_that_it_is_called_by(
    cloud: Cloud, tmp_path: Path, mode: str, stream: bool
) -> None:
    other = {"truncated": "incomplete" if stream else "disconnected"}
    other["hang"] = "first_token_timeout" if stream else "attempt_timeout"
    await cloud.switch(mode)
    route = {"timeouts": IMPATIENT} if mode == "hang" else {}
    document = configs.document(configs.provider_config("only", f"{cloud.url}/v1"), route=route)
    async with serving(tmp_path, document) as served:
        await served.post({"messages": QUESTION, "stream": stream})
        assert (await served.attempts())[0][1] == {**FAILURES, **other}[mode]


async def test_a_cut_stream_has_words_and_no_end(cloud: Cloud) -> None:
    await cloud.switch("cut")
    body = {"model": "any", "messages": QUESTION, "stream": True}
    async with cloud.http.post(f"{cloud.url}/v1/chat/completions", json=body) as response:
        lines = [line.decode().strip() async for line in response.content if line.startswith(b"data: ")]
    assert len(lines) == 101
    assert all(json.loads(line[6:])["choices"][0]["finish_reason"] is None for line in lines)


async def test_a_mode_that_it_has_not_changes_nothing(cloud: Cloud) -> None:
    assert await cloud.switch("sideways") == 400
    async with cloud.sdk() as client:
        assert (await client.chat.completions.create(model="any", messages=QUESTION)).choices
