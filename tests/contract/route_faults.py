"""The table of faults: how a provider misbehaves, and everything that must follow."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

from tests.fakes.provider import (
    Behaviour,
    answers,
    chunk,
    completion,
    json_answer,
    raw,
    status,
    stream_of,
    usage_chunk,
)

RETRY = {"retries": {"maxPerProvider": 1, "baseDelay": 0.01}}
PLAIN, STREAMED = (False,), (True,)
BOTH = (False, True)
FILTERED = {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error"}}
TOO_LONG = {"error": {"type": "exceed_context_size_error"}}
QUOTA = {"error": {"code": "insufficient_quota"}}
SOON = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(days=1), usegmt=True)
NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
"""By a provider's own clock, as its `Date` says."""


@dataclass(frozen=True)
class Fault:
    """Two providers and what a turn leaves. `told`: the answer's text, or `status code` of the refusal, or both."""

    first: Sequence[Behaviour]
    told: str
    attempts: Sequence[str]
    """`PROVIDER OUTCOME USD` each; `atMost`: nobody knows, and the whole reservation is spent."""
    second: Sequence[Behaviour] = (answers("Second."),)
    route: Mapping[str, Any] = field(default_factory=dict)
    streams: Sequence[bool] = BOTH
    breakers: str = "closed closed"
    keys: Sequence[str] = ()
    """Of the first provider's credentials; `bad` is of a Secret that does not name the host."""
    sent: Sequence[str] = ()
    """Keys that the first provider was shown, in order; whatever their turn where empty."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    finish: str = "stop"
    """The finish reason, where `told` is an answer."""
    retry: bool = True
    """`x-should-retry`, where `told` is a refusal."""
    retry_after: str | None = None
    """`Retry-After` of a refusal."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the caller's request besides its words."""
    way: str = ""
    """To the first provider: `refused`, `silent` (no answer to a connection), `nowhere` (no such name), or by TLS with a certificate that is `trusted`,
    `untrusted`, or of another `host`; plain HTTP where empty."""


AFTER_ONE = ["first server_error atMost", "second answered 0.000041"]
TRIP = {"circuitBreaker": {"consecutiveFailures": 1, "openFor": 60}}

CLASSES = {
    "transient": Fault([status(500)], "Second.", AFTER_ONE),
    "transient, not declared": Fault(
        [status(500)], "502 provider_failed", ["first server_error atMost"], route={"fallback": {"errors": ["Timeout"]}}
    ),
    "overloaded": Fault([status(529)], "Second.", ["first overloaded 0", "second answered 0.000041"]),
    "overloaded by its word": Fault(
        [status(500, OVERLOADED)], "Second.", ["first overloaded 0", "second answered 0.000041"]
    ),
    "a rate limit": Fault([status(429)], "Second.", ["first rate_limited 0", "second answered 0.000041"]),
    "a quota": Fault([status(429, QUOTA)], "Second.", ["first quota_exhausted 0", "second answered 0.000041"]),
    "a dead key": Fault([status(401)], "Second.", ["first unauthenticated 0", "second answered 0.000041"]),
    "a dead key, not declared": Fault(
        [status(401)], "502 provider_failed", ["first unauthenticated 0"], route={"fallback": {"errors": ["Transient"]}}
    ),
    "too long": Fault([status(400, TOO_LONG)], "Second.", ["first context_window 0", "second answered 0.000041"]),
    "too long, not declared": Fault(
        [status(400, TOO_LONG)],
        "422 context_too_long",
        ["first context_window 0"],
        retry=False,
        route={"fallback": {"errors": ["Transient"]}},
    ),
    "a content filter": Fault(
        [status(400, FILTERED)], "400 content_filter", ["first content_filter atMost"], retry=False
    ),
    "a content filter, declared": Fault(
        [status(400, FILTERED)],
        "Second.",
        ["first content_filter atMost", "second answered 0.000041"],
        route={"fallback": {"errors": ["ContentFilter"]}},
    ),
    "a content filter, declared, and no other": Fault(
        [status(400, FILTERED)],
        "400 content_filter",
        ["first content_filter atMost", "second server_error atMost"],
        second=[status(500)],
        retry=False,
        route={"fallback": {"errors": ["ContentFilter"]}},
    ),
    "an answer cut by a filter is passed on": Fault(
        [json_answer(completion("Par", finish_reason="content_filter"))],
        "Par",
        ["first answered 0.000041"],
        finish="content_filter",
        streams=PLAIN,
    ),
    "an answer cut by a filter, declared": Fault(
        [json_answer(completion("Par", finish_reason="content_filter"))],
        "Second.",
        ["first content_filter 0.000041", "second answered 0.000041"],
        route={"fallback": {"errors": ["ContentFilter"]}},
        streams=PLAIN,
    ),
    "an answer cut by a filter, declared, and no other": Fault(
        [status(500)],
        "Par",
        ["first server_error atMost", "second answered 0.000041"],
        second=[json_answer(completion("Par", finish_reason="content_filter"))],
        finish="content_filter",
        route={"fallback": {"errors": ["ContentFilter", "Transient"]}},
        streams=PLAIN,
    ),
    "a stream cut by a filter at once, declared": Fault(
        [stream_of(chunk({}, "content_filter"), b"data: [DONE]\n\n")],
        "Second.",
        ["first content_filter atMost", "second answered 0.000041"],
        route={"fallback": {"errors": ["ContentFilter"]}},
        streams=STREAMED,
    ),
    "a stream cut by a filter after a word, declared": Fault(
        [stream_of(chunk({"content": "Par"}), chunk({}, "content_filter"), b"data: [DONE]\n\n")],
        "Par",
        ["first answered atMost"],
        finish="content_filter",
        route={"fallback": {"errors": ["ContentFilter"]}},
        streams=STREAMED,
    ),
    "an invalid request": Fault([status(400)], "502 provider_rejected", ["first rejected 0"], retry=False),
    "an invalid request, declared": Fault(
        [status(400)],
        "Second.",
        ["first rejected 0", "second answered 0.000041"],
        route={"fallback": {"errors": ["Invalid"]}},
    ),
    "one attempt": Fault(
        [status(500)], "502 provider_failed", ["first server_error atMost"], route={"fallback": {"maxAttempts": 1}}
    ),
    "a wrong content type": Fault(
        [json_answer(completion("Hi"))],
        "Second.",
        ["first malformed atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "an answer that was broken off": Fault(
        [json_answer(completion("Half an ans", finish_reason="abort"))],
        "Second.",
        ["first incomplete atMost", "second answered 0.000041"],
        streams=PLAIN,
    ),
    "an answer that its model's window cut is passed on": Fault(
        [json_answer(completion("Par", finish_reason="model_length"))],
        "Par",
        ["first answered 0.000041"],
        finish="length",
        streams=PLAIN,
    ),
    "a stream that was broken off at once": Fault(
        [stream_of(chunk({}, "insufficient_system_resource"), b"data: [DONE]\n\n")],
        "Second.",
        ["first incomplete atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "an error with status 200": Fault(
        [json_answer({"error": {"type": "insufficient_quota"}})],
        "Second.",
        ["first quota_exhausted 0", "second answered 0.000041"],
        streams=PLAIN,
    ),
    "an error in a stream": Fault(
        [stream_of(b'data: {"error": {"type": "overloaded_error"}}\n\n')],
        "Second.",
        ["first overloaded 0", "second answered 0.000041"],
        streams=STREAMED,
    ),
}

RETRIES = {
    "a retry that helps": Fault(
        [status(500), answers("First.")],
        "First.",
        ["first server_error atMost", "first answered 0.000041"],
        route=RETRY,
    ),
    "a retry that does not": Fault(
        [status(500)],
        "Second.",
        ["first server_error atMost", "first server_error atMost", "second answered 0.000041"],
        route=RETRY,
    ),
    "a retry that is not in the budget": Fault(
        [status(500)], "Second.", AFTER_ONE, route={"retries": {**RETRY["retries"], "budgetPercent": 0}}
    ),
    "a retry that is one attempt too many": Fault(
        [status(500)],
        "502 provider_failed",
        ["first server_error atMost", "first server_error atMost"],
        route={**RETRY, "fallback": {"maxAttempts": 2}},
    ),
    "an invalid request is not retried": Fault(
        [status(400)], "502 provider_rejected", ["first rejected 0"], retry=False, route=RETRY
    ),
    "a cut reply is retried": Fault(
        [raw(b"HTTP/1.1 200 OK\r\nContent-"), answers("First.")],
        "First.",
        ["first disconnected atMost", "first answered 0.000041"],
        route=RETRY,
    ),
    "an error whose reply also says when limits are whole again": Fault(
        [
            status(500, X_Ratelimit_Remaining_Requests="0", X_Ratelimit_Reset_Requests="59s"),
            answers("First."),
        ],
        "First.",
        ["first server_error atMost", "first answered 0.000041"],
        route=RETRY,
    ),
    "a limit whose reply says when it is whole again": Fault(
        [status(429, X_Ratelimit_Remaining_Requests="0", X_Ratelimit_Reset_Requests="59s")],
        "Second.",
        ["first rate_limited 0", "second answered 0.000041"],
        route=RETRY,
    ),
    "Retry-After in seconds, short": Fault(
        [status(429, Retry_After="0.05"), answers("First.")],
        "First.",
        ["first rate_limited 0", "first answered 0.000041"],
        route=RETRY,
    ),
    "Retry-After in milliseconds, short": Fault(
        [status(429, Retry_After_Ms="50", Retry_After="100"), answers("First.")],
        "First.",
        ["first rate_limited 0", "first answered 0.000041"],
        route=RETRY,
    ),
    "Retry-After in seconds, too long": Fault(
        [status(429, Retry_After="31")], "Second.", ["first rate_limited 0", "second answered 0.000041"], route=RETRY
    ),
    "Retry-After as a date, too long": Fault(
        [status(429, Retry_After=SOON)], "Second.", ["first rate_limited 0", "second answered 0.000041"], route=RETRY
    ),
    "Retry-After as a date, short": Fault(
        [
            status(
                429,
                Date=format_datetime(NOW, usegmt=True),
                Retry_After=format_datetime(NOW + dt.timedelta(seconds=1), usegmt=True),
            ),
            answers("First."),
        ],
        "First.",
        ["first rate_limited 0", "first answered 0.000041"],
        route=RETRY,
    ),
    "Anthropic's reset time, short": Fault(
        [
            status(
                429,
                Date=format_datetime(NOW, usegmt=True),
                anthropic_ratelimit_requests_remaining="0",
                anthropic_ratelimit_requests_reset=(NOW + dt.timedelta(seconds=0.05)).isoformat(),
                anthropic_ratelimit_tokens_remaining="9",
                anthropic_ratelimit_tokens_reset=(NOW + dt.timedelta(hours=1)).isoformat(),
            ),
            answers("First."),
        ],
        "First.",
        ["first rate_limited 0", "first answered 0.000041"],
        route=RETRY,
    ),
    "Anthropic's reset time, too long": Fault(
        [
            status(
                429,
                Date=format_datetime(NOW, usegmt=True),
                anthropic_ratelimit_input_tokens_remaining="0",
                anthropic_ratelimit_input_tokens_reset=(NOW + dt.timedelta(hours=1)).isoformat(),
            )
        ],
        "Second.",
        ["first rate_limited 0", "second answered 0.000041"],
        route=RETRY,
    ),
    "Retry-After beyond the deadline": Fault(
        [status(429, Retry_After="5")],
        "Second.",
        ["first rate_limited 0", "second answered 0.000041"],
        route={**RETRY, "timeouts": {"total": 4}},
    ),
    "Retry-After of an overloaded provider, too long": Fault(
        [status(529, Retry_After="31")], "Second.", ["first overloaded 0", "second answered 0.000041"], route=RETRY
    ),
    "a reset time in the place of Retry-After": Fault(
        [status(429, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s")],
        "Second.",
        ["first rate_limited 0", "second answered 0.000041"],
        route=RETRY,
    ),
    "all ask for too long": Fault(
        [status(429, Retry_After="31")],
        "429 provider_rate_limited",
        ["first rate_limited 0", "second rate_limited 0"],
        second=[status(429, Retry_After="40")],
        retry_after="31",
        route=RETRY,
    ),
}

KEYS = {
    "a dead key, and one that lives": Fault(
        [status(401), answers("First.")],
        "First.",
        ["first unauthenticated 0", "first answered 0.000041"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "both keys dead": Fault(
        [status(401)],
        "Second.",
        ["first unauthenticated 0", "first unauthenticated 0", "second answered 0.000041"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "a key at its limit, and one that is not": Fault(
        [status(429, Retry_After="31"), answers("First.")],
        "First.",
        ["first rate_limited 0", "first answered 0.000041"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "a key without quota, and one with": Fault(
        [status(429, QUOTA), answers("First.")],
        "First.",
        ["first quota_exhausted 0", "first answered 0.000041"],
        keys=("one", "two"),
        sent=("two", "one"),
    ),
    "a key whose Secret does not name the host": Fault(
        [answers("First.")],
        "First.",
        ["first credential_unusable 0", "first answered 0.000041"],
        keys=("one", "bad"),
        sent=("one",),
    ),
    "a dead key does not come back with a retry": Fault(
        [status(401), status(500), answers("First.")],
        "First.",
        ["first unauthenticated 0", "first server_error atMost", "first answered 0.000041"],
        route=RETRY,
        keys=("one", "two"),
        sent=("two", "one", "one"),
    ),
}

BREAKERS = {
    "a failure that trips": Fault([status(500)], "Second.", AFTER_ONE, route=TRIP, breakers="open closed"),
    "a failure that does not": Fault(
        [status(429)],
        "Second.",
        ["first rate_limited 0", "second answered 0.000041"],
        route=TRIP,
        breakers="closed closed",
    ),
    "an opening breaker ends the retries": Fault(
        [status(500)], "Second.", AFTER_ONE, route={**RETRY, **TRIP}, breakers="open closed"
    ),
    "both trip": Fault(
        [status(500)],
        "502 provider_failed",
        ["first server_error atMost", "second server_error atMost"],
        second=[status(500)],
        route=TRIP,
        breakers="open open",
    ),
    "a stream that was broken off trips": Fault(
        [stream_of(chunk({"content": "Hi"}), chunk({}, "error"), usage_chunk(), b"data: [DONE]\n\n")],
        "Hi provider_failed",
        ["first incomplete atMost"],
        route=TRIP,
        streams=STREAMED,
        breakers="open closed",
    ),
    "a truncated stream trips": Fault(
        [stream_of(chunk({"content": "Hi"}), b"data: [DONE]\n\n")],
        "Hi provider_failed",
        ["first incomplete atMost"],
        route=TRIP,
        streams=STREAMED,
        breakers="open closed",
    ),
}

TOOLS = {"tools": [{"type": "function", "function": {"name": "weather"}}]}


def called(index: int, identity: str, city: str, name: str = "weather") -> dict[str, Any]:
    """A call as a part of a message."""
    return {"index": index, "id": identity, "function": {"name": name, "arguments": f'{{"city":"{city}"}}'}}


def calling(*calls: dict[str, Any]) -> Behaviour:
    """A stream, each call in an event of its own."""
    return stream_of(
        *(chunk({"tool_calls": [each]}) for each in calls),
        chunk({}, "tool_calls"),
        usage_chunk(),
        b"data: [DONE]\n\n",
    )


def calls_at_once(*calls: dict[str, Any]) -> Behaviour:
    """A plain answer, whose calls have no indexes."""
    bare = [{key: value for key, value in each.items() if key != "index"} for each in calls]
    message = {"role": "assistant", "content": None, "tool_calls": bare}
    return json_answer(completion("", choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}]))


CALLS = {
    "two calls under one id": Fault(
        [calling(called(0, "a", "Rome"), called(1, "a", "Oslo"))],
        'weather({"city":"Rome"}) weather({"city":"Oslo"})',
        ["first answered 0.000041"],
        finish="tool_calls",
        streams=STREAMED,
        asked=TOOLS,
    ),
    "two calls of a plain answer under one id": Fault(
        [calls_at_once(called(0, "a", "Rome"), called(1, "a", "Oslo"))],
        'weather({"city":"Rome"}) weather({"city":"Oslo"})',
        ["first answered 0.000041"],
        finish="tool_calls",
        streams=PLAIN,
        asked=TOOLS,
    ),
    "calls under one id and one index": Fault(
        [calling(called(0, "a", "Rome"), called(0, "a", "Oslo"))],
        "Second.",
        ["first malformed_call atMost", "second answered 0.000041"],
        streams=STREAMED,
        asked=TOOLS,
    ),
    "a call of a tool that nobody offers": Fault(
        [calling(called(0, "a", "Rome", "launch"))],
        "Second.",
        ["first malformed_call atMost", "second answered 0.000041"],
        streams=STREAMED,
        asked=TOOLS,
    ),
}
