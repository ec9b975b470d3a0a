"""What each wire format of providers must give: requests written in it, and its answers read into chunks of ours.

To add one, write a module beside this one with a class of this shape and name it in `formats.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.wire.answer import Chunk, ErrorInAnswer
from regent_runtime.wire.request import ChatRequest


@dataclass(frozen=True)
class Outbound:
    """A request as it goes to a provider; credentials are the transport's."""

    path: str
    """Behind the provider's base URL; with a query where the format has one."""
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    echoed: int = 0
    """Bytes, at most, of the request that the answer repeats."""


class StreamReader(Protocol):
    """One streamed answer."""

    over: bool
    """Whether the format's own end was read; what follows is not looked at."""

    def read(self, data: bytes) -> Chunk:
        """The data of one event; an empty chunk where it says nothing for the caller.

        Raises MalformedAnswer, ErrorInAnswer.
        """


class WireFormat(Protocol):
    def inexpressible(self, request: ChatRequest, provider: ProviderConfig) -> str | None:
        """The field that cannot be told to the provider with its meaning, as a refusal names it; None: all can.

        It is then no candidate: nothing that a caller asks for is dropped or bent on the way.
        """

    def outbound(self, request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> Outbound:
        """The agent's instructions first, parameters within the caps of all."""

    def whole(self, body: bytes) -> Chunk:
        """A plain answer. Raises MalformedAnswer, ErrorInAnswer."""

    def stream(self) -> StreamReader: ...


_LONGEST_CODE = 64


def told(error: Any) -> ErrorInAnswer:
    """What an error object says: its word for the class, `code`, else `type`; empty where there is none.

    Some servers have a number for `code`: the status that the answer would have had.
    """
    code, kind = (error.get("code"), error.get("type")) if isinstance(error, dict) else (None, None)
    word = next((each for each in (code, kind) if isinstance(each, str) and each), "")
    return ErrorInAnswer(word[:_LONGEST_CODE], _status(code))


def _status(code: Any) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:4])
    return code if type(code) is int and 400 <= code < 600 else None
