"""The caller's own tools, with OpenAI's client, through each wire format."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import configs
from tests.fakes.calling import calls
from tests.fakes.provider import Provider, answers, chunk, provider, send_stream
from tests.fakes.serving import Served, serving

APIS = ["ChatCompletions", "Responses", "Messages"]
ROME = '{"city": "Rome", "days": [1, 2]}'
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
HI: dict[str, Any] = {"role": "user", "content": "How is Rome?"}
ASKED: dict[str, Any] = {"model": "any", "messages": [HI], "tools": [WEATHER]}


def document(fake: Provider, api: str, *others: dict[str, Any], **policy: Any) -> dict[str, Any]:
    first = configs.provider_config("first", fake.url, api=api)
    return configs.document(first, *others, policy=policy)


async def whole(served: Served, **more: Any) -> Any:
    async with served.sdk() as client:
        return (await client.chat.completions.create(**ASKED, **more)).choices[0]


async def streamed(served: Served, **more: Any) -> list[Any]:
    async with served.sdk() as client:
        stream = await client.chat.completions.create(**ASKED, stream=True, **more)
        return [each.choices[0] async for each in stream]


@pytest.mark.parametrize("api", APIS)
async def test_a_call_reaches_the_caller_and_its_result_the_model(tmp_path: Path, api: str) -> None:
    async with (
        provider(calls(api, "weather", ROME, "Let me look.")) as fake,
        serving(tmp_path, document(fake, api)) as served,
    ):
        choice = await whole(served)
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
        (call,) = choice.message.tool_calls
        assert (call.type, call.function.name) == ("function", "weather")
        assert json.loads(call.function.arguments) == json.loads(ROME)
        assert call.id.startswith("call_")
        assert "provider" not in call.id
        past = [HI, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "Sun."}]
        async with served.sdk() as client:
            await client.chat.completions.create(model="any", messages=past, tools=[WEATHER])
        again = json.dumps(fake.requests[-1].body)
        assert "Sun." in again
        assert call.id not in again
        assert again.count("call_0") == 2


@pytest.mark.parametrize("api", APIS)
async def test_a_call_in_a_stream_comes_whole_before_its_end(tmp_path: Path, api: str) -> None:
    async with (
        provider(calls(api, "weather", ROME, "Let me look.")) as fake,
        serving(tmp_path, document(fake, api)) as served,
    ):
        *told, last = await streamed(served)
        assert "".join(each.delta.content or "" for each in told) == "Let me look."
        assert last.finish_reason == "tool_calls"
        (call,) = last.delta.tool_calls
        assert (call.index, call.function.name) == (0, "weather")
        assert json.loads(call.function.arguments) == json.loads(ROME)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("name", "asked"),
    [("send_money", {}), ("weather", {"tool_choice": "none"})],
)
async def test_a_tool_that_is_not_offered_is_not_called(
    tmp_path: Path, api: str, name: str, asked: dict[str, Any], stream: bool
) -> None:
    async with (
        provider(calls(api, name, ROME)) as fake,
        provider(answers("From the second.")) as other,
        serving(tmp_path, document(fake, api, configs.provider_config("second", other.url))) as served,
    ):
        if stream:
            said = "".join(each.delta.content or "" for each in await streamed(served, **asked))
        else:
            said = (await whole(served, **asked)).message.content
        assert said == "From the second."
        assert (await served.attempts())[0] == ("first", "malformed_call", "tool_not_offered")


@pytest.mark.parametrize("api", APIS)
async def test_what_a_call_would_carry_away_is_denied(tmp_path: Path, api: str) -> None:
    arguments = json.dumps({"city": "sk-proj-Ab3dEf6hIj9kLm2nOp5q"})
    output = {"guardrails": {"output": {"secrets": ["Deny"]}}}
    async with (
        provider(calls(api, "weather", arguments)) as fake,
        serving(tmp_path, document(fake, api, **output)) as served,
    ):
        choice = await whole(served)
        assert (choice.finish_reason, choice.message.tool_calls) == ("content_filter", None)
        told = await streamed(served)
        assert told[-1].finish_reason == "content_filter"
        assert not any(each.delta.tool_calls for each in told)


async def test_a_placeholder_in_a_call_is_restored_for_who_may_read_it(tmp_path: Path) -> None:
    """The model repeats what it was shown; the caller gets what it wrote."""
    policy = {
        "data": {
            "classes": {"Internal": {"anonymize": True}},
            "personalData": {"readers": [["system:serviceaccounts:demo"]]},
        }
    }
    async with provider() as fake, serving(tmp_path, document(fake, "ChatCompletions", **policy)) as served:
        seen: dict[str, str] = {}

        async def echoes(request: Any, reader: Any, writer: Any) -> None:
            seen["said"] = request.body["messages"][-1]["content"]
            await calls("ChatCompletions", "weather", json.dumps({"city": seen["said"]}))(request, reader, writer)

        fake.behaviours = [echoes]
        code, answer, _ = await served.post(
            {"messages": [{"role": "user", "content": "ann@example.com"}], "tools": [WEATHER]}
        )
        assert code == 200
        call = answer["choices"][0]["message"]["tool_calls"][0]
        assert "ann@example.com" not in seen["said"]
        assert json.loads(call["function"]["arguments"]) == {"city": "ann@example.com"}


async def test_a_call_that_takes_its_time_is_a_sign_of_life(tmp_path: Path) -> None:
    """`firstToken` ends with the first piece of a call, though none of it goes out before the last."""

    async def slow(request: Any, reader: Any, writer: Any) -> None:
        call = {"index": 0, "id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        await send_stream(writer, [chunk({"tool_calls": [call]})], end=False)
        await asyncio.sleep(4)
        for part in (chunk({}, "tool_calls"), b"data: [DONE]\n\n"):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async with provider(slow) as fake:
        made = configs.merged(document(fake, "ChatCompletions"), {"route": {"timeouts": {"firstToken": 3, "idle": 30}}})
        async with serving(tmp_path, made) as served:
            assert (await streamed(served))[-1].finish_reason == "tool_calls"


async def test_tools_count_as_input(tmp_path: Path) -> None:
    large = {**WEATHER, "function": {**WEATHER["function"], "description": "word " * 5000}}
    async with (
        provider() as fake,
        serving(tmp_path, document(fake, "ChatCompletions", size={"maxInputTokens": 200})) as served,
    ):
        code, answer, _ = await served.post({"messages": [HI], "tools": [large]})
        assert (code, answer["error"]["code"]) == (422, "input_too_long")
        assert fake.requests == []


async def test_calls_that_are_none_open_no_breaker(tmp_path: Path) -> None:
    """A caller can make a model write them; the provider is there for everybody else."""
    deep = "{" + '"a":{' * 70 + "}" * 71
    async with provider(*[calls("ChatCompletions", "weather", deep)] * 6, answers("Hi.")) as fake:
        breaking = {"circuitBreaker": {"consecutiveFailures": 5}}
        made = configs.document(configs.provider_config("first", fake.url), route=breaking)
        async with serving(tmp_path, made) as served:
            for _ in range(6):
                assert (await served.post({"messages": [HI], "tools": [WEATHER]}))[0] == 502
            assert {outcome for _, outcome, _ in await served.attempts()} == {"malformed_call"}
            assert (await served.statusz())["providers"][0]["breaker"] == "closed"
            assert (await served.post({"messages": [HI]}))[0] == 200
