"""Messages as Anthropic's clients speak it (https://platform.claude.com/docs/en/api/messages)."""

import re
from collections.abc import Mapping

from regent_runtime.dialect.messages import request as messages_request
from regent_runtime.dialect.messages.answer import MessageWriter
from regent_runtime.dialect.messages.error import error_body
from regent_runtime.dialect.messages.history import SYSTEM
from regent_runtime.refusals import Refused
from regent_runtime.wire.request import ChatRequest

PATH = "/v1/messages"
_NAMES = {
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
}
"""What a turn calls by other names."""
_MESSAGE = re.compile(r"messages\[(\d+)\](\.\w+)?")


class Messages:
    """dialect.Dialect."""

    def __init__(self) -> None:
        self._places: tuple[str, ...] = ()

    def authorization(self, stated: Mapping[bytes, str]) -> str | None:
        """`x-api-key` bears the same token. Two that differ count as one that proves nobody."""
        bearer, key = stated.get(b"authorization"), stated.get(b"x-api-key")
        if key is None:
            return bearer
        if bearer is None:
            return f"Bearer {key}"
        return bearer if bearer.partition(" ")[2].strip() == key.strip() else f"{bearer}, Bearer {key}"

    def read(self, body: bytes) -> ChatRequest:
        read = messages_request.parse(body)
        self._places = read.places
        return read.request

    def writer(self, request: ChatRequest, turn_id: str, created: int) -> MessageWriter:
        del request, created
        return MessageWriter(turn_id)

    def error(self, refused: Refused, turn_id: str | None) -> bytes:
        return error_body(refused, turn_id, self._named)

    def broken(self, refused: Refused, turn_id: str) -> bytes:
        """No message_stop follows."""
        return b"event: error\ndata: %b\n\n" % self.error(refused, turn_id)

    def _named(self, param: str) -> str:
        """What the caller calls a field of the turn. What was not read is named as it was written."""
        if not self._places:
            return param
        match = _MESSAGE.fullmatch(param)
        if match is None or int(match[1]) >= len(self._places):
            return _NAMES.get(param, param)
        place, field = self._places[int(match[1])], match[2] or ""
        if place == SYSTEM:
            return place
        return f"{place}{'.content' if field == '.tool_calls' else field}"
