"""A conversation by its exchanges: what a user said, and all that followed until it spoke again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regent_runtime.wire.request import INSTRUCTING_ROLES


@dataclass(frozen=True)
class Exchange:
    """Calls of tools and their results are never in two: a user speaks only when no call is open."""

    messages: Sequence[dict[str, Any]]


def exchanges(messages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Exchange]]:
    """The messages that instruct, and all others; the last exchange is the turn that is asked now."""
    instructing = [message for message in messages if message["role"] in INSTRUCTING_ROLES]
    spoken = [message for message in messages if message["role"] not in INSTRUCTING_ROLES]
    begins = [at for at, message in enumerate(spoken) if at == 0 or message["role"] == "user"]
    ends = [*begins[1:], len(spoken)]
    return instructing, [Exchange(spoken[begin:end]) for begin, end in zip(begins, ends, strict=False)]
