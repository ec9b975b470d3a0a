"""More of the table of faults: where a turn commits to its provider, and the way to it."""

import asyncio

from regent_api.policy import REFUSAL_DEFAULT
from tests.contract.route_faults import PLAIN, RETRY, STREAMED, TRIP, Fault
from tests.contract.test_providers import SHORT
from tests.fakes.provider import (
    Behaviour,
    Received,
    answers,
    chunk,
    completion,
    json_answer,
    resets,
    send_stream,
    stalls,
    stream_of,
    usage_chunk,
)

CONNECT = {"connect": 1.5}
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


def silent_after(data: bytes) -> Behaviour:
    """These bytes, and nothing more until the client goes."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read(1)
        writer.close()

    return behave


COMMITS = {
    "words in the guards' window are discarded": Fault(
        [stream_of(chunk({"content": "Call +44 20 7946"}), then="cut")],
        "Second.",
        ["first disconnected atMost", "second answered 0.000041"],
        streams=STREAMED,
        policy=BUFFERED,
    ),
    "words that are out are not": Fault(
        [stream_of(chunk({"content": "Hi there, "}), then="cut")],
        "Hi there,  provider_failed",
        ["first disconnected atMost"],
        streams=STREAMED,
    ),
    "truncation in the guards' window": Fault(
        [stream_of(chunk({"content": "Half an ans"}), b"data: [DONE]\n\n")],
        "Second.",
        ["first incomplete atMost", "second answered 0.000041"],
        streams=STREAMED,
        policy=BUFFERED,
    ),
    "a role alone is no commitment": Fault(
        [stream_of(chunk({"role": "assistant", "content": ""}), then="cut")],
        "Second.",
        ["first disconnected atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "figures alone are no commitment": Fault(
        [stream_of(usage_chunk(), then="cut")],
        "Second.",
        ["first disconnected atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "as many chunks without a word as are held": Fault(
        [stream_of(*[usage_chunk()] * 64, then="cut")],
        "Second.",
        ["first disconnected atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "one more": Fault(
        [stream_of(*[usage_chunk()] * 65, then="cut")],
        " provider_failed",
        ["first disconnected atMost"],
        streams=STREAMED,
    ),
    "as many bytes without a word as are held": Fault(
        [stream_of(*[usage_chunk(60_000)] * 4, then="cut")],
        "Second.",
        ["first disconnected atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "more of them": Fault(
        [stream_of(*[usage_chunk(60_000)] * 5, then="cut")],
        " provider_failed",
        ["first disconnected atMost"],
        streams=STREAMED,
    ),
    "no [DONE] after a finish reason is an end": Fault(
        [stream_of(chunk({"content": "First."}), chunk({}, "stop"))],
        "First.",
        ["first answered atMost"],
        streams=STREAMED,
    ),
    "a cut after a finish reason is an end": Fault(
        [stream_of(chunk({"content": "First."}), chunk({}, "stop"), then="cut")],
        "First.",
        ["first answered atMost"],
        streams=STREAMED,
    ),
    "silence after a finish reason is an end": Fault(
        [stream_of(chunk({"content": "First."}), chunk({}, "stop"), then="stall")],
        "First.",
        ["first answered atMost"],
        route={"timeouts": SHORT},
        streams=STREAMED,
    ),
    "an error after the first word": Fault(
        [stream_of(chunk({"content": "Hi "}), b'data: {"error": {"type": "overloaded_error"}}\n\n')],
        "Hi  provider_failed",
        ["first overloaded atMost"],
        streams=STREAMED,
    ),
    "a slow stream in the guards' window": Fault(
        [slowly(1000)],
        "Second.",
        ["first slow_stream atMost", "second answered 0.000041"],
        route={"timeouts": {"idle": 2, "minBytesPerSecond": 1000}},
        streams=STREAMED,
        policy=BUFFERED,
    ),
    "a slow stream that nobody minds": Fault(
        [slowly(50)], "a" * 50, ["first answered atMost"], route={"timeouts": {"idle": 2}}, streams=STREAMED
    ),
    "no headers": Fault(
        [stalls()],
        "Second.",
        ["first first_token_timeout atMost", "second answered 0.000041"],
        route={"timeouts": SHORT},
        streams=STREAMED,
    ),
}
WAYS = {
    "nobody listens": Fault([], "Second.", ["first connect 0", "second answered 0.000041"], way="refused"),
    "nobody listens, and again nobody": Fault(
        [], "Second.", ["first connect 0", "first connect 0", "second answered 0.000041"], way="refused", route=RETRY
    ),
    "silence in place of a connection": Fault(
        [],
        "Second.",
        ["first connect_timeout 0", "second answered 0.000041"],
        way="silent",
        route={"timeouts": CONNECT, **TRIP},
        breakers="open closed",
    ),
    "silence in place of a connection, and again": Fault(
        [],
        "Second.",
        ["first connect_timeout 0", "first connect_timeout 0", "second answered 0.000041"],
        way="silent",
        route={"timeouts": CONNECT, **RETRY},
        streams=PLAIN,
    ),
    "silence in place of a connection, not declared": Fault(
        [],
        "504 provider_timeout",
        ["first connect_timeout 0"],
        way="silent",
        route={"timeouts": CONNECT, "fallback": {"errors": ["Transient"]}},
        streams=PLAIN,
    ),
    "no such name": Fault([], "Second.", ["first connect 0", "second answered 0.000041"], way="nowhere"),
    "no such name trips": Fault(
        [],
        "Second.",
        ["first connect 0", "second answered 0.000041"],
        way="nowhere",
        route=TRIP,
        breakers="open closed",
    ),
    "no such name, not declared": Fault(
        [], "502 provider_failed", ["first connect 0"], way="nowhere", route={"fallback": {"errors": ["Timeout"]}}
    ),
    "a certificate that holds": Fault([answers("First.")], "First.", ["first answered 0.000041"], way="trusted"),
    "a certificate that nobody vouches for": Fault(
        [answers("First.")], "Second.", ["first connect 0", "second answered 0.000041"], way="untrusted"
    ),
    "a certificate of another host": Fault(
        [answers("First.")], "Second.", ["first connect 0", "second answered 0.000041"], way="host"
    ),
    "a reset before a byte": Fault([resets(b"")], "Second.", ["first disconnected atMost", "second answered 0.000041"]),
    "a reset in the head": Fault(
        [resets(b"HTTP/1.1 200 OK\r\nContent-")], "Second.", ["first disconnected atMost", "second answered 0.000041"]
    ),
    "silence after the head": Fault(
        [stream_of(then="stall")],
        "Second.",
        ["first first_token_timeout atMost", "second answered 0.000041"],
        route={"timeouts": SHORT},
        streams=STREAMED,
    ),
    "silence after a word": Fault(
        [stream_of(chunk({"content": "Hi there, "}), then="stall")],
        "Hi there,  provider_timeout",
        ["first idle_timeout atMost"],
        route={"timeouts": SHORT},
        streams=STREAMED,
    ),
    "silence in place of a plain answer": Fault(
        [stalls()],
        "Second.",
        ["first attempt_timeout atMost", "second answered 0.000041"],
        route={"timeouts": SHORT},
        streams=PLAIN,
    ),
    "silence after the head of a plain answer": Fault(
        [silent_after(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")],
        "Second.",
        ["first attempt_timeout atMost", "second answered 0.000041"],
        route={"timeouts": SHORT},
        streams=PLAIN,
    ),
    "silence in the head": Fault(
        [silent_after(b"HTTP/1.1 200 OK\r\nContent-")],
        "Second.",
        ["first attempt_timeout atMost", "second answered 0.000041"],
        route={"timeouts": SHORT},
        streams=PLAIN,
    ),
    "an event that is none": Fault(
        [stream_of(b"data: {nonsense\n\n")],
        "Second.",
        ["first malformed atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "an event that does not end": Fault(
        [stream_of(b"data: " + b"x" * 1_100_000)],
        "Second.",
        ["first malformed atMost", "second answered 0.000041"],
        streams=STREAMED,
    ),
    "an answer without end": Fault(
        [json_answer(completion("x" * 2_000_000))],
        "Second.",
        ["first too_large atMost", "second answered 0.000041"],
        streams=PLAIN,
    ),
}
KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"
ENDS = {
    "an answer that a guard denies": Fault(
        [answers("The key is ", KEY)],
        REFUSAL_DEFAULT,
        ["first abandoned 0.000041"],
        finish="content_filter",
        streams=PLAIN,
        route=TRIP,
    ),
    "an answer that a guard denies before its first word is out": Fault(
        [answers("The key is ", KEY)],
        REFUSAL_DEFAULT,
        ["first abandoned atMost"],
        finish="content_filter",
        streams=STREAMED,
        policy=BUFFERED,
        route={**RETRY, **TRIP},
    ),
    "the turn's time is over": Fault(
        [stalls()],
        "504 turn_timeout",
        ["first abandoned atMost"],
        retry=False,
        route={**RETRY, **TRIP, "timeouts": {"total": 3}},
        streams=PLAIN,
    ),
    "the policy's time for a turn is over": Fault(
        [stalls()],
        "504 turn_timeout",
        ["first abandoned atMost"],
        retry=False,
        route={**RETRY, **TRIP},
        policy={"size": {"turnTimeoutSeconds": 3}},
        streams=STREAMED,
    ),
}
