"""State within the process: one replica's, and gone with it.

Nothing here waits, so each operation is atomic by the event loop alone. The clock is the process's monotonic one.
"""

import time
from collections.abc import Callable, Sequence

from regent_api.types import Sensitivity
from regent_runtime.state.answers import MOST_BYTES, Answers
from regent_runtime.state.approvals import Approvals
from regent_runtime.state.contract import (
    MOST_MEANINGS,
    Approval,
    Attended,
    Conversation,
    Meaning,
    Meanings,
    Purse,
    Reservation,
    Verdict,
    Visit,
    Want,
)
from regent_runtime.state.conversations import Conversations
from regent_runtime.state.purses import Purses
from regent_runtime.state.takes import Takes


class PodState:
    """contract.State. It is never away."""

    shared = False

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        most_answer_bytes: int = MOST_BYTES,
        most_meanings: int = MOST_MEANINGS,
    ) -> None:
        self._takes = Takes(now)
        self._conversations = Conversations(now)
        self._purses = Purses(now, self._conversations.knows)
        self._approvals = Approvals(now)
        self._answers = Answers(now, most_bytes=most_answer_bytes, most_meanings=most_meanings)

    async def take(self, wants: Sequence[Want], holder: str) -> tuple[float, ...]:
        return self._takes.take(wants, holder)

    async def give_back(self, buckets: Sequence[str], holder: str) -> None:
        self._takes.give_back(buckets, holder)

    async def reserve(self, purses: Sequence[Purse], holder: str, least: int, most: int, seconds: float) -> Reservation:
        return self._purses.reserve(purses, holder, least, most, seconds)

    async def settle(self, holder: str, cost: int) -> bool:
        return self._purses.settle(holder, cost)

    async def begin(self, conversation: Conversation, visit: Visit) -> int:
        return self._conversations.begin(conversation, visit)

    async def attend(self, id_: str, owner: str, visit: Visit) -> Attended | None:
        return self._conversations.attend(id_, owner, visit)

    async def rest(self, id_: str, owner: str, visit: Visit) -> int:
        return self._conversations.rest(id_, owner, visit)

    async def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        return self._conversations.active(pod, running, seconds)

    async def recall(self, id_: str, owner: str) -> Conversation | None:
        return self._conversations.recall(id_, owner)

    async def raise_label(self, id_: str, owner: str, label: Sensitivity) -> Sensitivity | None:
        return self._conversations.raise_label(id_, owner, label)

    async def shorten(self, id_: str, owner: str, seconds: float) -> bool:
        return self._conversations.shorten(id_, owner, seconds)

    async def forget(self, id_: str, owner: str) -> bool:
        return self._conversations.forget(id_, owner)

    async def forget_all(self, owner: str) -> int:
        return self._conversations.forget_all(owner)

    async def propose(self, approval: Approval, seconds: float) -> Approval:
        return self._approvals.propose(approval, seconds)

    async def approval(self, id_: str) -> Approval | None:
        return self._approvals.approval(id_)

    async def decide(self, id_: str, verdict: Verdict, by: str) -> Approval | None:
        return self._approvals.decide(id_, verdict, by)

    async def consume(self, id_: str, binding: str) -> bool:
        return self._approvals.consume(id_, binding)

    async def discard_approvals(self, owner: str) -> int:
        return self._approvals.discard(owner)

    async def keep_answer(
        self, id_: str, owner: str, content: bytes, seconds: float, meaning: Meaning | None = None
    ) -> bool:
        return self._answers.keep(id_, owner, content, seconds, meaning)

    async def kept_answer(self, id_: str) -> bytes | None:
        return self._answers.kept(id_)

    async def meanings(self, log: str, after: str = "") -> Meanings:
        return self._answers.meanings(log, after)

    async def discard_answers(self, owner: str) -> int:
        return self._answers.discard(owner)

    async def close(self) -> None:
        """Nothing is held."""
