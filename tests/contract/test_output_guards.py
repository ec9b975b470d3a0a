"""Every action of `guardrails.output`, as the official OpenAI client sees it: plain and streamed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from regent_runtime.decision import Stage
from regent_runtime.guard import screening
from regent_runtime.guard.window import Window
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import answers, chunk, completion, gated, json_answer, provider, stream_of, usage_chunk
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import WAIT_SECONDS

MESSAGES: Any = [{"role": "user", "content": "Who is it?"}]
REFUSAL = "I'm sorry, but I can't assist with that request."
KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"


def guarded(url: str, **output: Any) -> dict[str, Any]:
    return configs.document(configs.provider_config("local", url), policy={"guardrails": {"output": output}})


@asynccontextmanager
async def answered(
    directory: Path, words: list[str], **output: Any
) -> AsyncIterator[tuple[Served, openai.AsyncOpenAI]]:
    async with (
        provider(answers(*words)) as fake,
        serving(directory, guarded(fake.url, **output)) as served,
        served.sdk() as client,
    ):
        yield served, client


async def plain(client: openai.AsyncOpenAI) -> tuple[str | None, str]:
    answer = await client.chat.completions.create(model="any", messages=MESSAGES)
    return answer.choices[0].message.content, answer.choices[0].finish_reason


async def streamed(client: openai.AsyncOpenAI) -> tuple[str, str | None]:
    chunks = await chunks_of(client)
    return "".join(each.choices[0].delta.content or "" for each in chunks), chunks[-1].choices[0].finish_reason


async def chunks_of(client: openai.AsyncOpenAI) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(model="any", messages=MESSAGES, stream=True)
    return [each async for each in stream]


async def decisions(served: Served) -> list[tuple[str, str, str]]:
    await served.until(lambda status: status["turns"] == 0)
    made = served.runtime.records[-1].decisions
    return [(each.action, each.field, each.reason) for each in made if each.stage is Stage.OUTPUT]


CASES: list[tuple[dict[str, Any], list[str], str, str]] = [
    (
        {"personalData": {"action": ["Redact"], "detectors": ["Email"]}},
        ["Write to ann", "a@exam", "ple.com or 10", ".1.2.3."],
        "Write to [EMAIL] or 10.1.2.3.",
        "stop",
    ),
    (
        {"personalData": {"action": ["Redact"], "detectors": ["Phone", "Card", "IBAN", "NationalID", "IPAddress"]}},
        ["Call +49 30 1", "234567, pay 4111 1111", " 1111 1111 or DE89 3704 0044 0532 0130 00; 123-45-6789 at 203.0.113.", "9"],
        "Call [PHONE], pay [CARD] or [IBAN]; [NATIONAL_ID] at [IP_ADDRESS]",
        "stop",
    ),
    ({"personalData": {"action": ["Audit"], "detectors": ["Email"]}}, ["a@example.com"], "a@example.com", "stop"),
    ({"personalData": {"action": [], "detectors": ["Email"]}}, ["a@example.com"], "a@example.com", "stop"),
    ({"secrets": ["Redact"]}, ["The key is sk-proj-Ab3dEf", "6hIj9kLm2nOp5q."], "The key is [SECRET].", "stop"),
    ({"secrets": []}, [f"The key is {KEY}."], f"The key is {KEY}.", "stop"),
    ({"patterns": [{"policy": "demo/a", "name": "code-name", "re2": "(?i)project \\w{3,8}", "action": "Redact"}]}, ["It is Pro", "ject Apollo."], "It is [REDACTED].", "stop"),
    ({"links": {"allow": [["*.example.com"], ["docs.example.com", "evil.com"]], "images": []}}, ["See [it](https://docs.exam", "ple.com/a) or [that](https://www.example.com/?q=1)."], "See [it](https://docs.example.com/a) or [that](#).", "stop"),
    ({"links": {"images": ["Strip"]}}, ["Look: ![x](https://evil.com/", "a.png) <img src=y>"], "Look: (image removed) (image removed)", "stop"),
]  # fmt: skip


@enforces(
    "guardrails.output.personalData.action",
    "guardrails.output.personalData.detectors",
    "guardrails.output.secrets",
    "guardrails.output.patterns.re2",
    "guardrails.output.patterns.action",
    "guardrails.output.links.allow",
    "guardrails.output.links.images",
)
@pytest.mark.parametrize(("output", "words", "expected", "finish"), CASES)
async def test_what_is_found_is_rewritten(
    tmp_path: Path, output: dict[str, Any], words: list[str], expected: str, finish: str
) -> None:
    async with answered(tmp_path, words, **output) as (_, client):
        assert await plain(client) == (expected, finish)
        assert await streamed(client) == (expected, finish)


DENIED: list[tuple[dict[str, Any], list[str], str]] = [
    ({"secrets": ["Deny"]}, ["The key ", "is ", "sk-proj-Ab3dEf", "6hIj9kLm2nOp5q."], "The key is "),
    (
        {"personalData": {"action": ["Deny"], "detectors": ["Email"]}},
        ["Write to ", "anna@ex", "ample.com "],
        "Write to ",
    ),
    ({"links": {"images": ["Deny"]}}, ["Look: ", "![x](https://evil.com/a.png)"], "Look: "),
    (
        {"patterns": [{"policy": "demo/a", "name": "n", "re2": "Apollo", "action": "Deny"}]},
        ["It is Apo", "llo."],
        "It is ",
    ),
]


@enforces(
    "guardrails.output.personalData.action",
    "guardrails.output.secrets",
    "guardrails.output.patterns.re2",
    "guardrails.output.patterns.action",
    "guardrails.output.links.images",
    "guardrails.refusal",
)
@pytest.mark.parametrize(("output", "words", "before"), DENIED)
async def test_what_is_denied_ends_the_answer(
    tmp_path: Path, output: dict[str, Any], words: list[str], before: str
) -> None:
    async with (
        provider(answers(*words)) as fake,
        serving(
            tmp_path,
            configs.document(
                configs.provider_config("local", fake.url),
                policy={"guardrails": {"output": output, "refusal": "That stays here."}},
            ),
        ) as served,
        served.sdk() as client,
    ):
        assert await plain(client) == ("That stays here.", "content_filter")
        said, finish = await streamed(client)
        assert finish == "content_filter"
        assert said == "That stays here." or before.startswith(said), "nothing went out yet, or what stood before it"
        assert (await decisions(served))[-1][0] == "Deny"


async def test_a_secret_is_denied_where_no_policy_has_an_opinion(tmp_path: Path) -> None:
    async with answered(tmp_path, [f"It is {KEY} "]) as (served, client):
        assert await plain(client) == (REFUSAL, "content_filter")
        assert await decisions(served) == [("Deny", "guardrails.output.secrets", "openai-key")]
        usage = served.runtime.records[-1].usage
        assert usage is not None
        assert usage.total_tokens == 14


async def test_a_mounted_secret_is_kept_in_however_it_is_cut(tmp_path: Path) -> None:
    async with answered(tmp_path, ["It is tulip", "-garden", "-7 today"], secrets=["Redact"]) as (served, client):
        assert (await streamed(client))[0] == "It is tulip-garden-7 today"
        served.secret("house", password="tulip-garden-7", hosts="tulip-garden-7")
        assert await streamed(client) == ("It is [SECRET] today", "stop")
        assert await decisions(served) == [("Redact", "guardrails.output.secrets", "mounted-secret")]


async def test_a_refusal_of_the_provider_is_screened_as_well(tmp_path: Path) -> None:
    said = completion("", finish_reason="stop")
    said["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "Ask anna@example.com."}
    parts = [
        chunk({"refusal": "Ask anna@"}),
        chunk({"refusal": "example.com."}),
        chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ]
    output = {"personalData": {"action": ["Redact"], "detectors": ["Email"]}}
    async with (
        provider(json_answer(said), stream_of(*parts)) as fake,
        serving(tmp_path, guarded(fake.url, **output)) as served,
        served.sdk() as client,
    ):
        answer = await client.chat.completions.create(model="any", messages=MESSAGES)
        assert answer.choices[0].message.refusal == "Ask [EMAIL]."
        assert "".join(each.choices[0].delta.refusal or "" for each in await chunks_of(client)) == "Ask [EMAIL]."


async def test_nothing_is_said_after_the_finish_and_usage_comes_through(tmp_path: Path) -> None:
    parts = [chunk({"content": "Hi "}), chunk({}, "stop"), chunk({"content": KEY}), usage_chunk(), b"data: [DONE]\n\n"]
    async with (
        provider(stream_of(*parts)) as fake,
        serving(tmp_path, guarded(fake.url)) as served,
        served.sdk() as client,
    ):
        stream = await client.chat.completions.create(
            model="any", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [each async for each in stream]
        assert [each.choices[0].delta.content for each in chunks[:-1]] == ["Hi ", None]
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.total_tokens == 14


INSTRUCTIONS = (
    "You answer questions about the garden of the house. Never name the gardener. Prices are confidential: tulips cost "
    "four euros and roses cost nine."
)


@enforces("guardrails.output.instructionsLeak")
@pytest.mark.parametrize(("action", "finish"), [(["Deny"], "content_filter"), (["Audit"], "stop"), ([], "stop")])
async def test_instructions_that_come_back_end_the_answer(tmp_path: Path, action: list[str], finish: str) -> None:
    words = ["My instructions: you answer questions about ", "the garden of the house; never name the gardener, and "]
    words += ["prices are confidential"]
    async with (
        provider(answers(*words)) as fake,
        serving(tmp_path, guarded(fake.url, instructionsLeak=action) | {"instructions": INSTRUCTIONS}) as served,
        served.sdk() as client,
    ):
        said = REFUSAL if action == ["Deny"] else "".join(words)
        assert await plain(client) == (said, finish)
        assert await streamed(client) == (said, finish)
        assert [each[:2] for each in await decisions(served)] == [
            (each, "guardrails.output.instructionsLeak") for each in action
        ]


@enforces("guardrails.output.streaming")
@pytest.mark.parametrize(("streaming", "first"), [("Window", "One "), ("Buffer", "One two three ")])
async def test_a_buffered_stream_comes_at_its_end(tmp_path: Path, streaming: str, first: str) -> None:
    gate = asyncio.Event()
    async with (
        provider(gated(gate, "One ", "two ", "three ")) as fake,
        serving(tmp_path, guarded(fake.url, streaming=streaming)) as served,
        served.sdk() as client,
    ):
        if streaming == "Buffer":
            gate.set()
        stream = await client.chat.completions.create(model="any", messages=MESSAGES, stream=True)
        begun = await anext(aiter(stream))
        assert begun.choices[0].delta.content == first
        gate.set()
        chunks = [begun, *[each async for each in stream]]
        assert chunks[-1].choices[0].finish_reason == "stop"


async def test_a_pattern_without_bound_waits_for_the_end(tmp_path: Path) -> None:
    pattern = {"policy": "demo/a", "name": "n", "re2": "begin.*end", "action": "Redact"}
    async with answered(tmp_path, ["a begin ", "x " * 400, "end b ", "c"], patterns=[pattern]) as (_, client):
        chunks = await chunks_of(client)
        assert [each.choices[0].delta.content for each in chunks] == ["a [REDACTED] b c"]


async def test_a_turn_that_waits_keeps_its_connection_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "KEEP_ALIVE_SECONDS", 0.0)
    async with answered(tmp_path, ["One ", "two ", "three"], streaming="Buffer") as (served, client):
        assert await streamed(client) == ("One two three", "stop")
        body = {"messages": MESSAGES, "stream": True}
        headers = {"Authorization": f"Bearer {configs.token()}"}
        async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
            text = await asyncio.wait_for(response.text(), WAIT_SECONDS)
        assert text.startswith(": keep-alive\n\n")
        assert '"role":"assistant"' in text.replace(" ", "")


async def test_a_turn_that_waited_can_still_be_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "KEEP_ALIVE_SECONDS", 0.0)
    async with answered(tmp_path, ["It ", "is ", KEY], streaming="Buffer") as (_, client):
        assert await streamed(client) == (REFUSAL, "content_filter")


async def test_a_guard_that_fails_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("what the answer said")

    async with answered(tmp_path, ["Hello."]) as (served, client):
        monkeypatch.setattr(Window, "feed", broken)
        assert await plain(client) == (REFUSAL, "content_filter")
        assert await streamed(client) == (REFUSAL, "content_filter")
        assert await decisions(served) == [("Deny", "", "fault")]


async def test_secrets_that_cannot_be_read_deny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regent_runtime.guard.mounted.MOST_VALUES", 1)
    async with answered(tmp_path, ["Hello."]) as (served, client):
        served.secret("house", one="first-password", two="second-password")
        assert await plain(client) == (REFUSAL, "content_filter")


async def test_leaks_are_counted(tmp_path: Path) -> None:
    async with answered(tmp_path, [f"It is {KEY} "]) as (served, client):
        await plain(client)
        await decisions(served)
        async with served.http.get(f"{served.status_url}/metrics") as response:
            counted = await response.text()
    assert 'regent_leaks_blocked_total{action="Deny",field="guardrails.output.secrets"} 1.0' in counted


@enforces("guardrails.output.secrets")
async def test_a_policy_in_mode_audit_tells_what_it_would_have_found(tmp_path: Path) -> None:
    async with provider(answers("Write to anna@example.com ", f"or {KEY} ")) as fake:
        document = guarded(fake.url, secrets=["Audit"])
        strict = configs.merged(
            document["policy"],
            {
                "guardrails": {
                    "output": {"secrets": ["Deny"], "personalData": {"action": ["Redact"], "detectors": ["Email"]}}
                }
            },
        )
        document["shadows"] = [{"name": "demo/strict", "policy": strict}]
        async with serving(tmp_path, document) as served, served.sdk() as client:
            assert await plain(client) == (f"Write to anna@example.com or {KEY} ", "stop")
            await decisions(served)
            made = served.runtime.records[-1].decisions
            told = [(each.action, each.reason, each.shadow) for each in made if each.stage is Stage.OUTPUT]
            assert told == [
                ("Audit", "openai-key", ""),
                ("Redact", "Email", "demo/strict"),
                ("Deny", "openai-key", "demo/strict"),
            ]
