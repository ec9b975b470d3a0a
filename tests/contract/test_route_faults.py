"""Faults of providers, each with everything that must follow: what the caller gets, whom was asked, what is written
down, and how the providers stand afterwards.
"""

import asyncio
import datetime as dt
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from regent_api.audit import segment
from regent_api.audit.record import Kind, decode
from tests.contract.test_providers import SHORT, stream
from tests.fakes import configs
from tests.fakes.provider import (
    Behaviour,
    Received,
    answers,
    chunk,
    completion,
    json_answer,
    provider,
    raw,
    send_stream,
    stalls,
    status,
    stream_of,
    usage_chunk,
)
from tests.fakes.resolver import ELSEWHERE, loopback
from tests.fakes.serving import Served, serving

SECRET = "cloud"
RETRY = {"retries": {"maxPerProvider": 1, "baseDelay": 0.01}}
PLAIN, STREAMED = (False,), (True,)
BOTH = (False, True)
FILTERED = {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error"}}
TOO_LONG = {"error": {"type": "exceed_context_size_error"}}
QUOTA = {"error": {"code": "insufficient_quota"}}
SOON = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True)
BUFFERED = {"guardrails": {"output": {"streaming": "Buffer"}}}


def slowly(words: int) -> Behaviour:
    """A byte of text at a time, twenty a second."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send_stream(writer, [], end=False)
        for part in [*[chunk({"content": "a"})] * words, chunk({}, "stop")]:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return behave


@dataclass(frozen=True)
class Fault:
    """Two providers and what a turn leaves. `told`: the answer's text, or `status code` of the refusal, or both."""

    first: Sequence[Behaviour]
    told: str
    attempts: Sequence[str]
    """`PROVIDER OUTCOME` each."""
    second: Sequence[Behaviour] = (answers("Second."),)
    route: Mapping[str, Any] = field(default_factory=dict)
    streams: Sequence[bool] = BOTH
    breakers: str = "closed closed"
    keys: Sequence[str] = ()
    """Of the first provider's credentials; `bad` is of a Secret that does not name the host."""
    sent: Sequence[str] = ()
    """Keys that the first provider was shown, in order; whatever their turn where empty."""
    policy: Mapping[str, Any] = field(default_factory=dict)


AFTER_ONE = ["first server_error", "second answered"]
TRIP = {"circuitBreaker": {"consecutiveFailures": 1, "openFor": 60}}

CLASSES = {
    "transient": Fault([status(500)], "Second.", AFTER_ONE),
    "transient, not declared": Fault(
        [status(500)], "502 provider_failed", ["first server_error"], route={"fallback": {"errors": ["Timeout"]}}
    ),
    "overloaded": Fault([status(529)], "Second.", ["first overloaded", "second answered"]),
    "overloaded by its word": Fault([status(500, OVERLOADED)], "Second.", ["first overloaded", "second answered"]),
    "a rate limit": Fault([status(429)], "Second.", ["first rate_limited", "second answered"]),
    "a quota": Fault([status(429, QUOTA)], "Second.", ["first quota_exhausted", "second answered"]),
    "a dead key": Fault([status(401)], "Second.", ["first unauthenticated", "second answered"]),
    "a dead key, not declared": Fault(
        [status(401)], "502 provider_failed", ["first unauthenticated"], route={"fallback": {"errors": ["Transient"]}}
    ),
    "too long": Fault([status(400, TOO_LONG)], "Second.", ["first context_window", "second answered"]),
    "too long, not declared": Fault(
        [status(400, TOO_LONG)],
        "422 context_too_long",
        ["first context_window"],
        route={"fallback": {"errors": ["Transient"]}},
    ),
    "a content filter": Fault([status(400, FILTERED)], "400 content_filter", ["first content_filter"]),
    "a content filter, declared": Fault(
        [status(400, FILTERED)],
        "Second.",
        ["first content_filter", "second answered"],
        route={"fallback": {"errors": ["ContentFilter"]}},
    ),
    "a content filter, declared, and no other": Fault(
        [status(400, FILTERED)],
        "400 content_filter",
        ["first content_filter", "second server_error"],
        second=[status(500)],
        route={"fallback": {"errors": ["ContentFilter"]}},
    ),
    "an answer cut by a filter is passed on": Fault(
        [json_answer(completion("Par", finish_reason="content_filter"))], "Par", ["first answered"], streams=PLAIN
    ),
    "an answer cut by a filter, declared": Fault(
        [json_answer(completion("Par", finish_reason="content_filter"))],
        "Second.",
        ["first content_filter", "second answered"],
        route={"fallback": {"errors": ["ContentFilter"]}},
        streams=PLAIN,
    ),
    "an answer cut by a filter, declared, and no other": Fault(
        [status(500)],
        "Par",
        ["first server_error", "second answered"],
        second=[json_answer(completion("Par", finish_reason="content_filter"))],
        route={"fallback": {"errors": ["ContentFilter", "Transient"]}},
        streams=PLAIN,
    ),
    "a stream cut by a filter at once, declared": Fault(
        [stream_of(chunk({}, "content_filter"), b"data: [DONE]\n\n")],
        "Second.",
        ["first content_filter", "second answered"],
        route={"fallback": {"errors": ["ContentFilter"]}},
        streams=STREAMED,
    ),
    "a stream cut by a filter after a word, declared": Fault(
        [stream_of(chunk({"content": "Par"}), chunk({}, "content_filter"), b"data: [DONE]\n\n")],
        "Par",
        ["first answered"],
        route={"fallback": {"errors": ["ContentFilter"]}},
        streams=STREAMED,
    ),
    "an invalid request": Fault([status(400)], "502 provider_rejected", ["first rejected"]),
    "an invalid request, declared": Fault(
        [status(400)], "Second.", ["first rejected", "second answered"], route={"fallback": {"errors": ["Invalid"]}}
    ),
    "one attempt": Fault(
        [status(500)], "502 provider_failed", ["first server_error"], route={"fallback": {"maxAttempts": 1}}
    ),
    "a wrong content type": Fault(
        [json_answer(completion("Hi"))], "Second.", ["first malformed", "second answered"], streams=STREAMED
    ),
    "an error with status 200": Fault(
        [json_answer({"error": {"type": "insufficient_quota"}})],
        "Second.",
        ["first quota_exhausted", "second answered"],
        streams=PLAIN,
    ),
    "an error in a stream": Fault(
        [stream_of(b'data: {"error": {"type": "overloaded_error"}}\n\n')],
        "Second.",
        ["first overloaded", "second answered"],
        streams=STREAMED,
    ),
}

RETRIES = {
    "a retry that helps": Fault(
        [status(500), answers("First.")], "First.", ["first server_error", "first answered"], route=RETRY
    ),
    "a retry that does not": Fault(
        [status(500)], "Second.", ["first server_error", "first server_error", "second answered"], route=RETRY
    ),
    "a retry that is not in the budget": Fault(
        [status(500)], "Second.", AFTER_ONE, route={"retries": {**RETRY["retries"], "budgetPercent": 0}}
    ),
    "a retry that is one attempt too many": Fault(
        [status(500)],
        "502 provider_failed",
        ["first server_error", "first server_error"],
        route={**RETRY, "fallback": {"maxAttempts": 2}},
    ),
    "an invalid request is not retried": Fault([status(400)], "502 provider_rejected", ["first rejected"], route=RETRY),
    "a cut reply is retried": Fault(
        [raw(b"HTTP/1.1 200 OK\r\nContent-"), answers("First.")],
        "First.",
        ["first disconnected", "first answered"],
        route=RETRY,
    ),
    "Retry-After in seconds, short": Fault(
        [status(429, Retry_After="0.05"), answers("First.")],
        "First.",
        ["first rate_limited", "first answered"],
        route=RETRY,
    ),
    "Retry-After in milliseconds, short": Fault(
        [status(429, Retry_After_Ms="50", Retry_After="100"), answers("First.")],
        "First.",
        ["first rate_limited", "first answered"],
        route=RETRY,
    ),
    "Retry-After in seconds, too long": Fault(
        [status(429, Retry_After="31")], "Second.", ["first rate_limited", "second answered"], route=RETRY
    ),
    "Retry-After as a date, too long": Fault(
        [status(429, Retry_After=SOON)], "Second.", ["first rate_limited", "second answered"], route=RETRY
    ),
    "Retry-After beyond the deadline": Fault(
        [status(429, Retry_After="5")],
        "Second.",
        ["first rate_limited", "second answered"],
        route={**RETRY, "timeouts": {"total": 4}},
    ),
    "Retry-After of an overloaded provider, too long": Fault(
        [status(529, Retry_After="31")], "Second.", ["first overloaded", "second answered"], route=RETRY
    ),
    "a reset time in the place of Retry-After": Fault(
        [status(429, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s")],
        "Second.",
        ["first rate_limited", "second answered"],
        route=RETRY,
    ),
    "all ask for too long": Fault(
        [status(429, Retry_After="31")],
        "429 provider_rate_limited",
        ["first rate_limited", "second rate_limited"],
        second=[status(429, Retry_After="40")],
        route=RETRY,
    ),
}

KEYS = {
    "a dead key, and one that lives": Fault(
        [status(401), answers("First.")],
        "First.",
        ["first unauthenticated", "first answered"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "both keys dead": Fault(
        [status(401)],
        "Second.",
        ["first unauthenticated", "first unauthenticated", "second answered"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "a key at its limit, and one that is not": Fault(
        [status(429, Retry_After="31"), answers("First.")],
        "First.",
        ["first rate_limited", "first answered"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "a key without quota, and one with": Fault(
        [status(429, QUOTA), answers("First.")],
        "First.",
        ["first quota_exhausted", "first answered"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "a key whose Secret does not name the host": Fault(
        [answers("First.")],
        "First.",
        ["first credential_unusable", "first answered"],
        keys=("one", "bad"),
        sent=("one",),
    ),
    "a dead key does not come back with a retry": Fault(
        [status(401), status(500), answers("First.")],
        "First.",
        ["first unauthenticated", "first server_error", "first answered"],
        route=RETRY,
        keys=("one", "two"),
        sent=("two", "one", "one"),
    ),
}

BREAKERS = {
    "a failure that trips": Fault([status(500)], "Second.", AFTER_ONE, route=TRIP, breakers="open closed"),
    "a failure that does not": Fault(
        [status(429)], "Second.", ["first rate_limited", "second answered"], route=TRIP, breakers="closed closed"
    ),
    "an opening breaker ends the retries": Fault(
        [status(500)], "Second.", AFTER_ONE, route={**RETRY, **TRIP}, breakers="open closed"
    ),
    "both trip": Fault(
        [status(500)],
        "502 provider_failed",
        ["first server_error", "second server_error"],
        second=[status(500)],
        route=TRIP,
        breakers="open open",
    ),
    "a truncated stream trips": Fault(
        [stream_of(chunk({"content": "Hi"}), b"data: [DONE]\n\n")],
        "Hi provider_failed",
        ["first incomplete"],
        route=TRIP,
        streams=STREAMED,
        breakers="open closed",
    ),
}

COMMITS = {
    "words in the guards' window are discarded": Fault(
        [stream_of(chunk({"content": "Call +44 20 7946"}), then="cut")],
        "Second.",
        ["first disconnected", "second answered"],
        streams=STREAMED,
        policy=BUFFERED,
    ),
    "words that are out are not": Fault(
        [stream_of(chunk({"content": "Hi there, "}), then="cut")],
        "Hi there,  provider_failed",
        ["first disconnected"],
        streams=STREAMED,
    ),
    "truncation in the guards' window": Fault(
        [stream_of(chunk({"content": "Half an ans"}), b"data: [DONE]\n\n")],
        "Second.",
        ["first incomplete", "second answered"],
        streams=STREAMED,
        policy=BUFFERED,
    ),
    "a role alone is no commitment": Fault(
        [stream_of(chunk({"role": "assistant", "content": ""}), then="cut")],
        "Second.",
        ["first disconnected", "second answered"],
        streams=STREAMED,
    ),
    "figures alone are no commitment": Fault(
        [stream_of(usage_chunk(), then="cut")],
        "Second.",
        ["first disconnected", "second answered"],
        streams=STREAMED,
    ),
    "as many chunks without a word as are held": Fault(
        [stream_of(*[usage_chunk()] * 64, then="cut")],
        "Second.",
        ["first disconnected", "second answered"],
        streams=STREAMED,
    ),
    "one more": Fault(
        [stream_of(*[usage_chunk()] * 65, then="cut")], " provider_failed", ["first disconnected"], streams=STREAMED
    ),
    "no [DONE] after a finish reason is an end": Fault(
        [stream_of(chunk({"content": "First."}), chunk({}, "stop"))], "First.", ["first answered"], streams=STREAMED
    ),
    "a cut after a finish reason is an end": Fault(
        [stream_of(chunk({"content": "First."}), chunk({}, "stop"), then="cut")],
        "First.",
        ["first answered"],
        streams=STREAMED,
    ),
    "silence after a finish reason is an end": Fault(
        [stream_of(chunk({"content": "First."}), chunk({}, "stop"), then="stall")],
        "First.",
        ["first answered"],
        route={"timeouts": SHORT},
        streams=STREAMED,
    ),
    "an error after the first word": Fault(
        [stream_of(chunk({"content": "Hi "}), b'data: {"error": {"type": "overloaded_error"}}\n\n')],
        "Hi  provider_failed",
        ["first overloaded"],
        streams=STREAMED,
    ),
    "a slow stream in the guards' window": Fault(
        [slowly(1000)],
        "Second.",
        ["first slow_stream", "second answered"],
        route={"timeouts": {"idle": 2, "minBytesPerSecond": 1000}},
        streams=STREAMED,
        policy=BUFFERED,
    ),
    "a slow stream that nobody minds": Fault(
        [slowly(50)], "a" * 50, ["first answered"], route={"timeouts": {"idle": 2}}, streams=STREAMED
    ),
    "no headers": Fault(
        [stalls()],
        "Second.",
        ["first first_token_timeout", "second answered"],
        route={"timeouts": SHORT},
        streams=STREAMED,
    ),
}
FAULTS = CLASSES | RETRIES | KEYS | BREAKERS | COMMITS
CASES = [(name, streamed) for name, fault in FAULTS.items() for streamed in fault.streams]


@pytest.fixture(autouse=True)
def _services_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    ELSEWHERE.clear()
    monkeypatch.setattr(socket, "getaddrinfo", loopback)


def document(fault: Fault, ports: Sequence[int]) -> dict[str, Any]:
    keys = [{"name": key, "secret": "elsewhere" if key == "bad" else SECRET, "key": key} for key in fault.keys]
    providers = [
        configs.provider_config(
            name,
            f"http://{name}.demo.svc:{port}/v1",
            type="OpenAI",
            **({"credentials": keys} if keys and name == "first" else {}),
        )
        for name, port in zip(("first", "second"), ports, strict=True)
    ]
    return configs.document(*providers, route=fault.route, policy=fault.policy)


@pytest.mark.parametrize(("name", "streamed"), CASES, ids=[f"{name}-{'s' if s else 'p'}" for name, s in CASES])
async def test_a_fault_has_its_exact_outcome(tmp_path: Path, name: str, streamed: bool) -> None:
    fault = FAULTS[name]
    async with AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(provider(*each)) for each in (fault.first, fault.second)]
        made_of = document(fault, [fake.port for fake in fakes])
        served = await stack.enter_async_context(serving(tmp_path, made_of))
        served.secret(SECRET, hosts="first.demo.svc", **{key: f"sk-{key}" for key in fault.keys})
        served.secret("elsewhere", hosts="elsewhere.demo.svc", bad="sk-bad")
        assert await told(served, streamed=streamed) == fault.told
        made = [f"{provider} {outcome}" for provider, outcome, _ in await served.attempts()]
        found = await served.statusz()
    assert made == fault.attempts
    assert sum(len(fake.requests) for fake in fakes) == len([each for each in made if "credential" not in each])
    if fault.sent:
        shown = [each.headers["authorization"].removeprefix("Bearer sk-") for each in fakes[0].requests]
        assert shown == list(fault.sent)
    assert all("authorization" not in each.headers for each in fakes[1].requests)
    assert " ".join(each["breaker"] for each in found["providers"]) == fault.breakers
    records = [decode(payload) for _, payload in segment.payloads(tmp_path / "audit")]
    turn = [each for each in records if each.turn]
    assert [each.kind for each in turn] == [Kind.INTENT, *[Kind.ATTEMPT] * len(made), Kind.OUTCOME]
    assert [f"{each.provider} {each.outcome}" for each in turn[-1].attempts] == made
    assert b"sk-leak" not in b"".join(path.read_bytes() for path in (tmp_path / "audit").rglob("*") if path.is_file())


async def told(served: Served, *, streamed: bool) -> str:
    """The answer's text, or the refusal as `status code`; of a stream that broke, its text and the code."""
    if not streamed:
        code, answer = await served.ask()
        return answer["choices"][0]["message"]["content"] if code == 200 else f"{code} {answer['error']['code']}"
    code, events = await stream(served)
    if code != 200:
        return f"{code} {events[0]['error']['code']}"
    said = [event for event in events if event != "[DONE]" and "choices" in event]
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in said)
    assert events[-1] == "[DONE]" or "error" in events[-1]
    return text if events[-1] == "[DONE]" else f"{text} {events[-1]['error']['code']}"


TWO_TRIPS = Fault([status(500), answers("First.")], "Second.", AFTER_ONE, route=TRIP)


async def test_a_breaker_outlives_a_reload_of_the_config_and_ends_with_its_provider(tmp_path: Path) -> None:
    async with provider(status(500), answers("First.")) as first, provider(answers("Second.")) as second:
        made_of = document(TWO_TRIPS, [first.port, second.port])
        async with serving(tmp_path, made_of) as served:
            assert await told(served, streamed=False) == "Second."
            served.volume.write(configs.merged(made_of, {"instructions": "Answer in two sentences."}))
            before = (await served.statusz())["digests"]
            await served.until(lambda found: found["digests"] != before)
            assert await told(served, streamed=False) == "Second."
            assert await breakers(served) == ["open", "closed"]
            assert await served.series("regent_breaker_state") == {
                'regent_breaker_state{provider="first"}': 2,
                'regent_breaker_state{provider="second"}': 0,
            }
            edited = document(TWO_TRIPS, [first.port, second.port])
            edited["route"]["providers"][0]["model"] = "another"
            before = (await served.statusz())["digests"]
            served.volume.write(edited)
            await served.until(lambda found: found["digests"] != before)
            assert await told(served, streamed=False) == "First."
            assert await breakers(served) == ["closed", "closed"]


async def test_a_provider_is_probed_when_its_time_has_passed(tmp_path: Path) -> None:
    trip = Fault([], "", [], route={"circuitBreaker": {"consecutiveFailures": 1, "openFor": 0.2}})
    async with (
        provider(status(500), answers("First.")) as first,
        provider(answers("Second.")) as second,
        serving(tmp_path, document(trip, [first.port, second.port])) as served,
    ):
        assert await told(served, streamed=False) == "Second."
        await served.until(lambda found: found["providers"][0]["breaker"] == "halfOpen")
        assert await told(served, streamed=False) == "First."
        assert await breakers(served) == ["closed", "closed"]


async def test_when_every_breaker_is_open_the_caller_learns_when_to_come_again(tmp_path: Path) -> None:
    async with provider(status(500)) as first, provider(status(500)) as second:
        async with serving(tmp_path, document(TWO_TRIPS, [first.port, second.port])) as served:
            assert await told(served, streamed=False) == "502 provider_failed"
            code, answer, headers = await served.post({"messages": [{"role": "user", "content": "Hi"}]})
            assert (code, answer["error"]["code"]) == (502, "provider_failed")
            assert 0 < int(headers["retry-after"]) <= 60
            assert await served.attempts() == []
        assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_who_waits_for_a_retry_and_goes_is_not_asked_for(tmp_path: Path) -> None:
    waiting = Fault([], "", [], route={"retries": {"maxPerProvider": 1}})
    async with provider(status(429, Retry_After="20")) as first, provider() as second:
        async with serving(tmp_path, document(waiting, [first.port, second.port])) as served:
            asking = asyncio.create_task(served.ask())
            await served.until(lambda found: found["providers"][0]["coolingSeconds"] > 0)
            asking.cancel()
            await asyncio.wait([asking])
            await served.until(lambda found: found["activeConversations"] == 0)
            assert await served.attempts() == [("first", "rate_limited", "429")]
        assert (len(first.requests), second.requests) == (1, [])


async def test_a_pod_shows_its_table_of_failures(tmp_path: Path) -> None:
    declared = Fault([], "", [], route={"fallback": {"errors": ["Auth"]}})
    async with serving(tmp_path, document(declared, [1, 2])) as served:
        rows = {row["failure"]: row for row in (await served.statusz())["routeErrors"]}
    assert rows["server_error"] == {
        "class": "Transient",
        "failure": "server_error",
        "retry": True,
        "fallback": False,
        "breaker": True,
    }
    assert rows["unauthenticated"]["fallback"]


async def breakers(served: Served) -> list[str]:
    return [each["breaker"] for each in (await served.statusz())["providers"]]
