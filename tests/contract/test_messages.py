"""The wire format Messages: against a server that answers in the types of Anthropic's package."""

import json
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.contract.streams import open_stream
from tests.fakes import configs
from tests.fakes.messages import begun, claude, ended, error, message, speaks
from tests.fakes.provider import answers, json_answer, provider, raw, status, stream_of
from tests.fakes.resolver import loopback
from tests.fakes.serving import serving

ASKED = {"messages": [{"role": "user", "content": "Hi"}]}


async def test_a_plain_turn(tmp_path: Path) -> None:
    async with (
        provider(speaks("Hel", "lo.")) as fake,
        serving(tmp_path, configs.document(claude(fake.url))) as served,
        served.sdk() as client,
    ):
        answer = await client.chat.completions.create(model="any", **ASKED)
        assert answer.choices[0].message.content == "Hello."
        assert (answer.choices[0].finish_reason, answer.model) == ("stop", "claude-model")
        assert answer.usage is not None
        assert answer.usage.model_dump(exclude_none=True) == {
            "prompt_tokens": 11,
            "completion_tokens": 3,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        assert (fake.requests[0].method, fake.requests[0].path) == ("POST", "/v1/messages")
        assert fake.requests[0].headers["anthropic-version"] == "2023-06-01"


async def test_a_streamed_turn(tmp_path: Path) -> None:
    async with (
        provider(speaks("Hel", "lo.", stop_reason="max_tokens")) as fake,
        serving(tmp_path, configs.document(claude(fake.url))) as served,
        served.sdk() as client,
    ):
        stream = await client.chat.completions.create(
            model="any", stream=True, stream_options={"include_usage": True}, **ASKED
        )
        said = [chunk async for chunk in stream]
        assert "".join(each.choices[0].delta.content for each in said[:-2]) == "Hello."
        assert said[-2].choices[0].finish_reason == "length"
        assert said[-1].usage is not None
        assert (said[-1].usage.prompt_tokens, said[-1].usage.total_tokens) == (11, 14)
        assert "hidden" not in "".join(each.model_dump_json() for each in said)


async def test_anthropics_own_client_sends_the_same(tmp_path: Path) -> None:
    """But for temperature and top_p: the client speaks a later version of the API, which has neither."""
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    asked = {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Go on."},
            {"role": "user", "content": "Please."},
        ],
        "temperature": 0.5,
        "top_p": 0.5,
        "stop": "END",
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "any", "schema": schema}},
    }
    async with provider(speaks("{}")) as fake:
        document = configs.document(claude(fake.url), policy={"callers": {"mayInstruct": "Allow"}})
        async with serving(tmp_path, document) as served:
            assert (await served.post(asked))[0] == 200
        ours = fake.requests[0].body
        sampling = {name: ours.pop(name) for name in ("temperature", "top_p")}
        async with anthropic.AsyncAnthropic(base_url=fake.url.removesuffix("/v1"), api_key="sk-1") as client:
            await client.messages.create(**ours)
        theirs = fake.requests[1]
        assert sampling == {"temperature": 0.5, "top_p": 0.5}
        assert (fake.requests[0].path, ours) == (theirs.path, theirs.body)


async def test_the_key_goes_in_anthropics_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider(speaks("Hello.")) as fake:
        monkeypatch.setattr("socket.getaddrinfo", loopback)
        key = {"name": "main", "secret": "cloud-key", "key": "api-key"}
        cloud = claude(f"http://cloud.demo.svc:{fake.port}/v1", type="Anthropic", credentials=[key])
        async with serving(tmp_path, configs.document(cloud)) as served:
            served.secret("cloud-key", **{"api-key": "sk-1", "hosts": "cloud.demo.svc"})
            assert (await served.ask())[0] == 200
            assert fake.requests[0].headers["x-api-key"] == "sk-1"
            assert "authorization" not in fake.requests[0].headers


FAILURES = {
    "529": (status(529, error("overloaded_error")), "overloaded"),
    "500": (status(500, error("api_error")), "server_error"),
    "429": (status(429, error("rate_limit_error")), "rate_limited"),
    "401": (status(401, error("authentication_error")), "unauthenticated"),
    "402": (status(402, error("billing_error")), "quota_exhausted"),
    "404": (status(404, error("not_found_error")), "not_found"),
    "too long for its context": (
        status(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9"}}),
        "context_window",
    ),
    "an error in place of an answer": (json_answer(error("rate_limit_error")), "rate_limited"),
    "a turn that it wants to go on with": (speaks("Half", stop_reason="pause_turn"), "incomplete"),
    "a tool that nobody offered": (speaks("I call.", stop_reason="tool_use"), "malformed"),
    "another format": (answers("Hello."), "malformed"),
    "nothing": (raw(b""), "disconnected"),
}


@pytest.mark.parametrize("what", FAILURES)
async def test_another_provider_answers_when_it_fails(tmp_path: Path, what: str) -> None:
    behaviour, word = FAILURES[what]
    async with (
        provider(behaviour) as first,
        provider(answers("From the second.")) as second,
        serving(tmp_path, configs.document(claude(first.url), configs.provider_config("other", second.url))) as served,
    ):
        code, answer = await served.ask()
        assert (code, answer["choices"][0]["message"]["content"]) == (200, "From the second.")
        assert [(name, outcome) for name, outcome, _ in await served.attempts()] == [
            ("claude", word),
            ("other", "answered"),
        ]


async def test_a_stream_that_fails_before_its_first_word_is_anothers(tmp_path: Path) -> None:
    failing = stream_of(*begun(), f"event: error\ndata: {json.dumps(error('overloaded_error'))}\n\n".encode())
    async with (
        provider(failing) as first,
        provider(speaks("From the second.")) as second,
        serving(tmp_path, configs.document(claude(first.url), claude(second.url, "other"))) as served,
        open_stream(served) as stream,
    ):
        assert await stream.rest() == ["From the second.", None, "[DONE]"]


@pytest.mark.parametrize(
    ("rest", "then", "code"),
    [
        ([f"event: error\ndata: {json.dumps(error('overloaded_error'))}\n\n".encode()], "close", "provider_failed"),
        (
            [f"event: error\ndata: {json.dumps(error('rate_limit_error'))}\n\n".encode()],
            "close",
            "provider_rate_limited",
        ),
        ([], "close", "provider_failed"),
        ([], "cut", "provider_failed"),
        (list(ended("pause_turn")), "close", "provider_failed"),
    ],
)
async def test_an_error_after_the_first_word_is_told_and_no_end_is_made_up(
    tmp_path: Path, rest: list[bytes], then: str, code: str
) -> None:
    async with (
        provider(stream_of(*begun("Hel"), *rest, then=then)) as fake,
        provider() as other,
        serving(tmp_path, configs.document(claude(fake.url), configs.provider_config("other", other.url))) as served,
        open_stream(served) as stream,
    ):
        assert await stream.content() == "Hel"
        broken: Any = await stream.event()
        assert broken["error"]["code"] == code
        assert "sk-leak" not in json.dumps(broken)
        assert await stream.event() is None
        assert other.requests == []


async def test_the_end_of_the_stream_may_be_missing_after_a_stop_reason(tmp_path: Path) -> None:
    async with (
        provider(stream_of(*begun("Hel"), *list(ended())[:-1])) as fake,
        serving(tmp_path, configs.document(claude(fake.url))) as served,
        open_stream(served) as stream,
    ):
        assert await stream.rest() == ["Hel", None, "[DONE]"]


async def test_a_refusal_of_the_provider_is_passed_on_and_not_routed_around(tmp_path: Path) -> None:
    async with (
        provider(json_answer(message(stop_reason="refusal").model_dump(mode="json"))) as fake,
        provider() as other,
        serving(tmp_path, configs.document(claude(fake.url), configs.provider_config("other", other.url))) as served,
    ):
        _, answer = await served.ask()
        choice = answer["choices"][0]
        assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", "")
        assert other.requests == []


async def test_what_it_cannot_be_asked_for_goes_to_one_who_can(tmp_path: Path) -> None:
    async with (
        provider(speaks("Hello.")) as fake,
        provider(answers("With a seed.")) as other,
        serving(tmp_path, configs.document(claude(fake.url), configs.provider_config("other", other.url))) as served,
    ):
        assert (await served.post({**ASKED, "seed": 7}))[0] == 200
        assert (fake.requests, other.requests[0].body["seed"]) == ([], 7)


async def test_what_nobody_can_be_asked_for_is_refused_by_name(tmp_path: Path) -> None:
    async with (
        provider(speaks("Hello.")) as fake,
        serving(tmp_path, configs.document(claude(fake.url))) as served,
    ):
        code, answer, _ = await served.post({**ASKED, "seed": 7})
        assert (code, answer["error"]["code"], answer["error"]["param"]) == (400, "unsupported_field", "seed")
        assert fake.requests == []
