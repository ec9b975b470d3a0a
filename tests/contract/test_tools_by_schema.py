"""Tools for a Local model that cannot call any, with OpenAI's client, through each wire format."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_tools import APIS, ASKED, HI, ROME, WEATHER
from tests.fakes import configs, messages, responses
from tests.fakes.provider import Behaviour, answers, provider
from tests.fakes.serving import Served, serving

CALL = json.dumps({"calls": [{"name": "weather", "arguments": json.loads(ROME)}]})


def writes(api: str, *words: str) -> Behaviour:
    if api == "Responses":
        return responses.answers_with(responses.response(responses.said(*words)))
    return messages.speaks(*words) if api == "Messages" else answers(*words)


def document(url: str, api: str, *others: dict[str, Any], **policy: Any) -> dict[str, Any]:
    small = configs.provider_config("small", url, api=api, capabilities={"tools": False})
    return configs.document(small, *others, policy=policy)


async def said(served: Served, *, stream: bool, **more: Any) -> tuple[str, str, list[Any]]:
    """Text, finish reason and calls."""
    async with served.sdk() as client:
        made: Any = await client.chat.completions.create(**{**ASKED, **more}, stream=stream)
        if not stream:
            choice = made.choices[0]
            return choice.message.content or "", choice.finish_reason, choice.message.tool_calls or []
        chunks = [each.choices[0] async for each in made]
    text = "".join(each.delta.content or "" for each in chunks)
    return text, chunks[-1].finish_reason, chunks[-1].delta.tool_calls or []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_a_call_comes_back_as_one_and_its_result_goes_on(tmp_path: Path, api: str, stream: bool) -> None:
    async with (
        provider(writes(api, CALL[:20], CALL[20:])) as fake,
        serving(tmp_path, document(fake.url, api)) as served,
    ):
        text, reason, (call,) = await said(served, stream=stream)
        assert (text, reason, call.function.name) == ("", "tool_calls", "weather")
        assert json.loads(call.function.arguments) == json.loads(ROME)
        assert "tools" not in fake.requests[0].body
        fake.behaviours = [writes(api, '{"answer": "Sun', 'ny."}')]
        past: Any = {"role": "assistant", "tool_calls": [call.model_dump(exclude={"index"})]}
        result = {"role": "tool", "tool_call_id": call.id, "content": "Sun."}
        assert await said(served, stream=stream, messages=[HI, past, result]) == ("Sunny.", "stop", [])
        assert '\\"result\\":\\"Sun.\\"' in json.dumps(fake.requests[1].body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("It is sunny.", "malformed"),
        (json.dumps({"calls": [{"name": "send_money", "arguments": {}}]}), "malformed_call"),
    ],
)
async def test_what_keeps_to_no_schema_or_calls_what_is_not_offered_is_asked_elsewhere(
    tmp_path: Path, written: str, word: str, stream: bool
) -> None:
    async with provider(answers(written)) as fake, provider(answers("From the second.")) as other:
        made = document(fake.url, "ChatCompletions", configs.provider_config("second", other.url))
        async with serving(tmp_path, made) as served:
            assert (await said(served, stream=stream))[0] == "From the second."
            assert (await served.attempts())[0][:2] == ("small", word)
            assert other.requests[0].body["tools"] == [WEATHER]


async def test_guards_see_what_the_schema_held(tmp_path: Path) -> None:
    leaked = {"calls": [{"name": "weather", "arguments": {"city": "sk-proj-Ab3dEf6hIj9kLm2nOp5q"}}]}
    output = {"guardrails": {"output": {"secrets": ["Deny"]}}}
    async with (
        provider(answers(json.dumps(leaked))) as fake,
        serving(tmp_path, document(fake.url, "ChatCompletions", **output)) as served,
    ):
        assert (await said(served, stream=False))[1:] == ("content_filter", [])
