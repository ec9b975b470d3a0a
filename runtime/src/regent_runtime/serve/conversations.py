"""DELETE /v1/conversations/{id}: the owner lets the runtime forget a conversation. Answered as OpenAI's API does."""

import msgspec

from regent_runtime.lifecycle import Lifecycle
from regent_runtime.refusals import Refused
from regent_runtime.serve.app import segment
from regent_runtime.serve.errors import error_body, error_headers
from regent_runtime.serve.http import Receive, Scope, Send, header, respond_and_close

PATH = "/v1/conversations/{}"


class Delete:
    """The endpoint."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            id_ = await self._deleted(scope)
        except Refused as refused:
            status, body, headers = refused.refusal.status, error_body(refused), error_headers(refused)
        else:
            status, headers = 200, []
            body = msgspec.json.encode({"id": id_, "object": "conversation.deleted", "deleted": True})
        await respond_and_close(receive, send, status, body, headers)

    async def _deleted(self, scope: Scope) -> str:
        snapshot = self._lifecycle.admit()
        caller = snapshot.callers.identify(header(scope, b"authorization"))
        snapshot.callers.admit(caller)
        id_ = segment(scope)
        await snapshot.conversations.delete(id_, caller)
        return id_
