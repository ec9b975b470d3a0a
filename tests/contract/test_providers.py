"""Providers that fail, lie and stall: fallback before the first chunk, a typed error after it, never a made-up end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import (
    Behaviour,
    Provider,
    answers,
    chunk,
    completion,
    json_answer,
    provider,
    raw,
    resets,
    stalls,
    status,
    stream_of,
    usage_chunk,
)
from tests.fakes.serving import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = {"firstToken": 1.5, "idle": 1.5, "attempt": 3}


@dataclass
class Pair:
    """An agent with two providers, made once; each test says how they behave."""

    served: Served
    first: Provider
    second: Provider

    def behave(self, first: Behaviour, second: Behaviour) -> None:
        self.served.forget_standings()
        for fake, behaviour in ((self.first, first), (self.second, second)):
            fake.behaviours = [behaviour]
            fake.requests.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with (
        provider() as first,
        provider() as second,
        serving(tmp_path_factory.mktemp("pair"), two(first, second)) as served,
    ):
        yield Pair(served, first, second)


BAD = {
    "500": (status(500), "server_error"),
    "503": (status(503), "server_error"),
    "429": (status(429), "rate_limited"),
    "429 without quota": (status(429, {"error": {"code": "insufficient_quota"}}), "quota_exhausted"),
    "401": (status(401), "unauthenticated"),
    "404": (status(404), "not_found"),
    "a redirect": (status(307, Location="http://127.0.0.1:1/v1/chat/completions"), "redirected"),
    "too long for its context": (status(400, {"error": {"code": "context_length_exceeded"}}), "context_window"),
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
    "an error with status 200": (json_answer({"error": {"message": "x"}, "choices": []}), "server_error"),
    "an endless answer": (json_answer(completion("x" * 3_000_000)), "too_large"),
}

BAD_STREAMS = {
    "500": (status(500), "server_error"),
    "JSON instead": (json_answer(completion("Hi")), "malformed"),
    "an end at once": (stream_of(b"data: [DONE]\n\n"), "incomplete"),
    "nothing at all": (stream_of(), "incomplete"),
    "not JSON": (stream_of(b"data: oops\n\n"), "malformed"),
    "an error event": (stream_of(b'data: {"error": {"message": "x"}}\n\n'), "server_error"),
    "an endless event": (stream_of(b"data: " + b"x" * 1_200_000), "malformed"),
    "a cut before the first token": (stream_of(chunk({"role": "assistant"}), then="cut"), "disconnected"),
}


def two(first: Provider, second: Provider, **more: Any) -> dict[str, Any]:
    return configs.document(
        configs.provider_config("first", first.url), configs.provider_config("second", second.url), **more
    )


@pytest.mark.parametrize("name", BAD)
async def test_a_plain_turn_falls_back_to_the_second_provider(pair: Pair, name: str) -> None:
    behaviour, word = BAD[name]
    pair.behave(behaviour, answers("From the second."))
    code, answer = await pair.served.ask(max_tokens=10)
    assert (code, answer["choices"][0]["message"]["content"]) == (200, "From the second.")
    assert answer["model"] == "second-model"
    outcomes = [(name, outcome) for name, outcome, _ in await pair.served.attempts()]
    kept_and_closed = [("first", "unanswered")] if name == "a closed connection" and len(outcomes) == 3 else []
    assert outcomes == [*kept_and_closed, ("first", word), ("second", "answered")]
    assert len(pair.first.requests) == len(outcomes) - 1


HALVES = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
}


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("ends", [raw, resets], ids=["closed", "reset"])
@pytest.mark.parametrize("half", HALVES)
async def test_a_request_is_sent_again_only_when_a_kept_connection_ended_without_a_byte(
    tmp_path: Path, half: str, ends: Callable[[bytes], Behaviour], kept: bool
) -> None:
    behaviours = [*([answers("Hi.")] if kept else []), ends(HALVES[half]), answers("Again.")]
    async with (
        provider(*behaviours) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        if kept:
            assert (await served.ask())[0] == 200
        again = kept and half == "nothing"
        assert (await served.ask())[0] == (200 if again else 502)
        words = [outcome for _, outcome, _ in await served.attempts()]
        assert words == (["unanswered", "answered"] if again else ["disconnected"])
        assert len(fake.requests) == kept + len(words)


@pytest.mark.parametrize("name", BAD_STREAMS)
async def test_a_stream_falls_back_before_its_first_chunk(pair: Pair, name: str) -> None:
    behaviour, word = BAD_STREAMS[name]
    pair.behave(behaviour, answers("Hi."))
    code, events = await stream(pair.served)
    assert code == 200
    assert [event["choices"][0]["delta"].get("content") for event in events[:-1]] == ["Hi.", None]
    assert events[-1] == "[DONE]"
    outcomes = [(name, outcome) for name, outcome, _ in await pair.served.attempts()]
    assert outcomes[-2:] == [("first", word), ("second", "answered")]


ROLE = {"role": "assistant", "content": ""}
FIGURES = {"usage": {"prompt_tokens": 11, "completion_tokens": 0, "total_tokens": 11}}
SILENCES = {
    "no answer": (stalls(), 504, "first_token_timeout"),
    "no first token": (stream_of(chunk(ROLE), then="stall"), 504, "first_token_timeout"),
    "a role with figures": (stream_of(chunk(ROLE, **FIGURES), then="stall"), 504, "first_token_timeout"),
    "only comments": (stream_of(b": wait\n\n", then="stall"), 504, "first_token_timeout"),
    "silence after the first token": (stream_of(chunk({"content": "Hi"}), then="stall"), 200, "idle_timeout"),
    "comments after it": (stream_of(chunk({"content": "Hi"}), b": wait\n\n", then="stall"), 200, "idle_timeout"),
    "silence after a thought": (stream_of(chunk({"reasoning_content": "Hm"}), then="stall"), 504, "idle_timeout"),
}


@pytest.mark.parametrize("name", SILENCES)
async def test_a_silent_stream_is_left(tmp_path: Path, name: str) -> None:
    behaviour, code, word = SILENCES[name]
    async with (
        provider(behaviour) as fake,
        serving(
            tmp_path, configs.document(configs.provider_config("local", fake.url), route={"timeouts": SHORT})
        ) as served,
    ):
        status_code, found = await stream(served)
        assert status_code == code
        assert found[-1]["error"]["code"] == "provider_timeout"
        assert await served.attempts() == [("local", word, "")]


async def test_a_plain_answer_is_waited_for_as_long_as_an_attempt_may_take(tmp_path: Path) -> None:
    async with (
        provider(stalls()) as fake,
        serving(
            tmp_path, configs.document(configs.provider_config("local", fake.url), route={"timeouts": SHORT})
        ) as served,
    ):
        assert (await served.ask())[0] == 504
        assert await served.attempts() == [("local", "attempt_timeout", "")]


CUTS = {
    "a cut": (stream_of(chunk({"content": "Hi"}), then="cut"), "provider_failed"),
    "an end without a finish reason": (stream_of(chunk({"content": "Hi"}), b"data: [DONE]\n\n"), "provider_failed"),
    "nonsense": (stream_of(chunk({"content": "Hi"}), b"data: {\n\n"), "provider_failed"),
    "an endless answer": (stream_of(*[chunk({"content": "x" * 100_000})] * 30), "provider_failed"),
}


@pytest.mark.parametrize("name", CUTS)
async def test_after_the_first_chunk_a_failure_is_the_callers_to_see(pair: Pair, name: str) -> None:
    behaviour, code = CUTS[name]
    pair.behave(behaviour, answers("Never."))
    status_code, events = await stream(pair.served, max_tokens=10)
    assert status_code == 200
    assert events[0]["choices"][0]["delta"]["content"]
    assert events[-1]["error"]["code"] == code
    assert "[DONE]" not in events
    assert pair.second.requests == []


async def test_a_request_that_the_provider_finds_invalid_is_not_sent_to_the_next(pair: Pair) -> None:
    pair.behave(status(400), answers("Never."))
    code, answer = await pair.served.ask()
    assert (code, answer["error"]["code"]) == (502, "provider_rejected")
    assert pair.second.requests == []


async def test_a_provider_that_is_not_there(tmp_path: Path) -> None:
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
        ((status(400, {"error": {"code": "context_length_exceeded"}}),) * 2, 422, "context_too_long"),
    ],
)
async def test_when_all_fail_the_caller_learns_their_common_class(
    pair: Pair, behaviours: tuple[Behaviour, Behaviour], code: int, word: str
) -> None:
    pair.behave(*behaviours)
    found, answer, headers = await pair.served.post({"messages": [{"role": "user", "content": "Hi"}]})
    assert (found, answer["error"]["code"]) == (code, word)
    assert "sk-leak" not in json.dumps(answer)
    assert headers.get("retry-after") == ("3" if code == 429 else None)


@enforces("size.turnTimeout")
async def test_the_whole_turn_has_a_limit(tmp_path: Path) -> None:
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
async def test_when_the_caller_goes_the_provider_is_hung_up_on(tmp_path: Path, streamed: bool) -> None:
    behaviour = stream_of(chunk({"content": "Hi"}), then="stall") if streamed else stalls()
    async with (
        provider(behaviour) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        asking = asyncio.create_task(served.ask(stream=streamed))
        await served.until(lambda found: found["turns"] == 1)
        await asyncio.wait_for(fake.reached.wait(), 60)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(fake.closed_by_client.wait(), 60)
        await served.until(lambda found: found["turns"] == 0)


async def test_only_known_fields_of_an_answer_come_back(pair: Pair) -> None:
    pair.behave(json_answer(completion("Hi", service_tier="scale", secret="x")), stalls())
    _, answer = await pair.served.ask()
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage"}
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


async def test_events_split_at_any_byte_are_read(pair: Pair) -> None:
    whole = chunk({"content": "Grüße 🌍"}) + b": comment\r\n\r\n" + chunk({"content": "!"}, "stop")
    whole += usage_chunk() + b"data: [DONE]\n\n"
    pair.behave(stream_of(*(whole[at : at + 1] for at in range(len(whole)))), stalls())
    _, events = await stream(pair.served)
    assert [event["choices"][0]["delta"]["content"] for event in events[:-1]] == ["Grüße 🌍", "!"]


async def test_an_answer_may_be_as_long_as_its_cap(pair: Pair) -> None:
    long = "word " * 4000
    pair.behave(json_answer(completion(long)), stalls())
    _, answer = await pair.served.ask()
    assert answer["choices"][0]["message"]["content"] == long


async def stream(served: Served, **more: Any) -> tuple[int, list[Any]]:
    """Status, and the data of each event, parsed."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, **more}
    headers = {"Authorization": f"Bearer {configs.token()}"}
    async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        text = (await response.read()).decode()
    data = [each.removeprefix("data: ") for each in text.split("\n\n") if each]
    return response.status, [each if each == "[DONE]" else json.loads(each) for each in data]
