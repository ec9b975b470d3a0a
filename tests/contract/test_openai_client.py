"""The official OpenAI client against the runtime, plain and streamed."""

from pathlib import Path

import openai
import pytest

from tests.fakes import configs, messages, responses
from tests.fakes.provider import answers, chunk, provider, status, stream_of
from tests.fakes.serving import serving

MESSAGES = [{"role": "user", "content": "Greet me."}]


async def test_a_plain_answer(tmp_path: Path) -> None:
    async with (
        provider(answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk() as client,
    ):
        answer = await client.chat.completions.with_raw_response.create(model="any", messages=MESSAGES)
        turn = answer.headers["x-regent-turn"]
        assert answer.parse().model_dump(exclude_none=True) == {
            "id": f"chatcmpl-{turn}",
            "object": "chat.completion",
            "created": answer.parse().created,
            "model": "local-model",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
            "usage": {
                "prompt_tokens": 11,
                "completion_tokens": 3,
                "total_tokens": 14,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }


async def test_a_streamed_answer(tmp_path: Path) -> None:
    async with (
        provider(answers("Hel", "lo.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk() as client,
    ):
        stream = await client.chat.completions.create(
            model="any", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        *said, end, figures = chunks
        assert "".join(each.choices[0].delta.content for each in said) == "Hello."
        assert (end.choices[0].delta.content, end.choices[0].finish_reason) == (None, "stop")
        assert {each.choices[0].finish_reason for each in said} == {None}
        assert chunks[0].choices[0].delta.role == "assistant"
        assert figures.choices == []
        assert figures.usage.total_tokens == 14


SPOKEN = {
    "ChatCompletions": answers("Hel", "lo."),
    "Responses": responses.answers_with(responses.response(responses.said("Hello."))),
    "Messages": messages.speaks("Hel", "lo."),
}


@pytest.mark.parametrize("api", SPOKEN)
async def test_the_client_sees_one_format_whatever_the_provider_speaks(tmp_path: Path, api: str) -> None:
    async with (
        provider(SPOKEN[api]) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url, api=api))) as served,
        served.sdk() as client,
    ):
        answer = await client.chat.completions.create(model="any", messages=MESSAGES)
        assert (answer.model, answer.object) == ("local-model", "chat.completion")
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hello.", "stop")
        assert answer.usage.prompt_tokens + answer.usage.completion_tokens == answer.usage.total_tokens > 0
        stream = await client.chat.completions.create(
            model="any", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = [each async for each in stream]
        assert "".join(each.choices[0].delta.content or "" for each in chunks) == "Hello."
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert last.usage == answer.usage


async def test_a_stream_without_usage_asked_for_bears_none(tmp_path: Path) -> None:
    async with (
        provider(answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk() as client,
    ):
        stream = await client.chat.completions.create(model="any", messages=MESSAGES, stream=True)
        assert [each.usage async for each in stream] == [None, None]


async def test_the_answer_can_go_back_into_the_history(tmp_path: Path) -> None:
    async with (
        provider(answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk() as client,
    ):
        first = await client.chat.completions.create(model="any", messages=MESSAGES)
        again = [*MESSAGES, first.choices[0].message, {"role": "user", "content": "Again."}]
        await client.chat.completions.create(model="any", messages=again)
        assert fake.requests[-1].body["messages"] == [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Greet me."},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Again."},
        ]


async def test_refusals_become_the_clients_own_exceptions(tmp_path: Path) -> None:
    async with (
        provider() as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk() as client,
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="any", messages=MESSAGES, n=2)
        assert refused.value.code == "unsupported_field"
        assert refused.value.param == "n"
        async with served.sdk("not.a.token") as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stranger.chat.completions.create(model="any", messages=MESSAGES)
        assert fake.requests == []


async def test_a_stream_that_breaks_off_is_an_error_to_the_client(tmp_path: Path) -> None:
    async with (
        provider(stream_of(chunk({"content": "Hel"}), then="cut")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk() as client,
    ):
        stream = await client.chat.completions.create(model="any", messages=MESSAGES, stream=True)
        assert (await anext(stream)).choices[0].delta.content == "Hel"
        with pytest.raises(openai.APIError) as broken:
            await anext(stream)
        assert broken.value.code == "provider_failed"


async def test_the_client_retries_what_may_be_retried(tmp_path: Path) -> None:
    async with (
        provider(status(503), answers("Hello.")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
        served.sdk(max_retries=2) as client,
    ):
        answer = await client.chat.completions.create(model="any", messages=MESSAGES)
        assert answer.choices[0].message.content == "Hello."
        assert len(fake.requests) == 2
