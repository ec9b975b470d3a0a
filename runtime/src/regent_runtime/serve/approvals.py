"""GET and POST /v1/approvals/{id}: an approver sees a turn that waits for approval, and decides on it.

Who asks is identified as for a turn; whether the policy lets it call the agent does not matter here, only whether it is
an approver. Ids are keys (see access/sealed), so no log line bears one.
"""

from collections.abc import Awaitable
from typing import Any, Literal

import msgspec
from msgspec import Struct

from regent_runtime.access.approvals import Approvals, Shown, moment_of, unavailable
from regent_runtime.callers import Caller
from regent_runtime.lifecycle import CallerGone, Lifecycle
from regent_runtime.limits.bodies import Bodies
from regent_runtime.refusals import INTERNAL_ERROR, INVALID_VALUE, Refused
from regent_runtime.serve.app import segment
from regent_runtime.serve.errors import error_body, error_headers
from regent_runtime.serve.http import Receive, Scope, Send, header, read_json_body, respond
from regent_runtime.state.contract import StateAway, Verdict
from regent_runtime.telemetry import log

PATH = "/v1/approvals/{}"
MOST_BODY_BYTES = 4096
_VERDICTS = {"Approve": Verdict.APPROVED, "Deny": Verdict.DENIED}


class _Decision(Struct, forbid_unknown_fields=True):
    decision: Literal["Approve", "Deny"]


_BODY = msgspec.json.Decoder(_Decision)


class ApprovalEndpoint:
    """The approvals of the agent whose config is in force."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._bodies = Bodies()

    async def get(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await _respond(send, self._show(scope))

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _respond(send, self._decide(scope, receive))

    async def _show(self, scope: Scope) -> dict[str, Any]:
        approvals, approver = self._identified(scope)
        shown, verdict = await approvals.show(segment(scope), approver)
        return {**_document(shown, verdict), "messages": shown.messages, "parameters": shown.parameters}

    async def _decide(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        approvals, approver = self._identified(scope)
        with self._bodies.share() as share:
            body = await read_json_body(scope, receive, MOST_BODY_BYTES, share)
        try:
            verdict = _VERDICTS[_BODY.decode(body).decision]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            words = 'Send {"decision": "Approve"} or {"decision": "Deny"}.'
            raise Refused(INVALID_VALUE, words, param="decision") from None
        shown = await approvals.decide(segment(scope), approver, verdict)
        log.write("approval_decided", verdict=verdict.value, sensitivity=shown.sensitivity.value)
        return _document(shown, verdict)

    def _identified(self, scope: Scope) -> tuple[Approvals, Caller]:
        snapshot = self._lifecycle.admit()
        caller = snapshot.callers.identify(header(scope, b"authorization"))
        return snapshot.approvals, caller


def _document(shown: Shown, verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.value,
        "caller": shown.caller or None,
        "sensitivity": shown.sensitivity.value,
        "requestedAt": moment_of(shown.requested),
        "expiresAt": moment_of(shown.expires),
    }


async def _respond(send: Send, work: Awaitable[dict[str, Any]]) -> None:
    """The document, or the refusal; a request whose body was left unread is answered on a connection that closes."""
    try:
        document = await work
    except CallerGone:
        return
    except Refused as error:
        refused = error
    except StateAway:
        refused = unavailable()
    except Exception as error:  # noqa: BLE001 - the one place where a fault of ours becomes a 500
        log.write("fault", exception=type(error).__name__, at=log.place(error))
        refused = Refused(INTERNAL_ERROR, "A fault of the runtime.")
    else:
        await respond(send, 200, msgspec.json.encode(document), headers=_PRIVATE)
        return
    headers = [(b"connection", b"close"), *error_headers(refused)]
    await respond(send, refused.refusal.status, error_body(refused), headers=headers)


_PRIVATE = [(b"cache-control", b"no-store")]
