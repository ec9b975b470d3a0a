"""What each way of speaking to callers must give: their requests read into the one request that a turn works on, and
the turn's answer or refusal written back.

A dialect decides nothing: what it reads is screened, priced, routed and audited as if it had been said in any other.
To add one, write a folder beside this file with a class of this shape, and give it a path in main.py.
"""

from collections.abc import Mapping
from typing import Protocol

from regent_runtime.refusals import Refused
from regent_runtime.wire.answer import Chunk, Usage
from regent_runtime.wire.request import ChatRequest


class Dialect(Protocol):
    """Of one turn."""

    def authorization(self, stated: Mapping[bytes, str]) -> str | None:
        """What proves who calls, as an Authorization header says it; None: nothing does. `stated`: all headers."""

    def read(self, body: bytes) -> ChatRequest:
        """Raises Refused (400), naming the field; time and memory are linear in the body."""

    def writer(self, request: ChatRequest, turn_id: str, created: int) -> "Writer":
        """For the answer to what was read. `created`: seconds since 1970."""

    def error(self, refused: Refused, turn_id: str | None) -> bytes:
        """The body of a refusal. `turn_id`: None where none began."""

    def broken(self, refused: Refused, turn_id: str) -> bytes:
        """The same at the end of a stream that has begun."""


class Writer(Protocol):
    """Of one answer. `model` is the provider's model as the route names it."""

    keep_alive: bytes
    """Says in a stream that the turn goes on."""

    def completion(self, model: str, chunk: Chunk) -> bytes:
        """A whole answer."""

    def event(self, model: str, chunk: Chunk, *, first: bool) -> bytes:
        """Of a stream; empty where the dialect has nothing to say yet."""

    def end(self, model: str, usage: Usage | None) -> bytes:
        """Of a stream whose answer is whole. `usage`: None where nobody counted."""
