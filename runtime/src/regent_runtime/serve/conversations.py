"""DELETE /v1/conversations/{id}: the owner lets the runtime forget a conversation. Answered as OpenAI's API does."""

from typing import Any

from regent_runtime.callers.entry import enter
from regent_runtime.serve.actions import Action, Actions
from regent_runtime.serve.app import segment
from regent_runtime.serve.http import Receive, Scope, Send, header, respond_and_close

PATH = "/v1/conversations/{}"
DELETE = "Delete"


class Delete:
    """The endpoint."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._actions.run(DELETE, lambda action: _delete(action, scope))
        if answer is not None:
            await respond_and_close(receive, send, answer.status, answer.body, answer.headers)


async def _delete(action: Action, scope: Scope) -> dict[str, Any]:
    conversations = action.snapshot.conversations
    caller = enter(action.snapshot.callers, header(scope, b"authorization"), action.record)
    found = await conversations.find(segment(scope), caller, action.record)
    async with action.takes_effect():
        await conversations.delete(found)
    return {"id": found.id, "object": "conversation.deleted", "deleted": True}
