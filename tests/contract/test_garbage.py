"""A turn leaves nothing that only the garbage collector frees: what it held, answer and keys among it, goes when it ends."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.wire.answer import Chunk
from tests.fakes import configs
from tests.fakes.provider import Behaviour, answers, chunk, provider, status, stream_of
from tests.fakes.serving import Served, serving

OUTPUT = {"secrets": ["Deny"], "personalData": {"action": ["Redact"]}}
TURNS: dict[str, tuple[Behaviour, dict[str, Any]]] = {
    "a plain answer": (answers("Hello."), {}),
    "a stream": (answers(*["Hello, "] * 40), {"stream": True}),
    "a refusal": (answers("Hello."), {"n": 2}),
    "a provider that fails": (status(500), {}),
    "a stream that is cut": (stream_of(chunk({"content": "Hello, "})), {"stream": True}),
    "an answer that is withheld": (answers("AKIAIOSFODNN7EXAMPL3"), {}),
}


@pytest.fixture
def kept() -> Iterator[None]:
    """What the collector finds stays in `gc.garbage`."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield
    gc.set_debug(0)
    gc.enable()
    gc.garbage.clear()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("what", TURNS)
async def test_a_turn_leaves_nothing_to_the_garbage_collector(tmp_path: Path, kept: None, what: str, path: str) -> None:
    behaviour, body = TURNS[what]
    async with provider(behaviour) as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"guardrails": {"output": OUTPUT}}
        )
        async with serving(tmp_path, document) as served:
            await _turn(served, path, body)  # what a first turn leaves is of what it loads
            served.runtime.records.clear()
            gc.collect()
            gc.garbage.clear()
            await _turn(served, path, body)
            served.runtime.records.clear()
            gc.collect()
            ours = [type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("regent_")]
            assert ours == []


async def _turn(served: Served, path: str, more: dict[str, Any]) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99, **more}
    headers = {"Authorization": f"Bearer {configs.token()}"}
    async with served.http.post(served.url + path, json=body, headers=headers) as response:
        await response.read()
    await served.until(lambda status: status["turns"] == 0)


async def test_an_open_stream_holds_no_chunk_that_it_has_let_go(tmp_path: Path) -> None:
    """Here figures come with each word, and the first words wait in the guards' window: 64 such are kept for a moment."""
    counted = {"usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}
    words = [chunk({"content": "call "}, **counted)] * 200
    async with provider(stream_of(*words, then="stall")) as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"guardrails": {"output": OUTPUT}}
        )
        async with serving(tmp_path, document) as served:
            body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
            headers = {"Authorization": f"Bearer {configs.token()}"}
            async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
                async for line in response.content:
                    if b"call" in line:
                        break
                lists = [each for each in gc.get_objects() if type(each) is list]
                assert [each for each in lists if each and isinstance(each[0], Chunk)] == []
