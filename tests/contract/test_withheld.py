"""A turn that a guard ended, as the official client sees it: an answer, not an error."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from regent_api.policy import REFUSAL_DEFAULT
from regent_runtime.limits import size
from regent_runtime.prompt import fit
from regent_runtime.wire.answer import Chunk
from regent_runtime.withheld import Withheld
from tests.fakes import configs
from tests.fakes.provider import Provider, answers, provider
from tests.fakes.serving import Served, serving

MESSAGES = [{"role": "user", "content": "Greet me."}]
OWN_TEXT = "That I may not say."


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[Provider]:
    async with provider(answers("Hel", "lo.")) as fake:
        yield fake


@pytest_asyncio.fixture
async def served(fake: Provider, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served:
        yield served


def before(monkeypatch: pytest.MonkeyPatch, text: str = REFUSAL_DEFAULT) -> None:
    """A guard ends the turn before a provider is asked."""

    def guard(*_: Any) -> int:
        raise Withheld(text)

    monkeypatch.setattr(size, "check_input", guard)


def amid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard ends the turn behind the first syllable."""
    asked = fit.asked

    async def guarded(*arguments: Any) -> AsyncGenerator[Chunk]:
        chunks = asked(*arguments)
        yield msgspec.structs.replace(await anext(chunks), content="Hel")
        await chunks.aclose()
        raise Withheld(OWN_TEXT)

    monkeypatch.setattr(fit, "asked", guarded)


async def test_a_plain_answer_is_the_refusal(served: Served, fake: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch)
    async with served.sdk() as client:
        answer = await client.chat.completions.create(model="any", messages=MESSAGES)
    assert answer.model_dump(exclude_none=True, exclude={"id", "created"}) == {
        "object": "chat.completion",
        "model": "helper",
        "choices": [
            {
                "index": 0,
                "finish_reason": "content_filter",
                "message": {"role": "assistant", "content": "I'm sorry, but I can't assist with that request."},
            }
        ],
        "usage": {
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "total_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    assert fake.requests == []
    assert served.runtime.records[-1].outcome == "withheld"


async def test_the_text_is_the_policys(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, OWN_TEXT)
    async with served.sdk() as client:
        answer = await client.chat.completions.create(model="any", messages=MESSAGES)
    assert answer.choices[0].message.content == OWN_TEXT


async def test_a_stream_that_has_not_begun_is_a_whole_refusal(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, OWN_TEXT)
    async with served.sdk() as client:
        stream = await client.chat.completions.create(
            model="any", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks[:-1]] == [OWN_TEXT, None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None, "content_filter"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.total_tokens == 0


async def test_a_stream_that_has_begun_ends_and_says_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    amid(monkeypatch)
    async with served.sdk() as client:
        stream = await client.chat.completions.create(model="any", messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hel", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "content_filter"]
    assert served.runtime.records[-1].outcome == "withheld"


async def test_a_withheld_stream_ends_with_done(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    amid(monkeypatch)
    headers = {"Authorization": f"Bearer {configs.token()}"}
    body = {"messages": MESSAGES, "stream": True}
    async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
        text = await response.text()
    assert '"content":"Hel"' in text
    assert '"finish_reason":"content_filter"' in text
    assert "lo." not in text
    assert text.endswith("data: [DONE]\n\n")
