"""The endpoint of a turn, answered whole or as server-sent events, and every outcome in the dialect of its path."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

import msgspec

from regent_runtime import turn
from regent_runtime.audit.audit import Audit
from regent_runtime.dialect.dialect import Dialect, Writer
from regent_runtime.lifecycle import CallerGone, Lifecycle, RunningTurn
from regent_runtime.limits.bodies import Bodies, Share
from regent_runtime.record import CALLER_GONE, FAILED, INTERRUPTED, REFUSED, WITHHELD, TurnRecord
from regent_runtime.refusals import INTERNAL_ERROR, Refused
from regent_runtime.route import fallback
from regent_runtime.route.errors import Interrupted, refused
from regent_runtime.serve.errors import error_headers
from regent_runtime.serve.http import (
    GONE,
    App,
    Header,
    Receive,
    Scope,
    Send,
    headers,
    read_json_body,
    respond,
    respond_and_close,
)
from regent_runtime.telemetry import log
from regent_runtime.wire.answer import Chunk, Usage
from regent_runtime.wire.request import ChatRequest
from regent_runtime.withheld import Withheld

BREAK_OFF_SECONDS = 1.0


class Request:
    """turn.Incoming over ASGI."""

    def __init__(self, scope: Scope, receive: Receive, share: Share, dialect: Dialect) -> None:
        stated = headers(scope)
        self.read = dialect.read
        self.authorization = dialect.authorization(stated)
        self.sensitivity = stated.get(b"x-regent-sensitivity")
        self.approval = stated.get(b"x-regent-approval")
        self.conversation = stated.get(b"x-regent-conversation")
        self.conversation_end = stated.get(b"x-regent-conversation-end")
        self.unread = True
        self._scope = scope
        self._receive = receive
        self._share = share

    async def body(self, most_bytes: int) -> bytes:
        body = await read_json_body(self._scope, self._receive, most_bytes, self._share)
        self.unread = False
        return body

    def end(self) -> None:
        """The turn has ended: nothing is held of its body."""
        self._share.give_back()

    def watched(self, running: RunningTurn) -> "Watched":
        return Watched(self._scope["state"][GONE], running)


class Watched:
    """While it is open, its turn ends when the caller has gone."""

    def __init__(self, gone: "asyncio.Future[None]", running: RunningTurn) -> None:
        self._gone = gone
        self._running = running

    def __enter__(self) -> None:
        self._gone.add_done_callback(self._end)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._gone.remove_done_callback(self._end)

    def _end(self, _: "asyncio.Future[None]") -> None:
        self._running.end(CallerGone())


class Answer:
    """turn.Outlet over ASGI. Nothing is sent before the first chunk, so until then an error can have its status."""

    def __init__(self, send: Send, dialect: Dialect) -> None:
        self.dialect = dialect
        self.begun = False
        self.complete = False
        self._said = False
        """Whether a stream bears a chunk, not only signs of life."""
        self._send = send
        self._request: ChatRequest
        self._record: TurnRecord
        self._writer: Writer
        self._whole: Chunk | None = None

    def begin(self, request: ChatRequest, record: TurnRecord) -> None:
        self._request = request
        self._record = record
        self._writer = self.dialect.writer(request, record.id, record.created)
        record.stream = request.stream

    async def release(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self._record.usage = chunk.usage
        if not self._request.stream:
            self._whole = chunk or self._whole
            return
        if not self.begun:
            stated = [*_STREAM_HEADERS, *turn_headers(self._record)]
            await self._send({"type": "http.response.start", "status": 200, "headers": stated})
            self.begun = True
        if chunk.content or chunk.refusal or chunk.finish_reason or (chunk and not self._said):
            body = self._writer.event(self._record.model, chunk, first=not self._said)
            self._said = True
        elif not chunk:
            body = self._writer.keep_alive
        else:
            return
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self) -> None:
        if self._whole is not None:
            body = self._writer.completion(self._record.model, self._whole)
            self.begun = True
            await respond(self._send, 200, body, headers=turn_headers(self._record))
        else:
            body = self._writer.end(self._record.model, self._record.usage)
            await self._send({"type": "http.response.body", "body": body})
        self.complete = True

    async def withhold(self, withheld: Withheld) -> None:
        """The refusal as the whole answer; the end alone, where a stream has begun.

        A caller that does not read only sees the connection close.
        """
        if self.complete:
            return
        record = self._record
        record.model = record.model or record.agent
        end = Chunk(finish_reason="content_filter", usage=record.usage if record.attempts else _NOTHING_SPENT)
        with suppress(TimeoutError):
            async with asyncio.timeout(BREAK_OFF_SECONDS):
                if not self._request.stream:
                    end = msgspec.structs.replace(end, content=withheld.text)
                elif not self._said:
                    await self.release(Chunk(withheld.text))
                await self.release(end)
                await self.finish()

    async def break_off(self, refused: Refused) -> None:
        """End a stream that has begun: the error in the place of an end.

        A caller that does not read, or has a part of a plain answer, only sees the connection close.
        """
        if self._request.stream:
            with suppress(TimeoutError):
                async with asyncio.timeout(BREAK_OFF_SECONDS):
                    body = self.dialect.broken(refused, self._record.id)
                    await self._send({"type": "http.response.body", "body": body})


_NOTHING_SPENT = Usage(0, 0, 0)
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def turn_headers(record: TurnRecord) -> list[Header]:
    """What every answer and refusal tells of its turn."""
    stated = [(b"x-regent-turn", record.id.encode())]
    return [*stated, (b"x-regent-conversation", record.conversation.encode())] if record.conversation else stated


class Turns:
    """Serves turns. `ended` is told of each, whatever its outcome."""

    def __init__(self, lifecycle: Lifecycle, audit: Audit, bodies: Bodies, ended: Callable[[TurnRecord], None]) -> None:
        self._lifecycle = lifecycle
        self._audit = audit
        self._ended = ended
        self._bodies = bodies

    def endpoint(self, dialect: Callable[[], Dialect]) -> App:
        """Where callers speak a dialect; `dialect` makes that of one turn."""

        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            spoken = dialect()
            request = Request(scope, receive, self._bodies.share(), spoken)
            return self.serve(request, Answer(send, spoken), receive, send)

        return serve

    async def serve(
        self, request: Request, answer: Answer, receive: Receive, send: Send, call: fallback.Ask = fallback.call
    ) -> None:
        """One turn, whatever becomes of it."""
        record = TurnRecord()
        try:
            await turn.take(self._lifecycle, self._audit, request, answer, record, call)
        except CallerGone:
            record.outcome = record.outcome if answer.complete else CALLER_GONE
        except Withheld as withheld:
            record.outcome = WITHHELD
            await answer.withhold(withheld)
        except (Refused, Interrupted) as error:
            await self._refuse(error, request, answer, record, receive, send)
        except Exception as error:  # noqa: BLE001 - the one place where a fault of ours becomes a 500
            log.write("fault", turn=record.id, exception=type(error).__name__, at=log.place(error))
            fault = Refused(INTERNAL_ERROR, f"A fault of the runtime ended turn {record.id}.")
            await self._refuse(fault, request, answer, record, receive, send)
        finally:
            request.end()
            self._ended(record)

    async def _refuse(
        self,
        error: Refused | Interrupted,
        request: Request,
        answer: Answer,
        record: TurnRecord,
        receive: Receive,
        send: Send,
    ) -> None:
        if answer.complete:
            return
        why = error if isinstance(error, Refused) else refused([error.error])
        record.refused(why)
        if answer.begun:
            record.outcome = INTERRUPTED
            await answer.break_off(why)
            return
        record.outcome = FAILED if why.refusal.status >= 500 else REFUSED
        stated = [*turn_headers(record), *error_headers(why)]
        body = answer.dialect.error(why, record.id)
        if request.unread:
            await respond_and_close(receive, send, why.refusal.status, body, stated)
        else:
            await respond(send, why.refusal.status, body, headers=stated)
