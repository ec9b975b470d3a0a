"""POST /v1/batch: several requests of one caller, answered as one list in their order, each a turn of its own.

Who calls is known before the body is read. Then every request goes the whole way of a turn: counted by the limits,
screened, labelled, paid and audited as if it had come alone. What was refused stands in its place in the list.
"""

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import msgspec

from regent_runtime.batch.meeting import Meeting, Seat
from regent_runtime.batch.request import Part, parts
from regent_runtime.callers.entry import enter
from regent_runtime.dialect.chat_completions.dialect import ChatCompletions
from regent_runtime.dialect.chat_completions.error import error_body
from regent_runtime.lifecycle import CallerGone, Lifecycle
from regent_runtime.limits.bodies import Bodies, Share
from regent_runtime.record import CALLER_GONE, FAILED, REFUSED, TurnRecord
from regent_runtime.refusals import INTERNAL_ERROR, UNSUPPORTED_FIELD, Refused
from regent_runtime.serve.errors import error_headers
from regent_runtime.serve.http import (
    GONE,
    Receive,
    Scope,
    Send,
    header,
    read_json_body,
    respond,
    respond_and_close,
    too_large,
)
from regent_runtime.serve.turns import Answer, Request, Turns
from regent_runtime.telemetry import log
from regent_runtime.turn import introduce
from regent_runtime.wire.request import ChatRequest

PATH = "/v1/batch"
OF_ONE_TURN = ("x-regent-conversation", "x-regent-conversation-end", "x-regent-approval")
"""Headers that belong to a single turn."""


class Batches:
    """The endpoint. `ended` is told of a batch that was refused as a whole; of each turn `turns` tells."""

    def __init__(self, lifecycle: Lifecycle, turns: Turns, bodies: Bodies, ended: Callable[[TurnRecord], None]) -> None:
        self._lifecycle = lifecycle
        self._turns = turns
        self._bodies = bodies
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._bodies.share() as share:
            asked = await self._read(scope, receive, send, share)
            if asked:
                await self._serve(asked, scope, receive, send, share)

    async def _read(self, scope: Scope, receive: Receive, send: Send, share: Share) -> Sequence[Part]:
        """Empty where the batch was refused as a whole, and answered."""
        record = TurnRecord()
        try:
            snapshot = self._lifecycle.admit()
            introduce(snapshot, record)
            enter(snapshot.callers, header(scope, b"authorization"), record)
            _check_headers(scope)
            asked = parts(await read_json_body(scope, receive, snapshot.config.policy.size.max_request_bytes, share))
            self._lifecycle.admit()  # where the pod began to end meanwhile, another one takes the batch as a whole
        except CallerGone:
            record.outcome = CALLER_GONE
        except Refused as refused:
            await _refuse(refused, record, receive, send)
        except Exception as error:  # noqa: BLE001 - the one place where a fault of ours becomes a 500
            log.write("fault", turn=record.id, exception=type(error).__name__, at=log.place(error))
            await _refuse(Refused(INTERNAL_ERROR, "A fault of the runtime."), record, receive, send)
        else:
            return asked
        self._ended(record)
        return ()

    async def _serve(self, asked: Sequence[Part], scope: Scope, receive: Receive, send: Send, share: Share) -> None:
        meeting = Meeting()
        async with asyncio.TaskGroup() as tasks:
            bodies = [part.body for part in asked]
            seats = [meeting.seat(is_awaited=body not in bodies[:at]) for at, body in enumerate(bodies)]
            running = [
                tasks.create_task(self._turn(part, seat, _PartRequest(scope, receive, share, part.body), receive))
                for part, seat in zip(asked, seats, strict=True)
            ]
        gone: asyncio.Future[None] = scope["state"][GONE]
        if not gone.done():
            answers = [task.result() for task in running]
            await respond(send, 200, msgspec.json.encode({"object": "list", "data": answers}))

    async def _turn(self, part: Part, seat: Seat, request: "_PartRequest", receive: Receive) -> dict[str, Any]:
        """The turn of one request, as its entry of the list."""
        caught = _Caught()
        try:
            await self._turns.serve(request, _PartAnswer(caught, ChatCompletions()), receive, caught, seat.call)
        finally:
            seat.leave()
        response = {
            "status_code": caught.status,
            "request_id": caught.turn,
            "body": msgspec.Raw(caught.body or b"null"),
        }
        return {"id": f"batch_req_{caught.turn}", "custom_id": part.custom_id, "response": response, "error": None}


class _PartRequest(Request):
    """turn.Incoming whose body has been read."""

    def __init__(self, scope: Scope, receive: Receive, share: Share, body: bytes) -> None:
        super().__init__(scope, receive, share, ChatCompletions())
        self.unread = False
        self._body = body

    async def body(self, most_bytes: int) -> bytes:
        if len(self._body) > most_bytes:
            raise too_large(most_bytes)
        return self._body

    def end(self) -> None:
        """Its body is held for as long as the whole batch."""


class _PartAnswer(Answer):
    def begin(self, request: ChatRequest, record: TurnRecord) -> None:
        """Raises Refused (400) for a stream."""
        super().begin(request, record)
        if request.stream:
            raise Refused(UNSUPPORTED_FIELD, "`stream` is not offered in a batch; leave it out.", param="stream")


class _Caught:
    """Send: what would go to a caller of its own."""

    def __init__(self) -> None:
        self.status = 0
        self.turn = ""
        self.body = b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.turn = dict(message["headers"]).get(b"x-regent-turn", b"").decode()
        else:
            self.body += message.get("body", b"")


def _check_headers(scope: Scope) -> None:
    for name in OF_ONE_TURN:
        if header(scope, name.encode()) is not None:
            words = f"The header {name} is for a single turn; send that request to /v1/chat/completions."
            raise Refused(UNSUPPORTED_FIELD, words, param=name)


async def _refuse(refused: Refused, record: TurnRecord, receive: Receive, send: Send) -> None:
    record.refused(refused)
    record.outcome = FAILED if refused.refusal.status >= 500 else REFUSED
    await respond_and_close(receive, send, refused.refusal.status, error_body(refused), error_headers(refused))
