"""The official Anthropic client against the runtime, plain and streamed, whatever format the provider speaks."""

import json
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from tests.fakes import configs, messages, responses
from tests.fakes.calling import calls
from tests.fakes.pictures import data_url, png
from tests.fakes.provider import answers, chunk, completion, json_answer, provider, status, stream_of
from tests.fakes.serving import serving

MESSAGES: list[Any] = [{"role": "user", "content": "Greet me."}]
ASKED: dict[str, Any] = {"model": "any", "max_tokens": 100, "messages": MESSAGES}
SPOKEN = {
    "ChatCompletions": answers("Hel", "lo."),
    "Responses": responses.answers_with(responses.response(responses.said("Hello."))),
    "Messages": messages.speaks("Hel", "lo."),
}
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ROME = '{"city": "Rome", "days": [1, 2]}'


MISSING = {"type": "not_found_error", "message": "There is nothing at this path.", "code": "not_found", "param": None}


async def final(client: anthropic.AsyncAnthropic, **asked: Any) -> Message:
    """The message that a stream adds up to."""
    async with client.messages.stream(**asked) as stream:
        return await stream.get_final_message()


async def test_a_plain_answer(tmp_path: Path) -> None:
    async with (
        provider(answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        answer = await client.messages.with_raw_response.create(**ASKED)
        turn = answer.headers["x-regent-turn"]
        assert json.loads(await answer.text()) == {
            "id": f"msg_{turn}",
            "type": "message",
            "role": "assistant",
            "model": "local-model",
            "content": [{"type": "text", "text": "Hello."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 11,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 3,
            },
        }
        assert fake.requests[0].body["messages"][-1] == MESSAGES[0]


@pytest.mark.parametrize("api", SPOKEN)
async def test_the_client_sees_one_format_whatever_the_provider_speaks(tmp_path: Path, api: str) -> None:
    async with (
        provider(SPOKEN[api]) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url, api=api))) as served,
        served.anthropic() as client,
    ):
        plain = await client.messages.create(**ASKED)
        streamed = await final(client, **ASKED)
        assert [block.model_dump(exclude_none=True) for block in plain.content] == [{"type": "text", "text": "Hello."}]
        assert (plain.model, plain.role, plain.stop_reason, plain.stop_sequence) == (
            "local-model",
            "assistant",
            "end_turn",
            None,
        )
        assert plain.usage.input_tokens > 0
        assert plain.usage.output_tokens > 0
        assert (streamed.content[0].text, streamed.stop_reason, streamed.usage) == (
            plain.content[0].text,
            plain.stop_reason,
            plain.usage,
        )


async def test_what_the_cache_of_the_provider_held_is_told_apart(tmp_path: Path) -> None:
    async with (
        provider(messages.speaks("Hello.")) as fake,
        serving(tmp_path, configs.document(messages.claude(fake.url))) as served,
        served.anthropic() as client,
    ):
        usage = (await client.messages.create(**ASKED)).usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (7, 3, 1)
        assert (await final(client, **ASKED)).usage == usage


async def test_the_events_of_a_stream(tmp_path: Path) -> None:
    async with (
        provider(answers("Hel", "lo.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        stream = await client.messages.create(**ASKED, stream=True)
        events: list[Any] = [each async for each in stream]
        assert list(dict.fromkeys(each.type for each in events)) == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert "".join(each.delta.text for each in events if each.type == "content_block_delta") == "Hello."
        assert (events[0].message.content, events[0].message.stop_reason) == ([], None)
        assert (events[-2].delta.stop_reason, events[-2].usage.input_tokens) == ("end_turn", 11)


async def test_a_count_that_no_provider_told_is_null(tmp_path: Path) -> None:
    uncounted = completion("Hello.")
    del uncounted["usage"]
    async with (
        provider(json_answer(uncounted), stream_of(chunk({"content": "Hi"}), chunk({}, "stop"))) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        for usage in ((await client.messages.create(**ASKED)).usage, (await final(client, **ASKED)).usage):
            assert usage.output_tokens is None


async def test_an_answer_that_was_cut_says_so(tmp_path: Path) -> None:
    async with (
        provider(json_answer(completion("Hel", finish_reason="length"))) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        assert (await client.messages.create(**ASKED)).stop_reason == "max_tokens"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["ChatCompletions", "Responses", "Messages"])
async def test_a_call_reaches_the_caller_and_its_result_the_model(tmp_path: Path, api: str, stream: bool) -> None:
    async with (
        provider(calls(api, "weather", ROME, "Let me look.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url, api=api))) as served,
        served.anthropic() as client,
    ):
        asked = {**ASKED, "tools": [WEATHER], "tool_choice": {"type": "any"}}
        answer = await final(client, **asked) if stream else await client.messages.create(**asked)
        text, call = answer.content
        assert (answer.stop_reason, text.text, call.type, call.name) == (
            "tool_use",
            "Let me look.",
            "tool_use",
            "weather",
        )
        assert call.input == json.loads(ROME)
        assert call.id.startswith("toolu_")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "Sun."}]}
        past = [
            *MESSAGES,
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
        ]
        await client.messages.create(**{**ASKED, "messages": past, "tools": [WEATHER]})
        again = json.dumps(fake.requests[-1].body)
        assert all(words in again for words in ("Let me look.", "Sun.", "And?"))
        assert call.id not in again
        assert again.count("call_0") == 2


async def test_a_result_that_is_an_error_says_so_to_the_model(tmp_path: Path) -> None:
    async with (
        provider(answers("Sorry.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "No city.", "is_error": True}
        past = [
            *MESSAGES,
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
        await client.messages.create(**{**ASKED, "messages": past, "tools": [WEATHER]})
        assert fake.requests[0].body["messages"][-1]["content"] == "Error: No city."


async def test_an_image_reaches_the_model_byte_for_byte(tmp_path: Path) -> None:
    data = data_url(png(640, 480)).partition(",")[2]
    source = {"type": "base64", "media_type": "image/png", "data": data}
    asked: Any = {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image", "source": source}]}
    async with provider(answers("A square.")) as fake:
        eye = configs.provider_config("eye", fake.url, capabilities={"vision": True})
        document = configs.document(eye, policy={"guardrails": {"input": {"images": "Allow"}}})
        async with serving(tmp_path, document) as served, served.anthropic() as client:
            await client.messages.create(**{**ASKED, "messages": [asked]})
        part = fake.requests[0].body["messages"][-1]["content"][1]
        assert part["image_url"]["url"].endswith(data)


async def test_refusals_become_the_clients_own_exceptions(tmp_path: Path) -> None:
    async with (
        provider() as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        with pytest.raises(anthropic.BadRequestError) as refused:
            await client.messages.create(**ASKED, thinking={"type": "adaptive"})
        body: Any = refused.value.body
        assert body == {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "`thinking` is not offered here: How much is thought says output_config.effort.",
                "code": "unsupported_field",
                "param": "thinking",
            },
            "request_id": refused.value.response.headers["x-regent-turn"],
        }
        async with served.anthropic("not.a.token") as stranger:
            with pytest.raises(anthropic.AuthenticationError) as unknown:
                await stranger.messages.create(**ASKED)
        assert unknown.value.body["error"]["type"] == "authentication_error"
        with pytest.raises(anthropic.NotFoundError) as missing:
            await client.messages.create(**ASKED, extra_headers={"X-Regent-Conversation": "none-such"})
        assert missing.value.body["error"]["type"] == "not_found_error"
        assert fake.requests == []


async def test_a_limit_says_when_to_come_back(tmp_path: Path) -> None:
    limits = [{"policy": "demo/limits", "per": "Caller", "requestsPerHour": 1}]
    async with provider(answers("Hello.")) as fake:
        document = configs.document(configs.provider_config("local", fake.url), policy={"limits": limits})
        async with serving(tmp_path, document) as served, served.anthropic() as client:
            await client.messages.create(**ASKED)
            with pytest.raises(anthropic.RateLimitError) as refused:
                await client.messages.create(**ASKED)
            assert (await served.ask())[0] == 429, "both dialects count as one"
    assert 3500 < int(refused.value.response.headers["retry-after"]) <= 3600
    assert refused.value.body["error"]["type"] == "rate_limit_error"


async def test_a_stream_that_breaks_off_is_an_error_to_the_client(tmp_path: Path) -> None:
    async with (
        provider(stream_of(chunk({"content": "Hel"}), then="cut")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        seen: list[Any] = []
        with pytest.raises(anthropic.APIStatusError) as broken:
            seen += [each async for each in await client.messages.create(**ASKED, stream=True)]
        body: Any = broken.value.body
        assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", "api_error", "provider_failed")
        async with served.http.post(
            f"{served.url}/v1/messages",
            json={**ASKED, "stream": True},
            headers={"Authorization": f"Bearer {configs.token()}"},
        ) as response:
            text = await response.text()
        assert '"text":"Hel"' in text
        assert "event: error\n" in text
        assert "message_stop" not in text


async def test_the_client_retries_what_may_be_retried(tmp_path: Path) -> None:
    async with (
        provider(status(503), answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic(max_retries=2) as client,
    ):
        assert (await client.messages.create(**ASKED)).content[0].text == "Hello."
        assert len(fake.requests) == 2


async def test_headers_of_anthropics_turn_nothing_on_and_go_nowhere(tmp_path: Path) -> None:
    async with (
        provider(messages.speaks("Hello.")) as fake,
        serving(tmp_path, configs.document(messages.claude(fake.url))) as served,
        served.anthropic() as client,
    ):
        headers = {"anthropic-beta": "context-1m-2025-08-07", "anthropic-version": "2099-01-01"}
        await client.messages.create(**ASKED, extra_headers=headers)
        assert "anthropic-beta" not in fake.requests[0].headers
        assert fake.requests[0].headers["anthropic-version"] == "2023-06-01"


TYPED: dict[str, Any] = {
    **ASKED,
    "system": "Be kind.",
    "stop_sequences": ["END"],
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "tools": [WEATHER],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
}


async def test_what_is_asked_for_in_messages_reaches_a_provider_that_speaks_it(tmp_path: Path) -> None:
    async with provider(messages.speaks("{}")) as fake:
        document = configs.document(messages.claude(fake.url), policy={"callers": {"mayInstruct": "Allow"}})
        async with serving(tmp_path, document) as served, served.anthropic() as client:
            await client.messages.create(**TYPED, metadata={"user_id": "ann"}, cache_control={"type": "ephemeral"})
    sent = fake.requests[0].body
    assert {name: sent[name] for name in TYPED if name not in {"model", "messages", "system"}} == {
        name: TYPED[name] for name in TYPED if name not in {"model", "messages", "system"}
    }
    assert [block["text"] for block in sent["system"]][-1] == "Be kind."
    assert "metadata" not in sent
    assert "cache_control" not in json.dumps(sent)


async def test_what_is_not_there_is_said_in_anthropics_shape(tmp_path: Path) -> None:
    async with (
        provider(answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.anthropic() as client,
    ):
        with pytest.raises(anthropic.NotFoundError) as refused:
            await client.messages.count_tokens(model="any", messages=MESSAGES)
        assert refused.value.type == "not_found_error"
        assert refused.value.body == {"type": "error", "error": MISSING, "request_id": None}
        for path, shape in (("/v1/messages/", True), ("/v1/messages/batches/b-1", True), ("/v1/messagesx", False)):
            async with served.http.get(served.url + path) as response:
                assert ("request_id" in await response.json(), response.status) == (shape, 404)
        async with served.http.get(f"{served.url}/v1/messages") as response:
            error = (await response.json())["error"]
            assert (response.status, response.headers["allow"]) == (405, "POST")
            assert (error["type"], error["code"]) == ("invalid_request_error", "method_not_allowed")
        assert fake.requests == []
