"""One request to one provider: from the open connection to the end of the answer, each wait with its deadline.

Every failure leaves as a ProviderError of the typed table. Closing the generator closes the connection.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Collection
from contextlib import AsyncExitStack, aclosing
from operator import itemgetter
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
from regent_runtime.wire import sse
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer
from regent_runtime.wire.format import Outbound, StreamReader, WireFormat

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"
LARGEST_ERROR_BODY = 65_536
BYTES_PER_TOKEN = 1024
"""Of an answer, with the wrapping of each event; no honest answer within the output cap is longer."""
LEAST_ANSWER_BYTES = 262_144
LAST_WORDS_SECONDS = 2.0
"""After a finish reason, for figures and the end of the stream."""


async def attempt(
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
    most_bytes = LEAST_ANSWER_BYTES + output_cap * BYTES_PER_TOKEN + outbound.echoed
    clock = Deadlines(timeouts, stream=stream)
    try:
        async with AsyncExitStack() as connection:
            accept = EVENT_STREAM if stream else "application/json"
            reply = await clock.wait(connection.enter_async_context(channel.post(outbound, accept, key)))
            if reply.status != 200:
                raise await _refusal(reply, clock)
            if reply.encoding != "identity":
                raise ProviderError(Failure.MALFORMED, detail="compressed")
            chunks = (
                _streamed(reply, wire.stream(), most_bytes, clock) if stream else _plain(reply, wire, most_bytes, clock)
            )
            async for chunk in await connection.enter_async_context(aclosing(chunks)):
                if any(call.name not in offered for call in chunk.tool_calls):
                    raise ProviderError(Failure.MALFORMED, detail="tool_not_offered")
                yield chunk
    except _UNTYPED as error:
        raise typed(error) from None


async def _plain(reply: Reply, wire: WireFormat, most_bytes: int, clock: "Deadlines") -> AsyncGenerator[Chunk]:
    chunk = wire.whole(await clock.wait(reply.whole(most_bytes)))
    if chunk.finish_reason is None:
        raise ProviderError(Failure.INCOMPLETE)
    yield chunk


async def _streamed(reply: Reply, reader: StreamReader, most_bytes: int, clock: "Deadlines") -> AsyncGenerator[Chunk]:
    if reply.content_type != EVENT_STREAM:
        raise ProviderError(Failure.MALFORMED, detail="not_an_event_stream")
    finished = False
    parser = sse.EventParser()
    async with aclosing(reply.parts(most_bytes)) as parts:
        while (part := await _next_part(parts, clock, finished=finished)) is not None:
            events = parser.feed(part)
            del part
            for data in events:
                chunk = reader.read(data)
                if chunk or chunk.working:
                    finished = finished or chunk.finish_reason is not None
                    text = chunk.content or chunk.refusal
                    bare = not (text or finished or chunk.working)
                    yield msgspec.structs.replace(chunk, size=len(data)) if bare else chunk
                    if not bare:
                        clock.released(len(data) if chunk.working else len(text.encode()), finished=finished)
                if reader.over:
                    break
            if reader.over:
                break
    if not finished:
        raise ProviderError(Failure.INCOMPLETE)


async def _next_part(parts: AsyncGenerator[bytes], clock: "Deadlines", *, finished: bool) -> bytes | None:
    """None: nothing more comes. Of an answer that is whole only figures are missed when its last words fail."""
    try:
        return await clock.wait(anext(parts, None))
    except (ProviderError, *_UNTYPED):
        if finished:
            return None
        raise


async def _refusal(reply: Reply, clock: "Deadlines") -> ProviderError:
    try:
        body = await clock.wait(reply.whole(LARGEST_ERROR_BODY))
    except ReplyTooLarge:
        body = b""
    failure = failure_of_reply(reply.status, body)
    return ProviderError(failure, detail=str(reply.status), retry_after=seconds_to_wait(reply.headers))


class Deadlines:
    """When each wait of one attempt ends, in the loop's time; what the caller takes to read is none of it."""

    def __init__(self, timeouts: TimeoutsConfig, *, stream: bool) -> None:
        self._loop = asyncio.get_running_loop()
        begun = self._loop.time()
        self._idle = timeouts.idle
        self._rate = timeouts.min_bytes_per_second
        self._waited: float | None = None
        """For the provider, since its rate was looked at last; None before its first delta."""
        self._came = 0
        """Bytes of text in that time, or of events whose text is kept back."""
        self._left = timeouts.attempt
        """Of the attempt, in seconds of waiting."""
        self._next = (begun + timeouts.first_token if stream else math.inf, Failure.FIRST_TOKEN_TIMEOUT)

    def released(self, size: int, *, finished: bool) -> None:
        """A delta of this size was taken: from here the next one has the idle time. Raises ProviderError."""
        longest = LAST_WORDS_SECONDS if finished else self._idle
        self._next = (self._loop.time() + min(longest, self._idle), Failure.IDLE_TIMEOUT)
        if self._rate and not finished:
            self._judge_rate(size)

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
        began = self._loop.time()
        moment, failure = min((began + self._left, Failure.ATTEMPT_TIMEOUT), self._next, key=itemgetter(0))
        try:
            async with asyncio.timeout_at(moment) as scope:
                return await awaited
        except TimeoutError:
            if scope.expired():
                raise ProviderError(failure) from None
            raise
        finally:
            waited = self._loop.time() - began
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
            return ProviderError(failure_of_code(error.code))
        case MalformedAnswer() | sse.MalformedStream():
            return ProviderError(Failure.MALFORMED)
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
