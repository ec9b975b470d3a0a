"""GET and POST /v1/approvals/{id}: an approver sees a turn that waits for approval, and decides on it.

Who asks is identified as for a turn; whether the policy lets it call the agent does not matter here, only whether it is
an approver. Ids are keys (see access/sealed), so no log line bears one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from msgspec import Struct

from regent_runtime.access.approvals import Shown, moment_of, unavailable
from regent_runtime.callers import Caller
from regent_runtime.limits.bodies import Bodies
from regent_runtime.refusals import INVALID_VALUE, Refused
from regent_runtime.serve.actions import Action, Actions, Answer
from regent_runtime.serve.app import segment
from regent_runtime.serve.http import Receive, Scope, Send, header, read_json_body, respond
from regent_runtime.state.contract import StateAway, Verdict

PATH = "/v1/approvals/{}"
MOST_BODY_BYTES = 4096
VIEW = "View"
DECIDE = "Decide"
"""What a verdict is called until its body has been read."""
_VERDICTS = {"Approve": Verdict.APPROVED, "Deny": Verdict.DENIED}


class _Decision(Struct, forbid_unknown_fields=True):
    decision: Literal["Approve", "Deny"]


_BODY = msgspec.json.Decoder(_Decision)


class ApprovalEndpoint:
    """The approvals of the agent whose config is in force."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._bodies = Bodies()

    async def get(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await _respond(send, await self._actions.run(VIEW, lambda action: _show(action, scope)))

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _respond(send, await self._actions.run(DECIDE, lambda action: self._decide(action, scope, receive)))

    async def _decide(self, action: Action, scope: Scope, receive: Receive) -> dict[str, Any]:
        approver, approvals = _identified(action, scope), action.snapshot.approvals
        with self._bodies.share() as share:
            body = await read_json_body(scope, receive, MOST_BODY_BYTES, share)
        try:
            action.record.action = _BODY.decode(body).decision
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            words = 'Send {"decision": "Approve"} or {"decision": "Deny"}.'
            raise Refused(INVALID_VALUE, words, param="decision") from None
        verdict = _VERDICTS[action.record.action]
        async with _state_asked():
            judged = await approvals.judge(segment(scope), approver, action.record)
            async with action.takes_effect():
                await approvals.decide(judged, verdict)
        return _document(judged.shown, verdict)


async def _show(action: Action, scope: Scope) -> dict[str, Any]:
    approver, approvals = _identified(action, scope), action.snapshot.approvals
    async with _state_asked():
        shown, verdict = await approvals.show(segment(scope), approver, action.record)
        async with action.takes_effect():
            return {**_document(shown, verdict), "messages": shown.messages, "parameters": shown.parameters}


@asynccontextmanager
async def _state_asked() -> AsyncIterator[None]:
    """Raises Refused (503) where the state has no answer."""
    try:
        yield
    except StateAway:
        raise unavailable() from None


def _identified(action: Action, scope: Scope) -> Caller:
    caller = action.snapshot.callers.identify(header(scope, b"authorization"))
    action.record.caller_kind, action.record.subject = caller.kind, caller.identity
    return caller


def _document(shown: Shown, verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.value,
        "caller": shown.caller or None,
        "sensitivity": shown.sensitivity.value,
        "requestedAt": moment_of(shown.requested),
        "expiresAt": moment_of(shown.expires),
    }


async def _respond(send: Send, answer: Answer | None) -> None:
    """A request whose body was left unread is answered on a connection that closes."""
    if answer is not None:
        headers = [(b"connection", b"close"), *answer.headers] if answer.refused else answer.headers
        await respond(send, answer.status, answer.body, headers=headers)
