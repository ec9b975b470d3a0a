"""Anonymised turns through the official client: what the provider is sent, and what the caller gets back."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.policy import Detector
from regent_runtime.guard.personal_data import find
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Behaviour, Received, answers, chunk, completion, provider, send_json, send_stream
from tests.fakes.serving import serving

VALUES = ["ann@example.com", "+49 30 901820", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "10.20.30.40"]
TEXT = f"I am {VALUES[0]}, call {VALUES[1]}; card {VALUES[2]}, account {VALUES[3]}, from {VALUES[4]}."
READERS = "system:serviceaccounts:demo"


def echoes(*, letters: int = 1) -> Behaviour:
    """Says the caller's last message again, streamed a few letters at a time."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = request.body["messages"][-1]["content"]
        if request.body.get("stream"):
            parts = [chunk({"content": text[at : at + letters]}) for at in range(0, len(text), letters)]
            await send_stream(writer, [*parts, chunk({}, "stop"), b"data: [DONE]\n\n"])
        else:
            await send_json(writer, 200, completion(text))

    return behave


def document(url: str, *, readers: list[list[str]] | None = None, **data: Any) -> dict[str, Any]:
    personal = {"readers": [[READERS]] if readers is None else readers}
    classes = {"Internal": {"anonymize": True}}
    return configs.document(
        configs.provider_config("local", url), policy={"data": {"classes": classes, "personalData": personal, **data}}
    )


async def ask(client: openai.AsyncOpenAI, text: str, *, stream: bool, **more: Any) -> str:
    messages: Any = [{"role": "user", "content": text}]
    if not stream:
        whole = await client.chat.completions.create(model="any", messages=messages, **more)
        return whole.choices[0].message.content or ""
    chunks = await client.chat.completions.create(model="any", messages=messages, stream=True, **more)
    return "".join([each.choices[0].delta.content or "" async for each in chunks])


@enforces("data.classes.*.anonymize", "data.personalData.readers")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_reader_gets_back_what_no_provider_saw(tmp_path: Path, stream: bool) -> None:
    async with (
        provider(echoes()) as fake,
        serving(tmp_path, document(fake.url)) as served,
        served.sdk() as client,
    ):
        assert await ask(client, TEXT, stream=stream, stop=["ann@example.com"]) == TEXT

        sent = json.dumps(fake.requests[0].body)
        assert not [value for value in VALUES if value in sent]
        assert [kind for kind in ("EMAIL", "PHONE", "CARD", "IBAN", "IPADDRESS") if f"[{kind}_1_" not in sent] == []
        (decision,) = (each for each in served.runtime.records[-1].decisions if each.action == "Anonymize")
        assert (decision.field, decision.reason) == ("data.classes.Internal.anonymize", "5 values")


@enforces("data.personalData.readers")
@pytest.mark.parametrize("readers", [[], [["auditors"]], [[READERS], ["auditors"]]])
@pytest.mark.parametrize("stream", [False, True])
async def test_who_is_no_reader_of_every_policy_gets_placeholders(
    tmp_path: Path, readers: list[list[str]], stream: bool
) -> None:
    async with (
        provider(echoes()) as fake,
        serving(tmp_path, document(fake.url, readers=readers)) as served,
        served.sdk() as client,
    ):
        answer = await ask(client, TEXT, stream=stream)

        assert answer == fake.requests[0].body["messages"][-1]["content"]
        assert not [value for value in VALUES if value in answer]


@enforces("data.classes.*.anonymize")
async def test_without_the_class_nothing_is_replaced(tmp_path: Path) -> None:
    async with (
        provider(echoes()) as fake,
        serving(tmp_path, document(fake.url)) as served,
        served.sdk() as client,
    ):
        confidential = {"X-Regent-Sensitivity": "Confidential"}
        assert await ask(client, TEXT, stream=False, extra_headers=confidential) == TEXT
        assert fake.requests[0].body["messages"][-1]["content"] == TEXT


async def test_anonymising_lowers_no_label(tmp_path: Path) -> None:
    classes = {"Confidential": {"anonymize": True, "aiProcessing": ["LocalOnly"]}}
    async with (
        provider(echoes()) as fake,
        serving(
            tmp_path,
            configs.document(
                configs.provider_config("cloud", "https://cloud.example/v1", type="OpenAI"),
                configs.provider_config("local", fake.url),
                policy={"data": {"classes": classes, "personalData": {"raisesTo": "Confidential"}}},
            ),
        ) as served,
        served.sdk() as client,
    ):
        await ask(client, TEXT, stream=False)

        assert served.runtime.records[-1].sensitivity == "Confidential"
        assert "ann@example.com" not in json.dumps(fake.requests[0].body)


async def test_an_answer_can_go_back_into_the_history(tmp_path: Path) -> None:
    async with (
        provider(echoes()) as fake,
        serving(tmp_path, document(fake.url)) as served,
        served.sdk() as client,
    ):
        history: list[Any] = [
            {"role": "user", "content": TEXT},
            {"role": "assistant", "content": TEXT},
            {"role": "user", "content": "And again: ann@example.com"},
        ]
        answer = await client.chat.completions.create(model="any", messages=history)

        assert answer.choices[0].message.content == "And again: ann@example.com"
        sent = [message["content"] for message in fake.requests[0].body["messages"][1:]]
        assert sent[0] == sent[1]
        assert sent[2].removeprefix("And again: ") in sent[0]


async def test_what_a_model_makes_up_is_no_placeholder(tmp_path: Path) -> None:
    async with (
        provider(answers("[EMAIL_1_", "bcdfghjk] [EMA")) as fake,
        serving(tmp_path, document(fake.url)) as served,
        served.sdk() as client,
    ):
        for stream in (False, True):
            assert await ask(client, TEXT, stream=stream) == "[EMAIL_1_bcdfghjk] [EMA"


texts = st.lists(st.sampled_from([*VALUES, " ", "x", "[EMAIL_1_bcdfghjk]", "[", "é"]), max_size=8).map("".join)


def drawn() -> list[tuple[str, bool]]:
    """(what is said, whether it is streamed): hypothesis drives synchronous functions, so its examples come first."""
    examples: list[tuple[str, bool]] = []

    @settings(max_examples=60, database=None, deadline=None)
    @given(texts, st.booleans())
    def draw(text: str, stream: bool) -> None:
        examples.append((f"To ann@example.com: {text}", stream))

    draw()
    return examples


@enforces("data.classes.*.anonymize")
async def test_whatever_is_said_no_found_value_reaches_the_provider(tmp_path: Path) -> None:
    async with (
        provider(echoes(letters=3)) as fake,
        serving(tmp_path, document(fake.url)) as served,
        served.sdk() as client,
    ):
        for text, stream in drawn():
            assert await ask(client, text, stream=stream) == text
            sent = fake.requests[-1].body["messages"][-1]["content"]
            assert not [each for each in find(text, tuple(Detector)) if text[each.start : each.end] in sent]
