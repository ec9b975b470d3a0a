"""One request to one provider: from the open connection to the end of the answer, each wait with its deadline.

Every failure leaves as a ProviderError of the typed table. Closing the generator closes the connection.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Collection, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import aiohttp
import msgspec

from regent_api.config import CredentialFile, TimeoutsConfig
from regent_runtime.addresses import DestinationRefused
from regent_runtime.credentials import CredentialUnusable
from regent_runtime.route.classify import failure_of_code, failure_of_reply
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.route.retry_after import seconds_to_wait
from regent_runtime.transport import Channel, KeptConnectionClosed, Reply, ReplyTooLarge
from regent_runtime.watchdog import Watchdog
from regent_runtime.wire import sse
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer, MalformedCall
from regent_runtime.wire.format import Outbound, StreamReader, WireFormat

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"
LARGEST_ERROR_BODY = 65_536
BYTES_PER_TOKEN = 1024
"""Of an answer, with the wrapping of each event; no honest answer within the output cap is longer."""
LEAST_ANSWER_BYTES = 262_144
LARGEST_PLAIN_ANSWER = 16 * 1024 * 1024
"""Bytes, whatever the output cap: it is held whole, and has no wrapping of events."""
LAST_WORDS_SECONDS = 2.0
"""After a finish reason, for figures and the end of the stream."""


def attempt(
    channel: Channel,
    wire: WireFormat,
    outbound: Outbound,
    *,
    key: CredentialFile | None,
    stream: bool,
    output_cap: int,
    offered: Collection[str],
    timeouts: TimeoutsConfig,
) -> AsyncGenerator[Chunk]:
    """The answer's chunks as they come, the last with a finish reason (its usage may follow). Raises ProviderError.

    One that is only `working` bears nothing. An answer that calls a tool which is not `offered` is malformed.
    """
    most_bytes = LEAST_ANSWER_BYTES + output_cap * BYTES_PER_TOKEN
    if not stream:
        most_bytes = min(most_bytes, LARGEST_PLAIN_ANSWER)
    asking = _Asking(channel, outbound, key, most_bytes + outbound.echoed)
    return _streamed(asking, wire.stream(), offered, timeouts) if stream else _whole(asking, wire, offered, timeouts)


@dataclass(frozen=True, slots=True)
class _Asking:
    """`most_bytes`: of the answer."""

    channel: Channel
    outbound: Outbound
    key: CredentialFile | None
    most_bytes: int


async def _whole(
    asking: _Asking, wire: WireFormat, offered: Collection[str], timeouts: TimeoutsConfig
) -> AsyncGenerator[Chunk]:
    with Deadlines(timeouts, stream=False) as clock:
        reply = await _opened(asking, "application/json", clock)
        try:
            chunk = wire.whole(await clock.wait(reply.whole(asking.most_bytes)))
            _check_offered(chunk, offered)
            if chunk.finish_reason is None:
                raise ProviderError(Failure.INCOMPLETE)
            yield chunk
        except _UNTYPED as error:
            raise typed(error) from None
        finally:
            await reply.close()


async def _streamed(
    asking: _Asking, reader: StreamReader, offered: Collection[str], timeouts: TimeoutsConfig
) -> AsyncGenerator[Chunk]:
    with Deadlines(timeouts, stream=True) as clock:
        reply = await _opened(asking, EVENT_STREAM, clock)
        try:
            parser, left, finished = sse.EventParser(), asking.most_bytes, False
            while part := await clock.part_of(reply):
                left -= len(part)
                if left < 0:
                    raise ProviderError(Failure.TOO_LARGE)
                events = parser.feed(part)
                del part  # a stream that says nothing for a while holds nothing of what it has said
                for chunk, data in _together(reader, events):
                    if chunk.tool_calls:
                        _check_offered(chunk, offered)
                    finished = finished or chunk.finish_reason is not None
                    yield chunk if chunk.content or finished else _sized(chunk, data)
                    clock.released(chunk, data, finished=finished)
                if reader.over:
                    break
            if not finished:
                raise ProviderError(Failure.INCOMPLETE)
        except _UNTYPED as error:
            raise typed(error) from None
        finally:
            await reply.close()


def _together(reader: StreamReader, events: Iterable[bytes]) -> Iterator[tuple[Chunk, bytes]]:
    """What the events of one read bear, each with the last event that it is of. Words that follow words are one chunk:
    where a provider is quick, or the process behind, the way to the caller is gone once for many.

    Raises as the reader does, behind what came before.
    """
    words: Chunk | None = None
    last = b""
    try:
        for data in events:
            chunk = reader.read(data)
            if chunk.content and not (chunk.refusal or chunk.finish_reason or chunk.working):
                words, last = chunk if words is None else _continued(words, chunk), data
            elif chunk or chunk.working:
                if words is not None:
                    yield words, last
                    words = None
                yield chunk, data
            if reader.over:
                break
    except _UNTYPED:
        if words is not None:
            yield words, last
        raise
    if words is not None:
        yield words, last


def _continued(words: Chunk, chunk: Chunk) -> Chunk:
    return Chunk(words.content + chunk.content, usage=chunk.usage or words.usage)


def _check_offered(chunk: Chunk, offered: Collection[str]) -> None:
    if any(call.name not in offered for call in chunk.tool_calls):
        raise ProviderError(Failure.MALFORMED_CALL, detail="tool_not_offered")


def _sized(chunk: Chunk, event: bytes) -> Chunk:
    """One that bears figures alone tells how many bytes its event had."""
    return chunk if chunk.refusal or chunk.working else msgspec.structs.replace(chunk, size=len(event))


async def _opened(asking: _Asking, accept: str, clock: "Deadlines") -> Reply:
    """The reply, whose body is to come."""
    try:
        reply = await clock.wait(asking.channel.post(asking.outbound, accept, asking.key))
    except _UNTYPED as error:
        raise typed(error) from None
    is_stream = reply.content_type == EVENT_STREAM or accept != EVENT_STREAM
    if reply.status == 200 and reply.encoding == "identity" and is_stream:
        return reply
    try:
        raise await _refusal(reply, clock)
    except _UNTYPED as error:
        raise typed(error) from None
    finally:
        await reply.close()


async def _refusal(reply: Reply, clock: "Deadlines") -> ProviderError:
    if reply.status == 200:
        detail = "compressed" if reply.encoding != "identity" else "not_an_event_stream"
        return ProviderError(Failure.MALFORMED, detail=detail)
    try:
        body = await clock.wait(reply.whole(LARGEST_ERROR_BODY))
    except ReplyTooLarge:
        body = b""
    failure = failure_of_reply(reply.status, body)
    wait = seconds_to_wait(reply.headers, resets=failure is Failure.RATE_LIMITED)
    return ProviderError(failure, detail=str(reply.status), retry_after=wait)


class Deadlines(Watchdog):
    """When each wait of one attempt ends, in the loop's time; what the caller takes to read is none of it."""

    def __init__(self, timeouts: TimeoutsConfig, *, stream: bool) -> None:
        super().__init__()
        self._time = self._loop.time
        self._idle = timeouts.idle
        self._rate = timeouts.min_bytes_per_second
        self._waited: float | None = None
        """For the provider, since its rate was looked at last; None before its first delta."""
        self._finished = False
        """Whether the answer is whole, and only figures may follow."""
        self._came = 0
        """Bytes of text in that time, or of events whose text is kept back."""
        self._left = timeouts.attempt
        """Of the attempt, in seconds of waiting."""
        self._next = self._time() + timeouts.first_token if stream else inf
        self._late = Failure.FIRST_TOKEN_TIMEOUT
        """What it is when `_next` has passed."""
        self._failure = Failure.ATTEMPT_TIMEOUT
        """What it is when the present wait takes too long."""

    def released(self, chunk: Chunk, event: bytes, *, finished: bool) -> None:
        """A chunk of that event was taken: from a delta on the next one has the idle time; a role and figures are none.

        Raises ProviderError.
        """
        if not (chunk.content or finished or chunk.working or chunk.refusal):
            return
        self._finished = finished
        self._next = self._time() + (min(LAST_WORDS_SECONDS, self._idle) if finished else self._idle)
        self._late = Failure.IDLE_TIMEOUT
        if self._rate and not finished:
            self._judge_rate(len(event if chunk.working else (chunk.content or chunk.refusal).encode()))

    def _judge_rate(self, size: int) -> None:
        """Over stretches of the idle time."""
        if self._waited is None:
            self._waited = 0.0
            return
        self._came += size
        if self._waited >= self._idle:
            if self._came < self._rate * self._waited:
                raise ProviderError(Failure.SLOW_STREAM)
            self._waited, self._came = 0.0, 0

    async def wait(self, awaited: Awaitable[T]) -> T:
        """Raises ProviderError when its time is over."""
        began = self._begun()
        try:
            return await awaited
        except asyncio.CancelledError:
            if self.bit():
                raise ProviderError(self._failure) from None
            raise
        finally:
            self._over(began)

    async def part_of(self, reply: Reply) -> bytes:
        """What comes next of a stream; empty: nothing more. Raises ProviderError when its time is over.

        Of an answer that is whole only figures are missed when its last words fail.
        """
        began = self._begun()
        try:
            return await reply.part()
        except asyncio.CancelledError:
            if not self.bit():
                raise
            if self._finished:
                return b""
            raise ProviderError(self._failure) from None
        except _UNTYPED:
            if self._finished:
                return b""
            raise
        finally:
            self._over(began)

    def _begun(self) -> float:
        """The moment, from which on the provider is waited for."""
        now = self._time()
        end, self._failure = now + self._left, Failure.ATTEMPT_TIMEOUT
        if self._next < end:
            end, self._failure = self._next, self._late
        self.begin(end)
        return now

    def _over(self, began: float) -> None:
        self.until = inf
        waited = self._time() - began
        self._left -= waited
        if self._waited is not None:
            self._waited += waited


def typed(error: Exception) -> ProviderError:
    """The row of the table for what the client library, the parsers or the policy raised."""
    match error:
        case DestinationRefused() | CredentialUnusable():
            refused = isinstance(error, DestinationRefused)
            failure = Failure.DESTINATION_REFUSED if refused else Failure.CREDENTIAL_UNUSABLE
            return ProviderError(failure, detail=error.reason)
        case ReplyTooLarge():
            return ProviderError(Failure.TOO_LARGE)
        case KeptConnectionClosed():
            return ProviderError(Failure.UNANSWERED)
        case ErrorInAnswer():
            return ProviderError(failure_of_code(error.code, error.status))
        case MalformedAnswer() | sse.MalformedStream():
            return ProviderError(Failure.MALFORMED_CALL if isinstance(error, MalformedCall) else Failure.MALFORMED)
        case aiohttp.ClientConnectorError():
            return ProviderError(Failure.CONNECT, detail=type(error).__name__)
        case TimeoutError():
            return ProviderError(Failure.CONNECT_TIMEOUT)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return ProviderError(Failure.DISCONNECTED)
        case aiohttp.ClientError():
            return ProviderError(Failure.MALFORMED, detail=type(error).__name__)
        case _:
            return ProviderError(Failure.CONNECT, detail=type(error).__name__)


_UNTYPED = (
    DestinationRefused,
    CredentialUnusable,
    ReplyTooLarge,
    KeptConnectionClosed,
    ErrorInAnswer,
    MalformedAnswer,
    sse.MalformedStream,
    aiohttp.ClientError,
    OSError,
)
"""TimeoutError is an OSError."""
