"""Providers that fail, lie and stall: fallback before the first chunk, a typed error after it, never a made-up end."""

import asyncio
import json

import pytest

from regent_runtime.route import attempt
from tests.fakes import configs
from tests.fakes.provider import (
    answers,
    chunk,
    completion,
    json_answer,
    provider,
    raw,
    stalls,
    status,
    stream_of,
    usage_chunk,
)
from tests.fakes.serving import serving

SHORT = {"connect": 1, "firstToken": 0.4, "idle": 0.4, "attempt": 0.8, "total": 20}

BAD = {
    "500": (status(500), "server_error"),
    "503": (status(503), "server_error"),
    "429": (status(429), "rate_limited"),
    "429 without quota": (status(429, {"error": {"code": "insufficient_quota"}}), "quota_exhausted"),
    "401": (status(401), "unauthenticated"),
    "404": (status(404), "not_found"),
    "a redirect": (status(307, Location="http://127.0.0.1:1/v1/chat/completions"), "redirected"),
    "too long for its context": (status(400, {"error": {"code": "context_length_exceeded"}}), "context_window"),
    "no answer": (stalls(), "attempt_timeout"),
    "a closed connection": (raw(b""), "disconnected"),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\nContent-"), "disconnected"),
    "not HTTP": (raw(b"\x00\x01\x02\r\n\r\n"), "malformed"),
    "half a body": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"),
        "disconnected",
    ),
    "not JSON": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\noops"),
        "malformed",
    ),
    "compression": (status(200, completion("Hi"), Content_Encoding="gzip"), "malformed"),
    "no choices": (json_answer({"choices": []}), "incomplete"),
    "two choices": (json_answer({"choices": [{"index": 0}, {"index": 1}]}), "malformed"),
    "choices of another type": (json_answer({"choices": "Hi"}), "malformed"),
    "a tool call nobody asked for": (json_answer(completion("", finish_reason="tool_calls")), "malformed"),
    "no finish reason": (json_answer(completion("Hi", finish_reason=None)), "incomplete"),
    "an error with status 200": (json_answer({"error": {"message": "x"}, "choices": []}), "malformed"),
    "an endless answer": (json_answer(completion("x" * 3_000_000)), "too_large"),
}

BAD_STREAMS = {
    "500": (status(500), "server_error"),
    "JSON instead": (json_answer(completion("Hi")), "malformed"),
    "no answer": (stalls(), "first_token_timeout"),
    "no first token": (stream_of(chunk({"role": "assistant", "content": ""}), then="stall"), "first_token_timeout"),
    "only comments": (stream_of(b": wait\n\n", then="stall"), "first_token_timeout"),
    "an end at once": (stream_of(b"data: [DONE]\n\n"), "incomplete"),
    "nothing at all": (stream_of(), "incomplete"),
    "not JSON": (stream_of(b"data: oops\n\n"), "malformed"),
    "an error event": (stream_of(b'data: {"error": {"message": "x"}}\n\n'), "malformed"),
    "an endless event": (stream_of(b"data: " + b"x" * 1_200_000), "malformed"),
    "a cut before the first token": (stream_of(chunk({"role": "assistant"}), then="cut"), "disconnected"),
}


def two(first, second, **more):
    return configs.document(
        configs.provider_config("first", first.url), configs.provider_config("second", second.url), **more
    )


def attempts_of(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [
        [(each["provider"], each["outcome"]) for each in line["attempts"]] for line in lines if line["event"] == "turn"
    ]


@pytest.mark.parametrize("name", BAD)
async def test_a_plain_turn_falls_back_to_the_second_provider(tmp_path, capsys, name):
    behaviour, word = BAD[name]
    async with (
        provider(behaviour) as first,
        provider(answers("From the second.")) as second,
        serving(tmp_path, two(first, second, route={"timeouts": SHORT})) as served,
    ):
        code, answer = await served.ask(max_tokens=10)
        assert (code, answer["choices"][0]["message"]["content"]) == (200, "From the second.")
        assert answer["model"] == "second-model"
    tries = [("first", word)] * len(first.requests)
    assert attempts_of(capsys) == [[*tries, ("second", "answered")]]
    assert len(first.requests) == (2 if word == "disconnected" else 1)


@pytest.mark.parametrize("name", BAD_STREAMS)
async def test_a_stream_falls_back_before_its_first_chunk(tmp_path, capsys, name):
    behaviour, word = BAD_STREAMS[name]
    async with (
        provider(behaviour) as first,
        provider(answers("Hi.")) as second,
        serving(tmp_path, two(first, second, route={"timeouts": SHORT})) as served,
    ):
        code, events = await stream(served)
        assert code == 200
        assert [event["choices"][0]["delta"].get("content") for event in events[:-1]] == ["Hi.", None]
        assert events[-1] == "[DONE]"
    assert attempts_of(capsys)[0][-2:] == [("first", word), ("second", "answered")]


CUTS = {
    "a cut": (stream_of(chunk({"content": "Hi"}), then="cut"), "provider_failed"),
    "an end without a finish reason": (stream_of(chunk({"content": "Hi"}), b"data: [DONE]\n\n"), "provider_failed"),
    "silence": (stream_of(chunk({"content": "Hi"}), then="stall"), "provider_timeout"),
    "comments that keep it open": (
        stream_of(chunk({"content": "Hi"}), b": wait\n\n", then="stall"),
        "provider_timeout",
    ),
    "nonsense": (stream_of(chunk({"content": "Hi"}), b"data: {\n\n"), "provider_failed"),
    "an endless answer": (stream_of(*[chunk({"content": "x" * 100_000})] * 30), "provider_failed"),
}


@pytest.mark.parametrize("name", CUTS)
async def test_after_the_first_chunk_a_failure_is_the_callers_to_see(tmp_path, name):
    behaviour, code = CUTS[name]
    async with (
        provider(behaviour) as first,
        provider() as second,
        serving(tmp_path, two(first, second, route={"timeouts": SHORT})) as served,
    ):
        status_code, events = await stream(served, max_tokens=10)
        assert status_code == 200
        assert events[0]["choices"][0]["delta"]["content"]
        assert events[-1]["error"]["code"] == code
        assert "[DONE]" not in events
        assert second.requests == []


async def test_a_request_that_the_provider_finds_invalid_is_not_sent_to_the_next(tmp_path):
    async with provider(status(400)) as first, provider() as second, serving(tmp_path, two(first, second)) as served:
        code, answer = await served.ask()
        assert (code, answer["error"]["code"]) == (502, "provider_rejected")
        assert second.requests == []


async def test_a_provider_that_is_not_there(tmp_path):
    async with provider() as gone:
        url = gone.url
    async with (
        provider() as second,
        serving(
            tmp_path, configs.document(configs.provider_config("gone", url), configs.provider_config("up", second.url))
        ) as served,
    ):
        assert (await served.ask())[0] == 200


@pytest.mark.parametrize(
    ("behaviours", "code", "word"),
    [
        ((status(429, Retry_After="7"), status(429, Retry_After="3")), 429, "provider_rate_limited"),
        ((status(500), status(429)), 502, "provider_failed"),
        ((stalls(), stalls()), 504, "provider_timeout"),
        ((status(400, {"error": {"code": "context_length_exceeded"}}),) * 2, 422, "context_too_long"),
    ],
)
async def test_when_all_fail_the_caller_learns_their_common_class(tmp_path, behaviours, code, word):
    async with (
        provider(behaviours[0]) as first,
        provider(behaviours[1]) as second,
        serving(tmp_path, two(first, second, route={"timeouts": SHORT})) as served,
    ):
        found, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
        assert (found, answer["error"]["code"]) == (code, word)
        assert "sk-leak" not in json.dumps(answer)
        assert headers.get("retry-after") == ("3" if code == 429 else None)


async def test_the_whole_turn_has_a_limit(tmp_path):
    async with (
        provider(stalls()) as fake,
        serving(
            tmp_path,
            configs.document(configs.provider_config("local", fake.url), policy={"size": {"turnTimeoutSeconds": 0.5}}),
        ) as served,
    ):
        code, answer = await served.ask()
        assert (code, answer["error"]["code"]) == (504, "turn_timeout")


@pytest.mark.parametrize("streamed", [False, True])
async def test_when_the_caller_goes_the_provider_is_hung_up_on(tmp_path, streamed):
    behaviour = stream_of(chunk({"content": "Hi"}), then="stall") if streamed else stalls()
    async with (
        provider(behaviour) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        asking = asyncio.create_task(served.ask(stream=streamed))
        await served.until(lambda found: found["activeConversations"] == 1)
        async with asyncio.timeout(60):
            while not fake.requests:
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(fake.closed_by_client.wait(), 60)
        await served.until(lambda found: found["activeConversations"] == 0)


async def test_only_known_fields_of_an_answer_come_back(tmp_path):
    async with (
        provider(json_answer(completion("Hi", service_tier="scale", secret="x"))) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        _, answer = await served.ask()
        assert set(answer) == {"id", "object", "created", "model", "choices", "usage"}
        assert answer["choices"] == [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ]


async def test_events_split_at_any_byte_are_read(tmp_path):
    whole = (
        chunk({"content": "Grüße 🌍"})
        + b": comment\r\n\r\n"
        + chunk({"content": "!"}, "stop")
        + usage_chunk()
        + b"data: [DONE]\n\n"
    )
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    async with (
        provider(stream_of(*pieces)) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        _, events = await stream(served)
        assert [event["choices"][0]["delta"]["content"] for event in events[:-1]] == ["Grüße 🌍", "!"]


async def test_an_answer_may_be_as_long_as_its_cap(tmp_path):
    long = "word " * 4000
    async with (
        provider(json_answer(completion(long))) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        _, answer = await served.ask()
        assert answer["choices"][0]["message"]["content"] == long
        assert len(long) * 100 > attempt.LEAST_ANSWER_BYTES


async def stream(served, **more):
    """Status, and the data of each event, parsed."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, **more}
    headers = {"Authorization": f"Bearer {configs.token()}"}
    async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        text = (await response.read()).decode()
    data = [each.removeprefix("data: ") for each in text.split("\n\n") if each]
    return response.status, [each if each == "[DONE]" else json.loads(each) for each in data]
