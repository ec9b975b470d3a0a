"""Chat Completions as OpenAI's clients speak it (https://platform.openai.com/docs/api-reference/chat)."""

from collections.abc import Mapping

from regent_runtime.dialect.chat_completions.answer import AnswerWriter
from regent_runtime.dialect.chat_completions.error import error_body
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.refusals import Refused
from regent_runtime.wire import sse
from regent_runtime.wire.request import ChatRequest

PATH = "/v1/chat/completions"


class ChatCompletions:
    """dialect.Dialect."""

    read = staticmethod(parse)

    def authorization(self, stated: Mapping[bytes, str]) -> str | None:
        return stated.get(b"authorization")

    def writer(self, request: ChatRequest, turn_id: str, created: int) -> AnswerWriter:
        return AnswerWriter(turn_id, created, include_usage=request.include_usage)

    def error(self, refused: Refused, turn_id: str | None) -> bytes:
        del turn_id
        return error_body(refused)

    def broken(self, refused: Refused, turn_id: str) -> bytes:
        """No [DONE] follows."""
        del turn_id
        return sse.event(error_body(refused))
