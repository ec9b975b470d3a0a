"""State in Redis: what all replicas of an agent see.

One script an operation. Keys stand under `regent:{NAMESPACE/NAME}:`, one slot of a cluster, and all of them expire.
Scripts name keys that they find in indices, so the server is one Redis (with replicas for failover), no Redis Cluster
that moves slots. The clock is the server's. Redis 6.2 or newer.
"""

import asyncio
import math
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from regent_api.config import AgentIdentity
from regent_api.types import Sensitivity
from regent_runtime.state import scripts
from regent_runtime.state.contract import (
    BUSY_SECONDS,
    CONVERSATION_SECONDS,
    MEANINGS_AT_ONCE,
    MOST_APPROVALS_OF_AN_OWNER,
    MOST_MEANING_BYTES,
    MOST_MEANINGS,
    Approval,
    Attended,
    Conversation,
    Meaning,
    Meanings,
    OwnerFull,
    Purse,
    Reservation,
    Slots,
    StateAway,
    StateFull,
    Verdict,
    Visit,
    Want,
    Window,
    check_content,
)
from regent_runtime.state.link import ErrorReply, Link

MOST_CONVERSATIONS = 100_000
MOST_OF_AN_OWNER = 1000
MOST_APPROVALS = 1000
MOST_ANSWER_BYTES = 64 * 1024 * 1024
ANSWER_OVERHEAD = 1024
"""Bytes of Redis' memory that an answer takes beside its content, and its meaning less."""
_MICROS = 1_000_000
_LABELS = tuple(Sensitivity)

Word = bytes | str | int


class RedisState:
    """contract.State."""

    shared = True

    def __init__(
        self,
        link: Link,
        agent: AgentIdentity,
        *,
        clock: str | None = None,
        most_conversations: int = MOST_CONVERSATIONS,
        most_of_an_owner: int = MOST_OF_AN_OWNER,
        most_approvals: int = MOST_APPROVALS,
        most_answer_bytes: int = MOST_ANSWER_BYTES,
        most_meanings: int = MOST_MEANINGS,
    ) -> None:
        self._link = link
        self._prefix = f"regent:{{{agent.namespace}/{agent.name}}}:"
        self._clock = clock or scripts.clock()
        self._most_conversations = most_conversations
        self._most_of_an_owner = most_of_an_owner
        self._most_approvals = most_approvals
        self._most_answer_bytes = most_answer_bytes
        self._most_meanings = most_meanings

    async def take(self, wants: Sequence[Want], holder: str) -> tuple[float, ...]:
        keys = [self._bucket(want) for want in wants]
        asked = chain.from_iterable(
            ("window" if isinstance(want, Window) else "slots", want.most, _micros(want.seconds)) for want in wants
        )
        try:
            waits = await self._run("take", keys, holder, _micros(BUSY_SECONDS), *asked)
        except asyncio.CancelledError:
            await _undone(self.give_back([want.bucket for want in wants if isinstance(want, Slots)], holder))
            raise
        return tuple(wait / _MICROS for wait in waits)

    async def give_back(self, buckets: Sequence[str], holder: str) -> None:
        await self._run("give_back", [self._key("slots", bucket) for bucket in buckets], holder)

    async def reserve(self, purses: Sequence[Purse], holder: str, least: int, most: int, seconds: float) -> Reservation:
        keys = [self._key("held", holder), *(self._key("purse", purse.period, purse.bucket) for purse in purses)]
        asked: list[Word] = [word for purse in purses for word in (purse.most, purse.period)]
        try:
            granted, *left = await self._run("reserve", keys, least, most, _micros(seconds), *asked)
        except asyncio.CancelledError:
            await _undone(self.settle(holder, 0))
            raise
        return Reservation(None if granted < 0 else granted, tuple(left))

    async def settle(self, holder: str, cost: int) -> bool:
        return bool(await self._run("settle", [self._key("held", holder)], cost))

    async def begin(self, conversation: Conversation, visit: Visit) -> int:
        record: dict[str, Word] = {"label": conversation.label.rank, "nonce": conversation.nonce}
        bounds = self._most_conversations, self._most_of_an_owner
        words = *bounds, _micros(visit.seconds), *chain(*record.items())
        return int(await self._conversation("begin", conversation.id, conversation.owner, *words, pod=visit.pod))

    async def attend(self, id_: str, owner: str, visit: Visit) -> Attended | None:
        found = await self._conversation("attend", id_, owner, _micros(visit.seconds), pod=visit.pod)
        return None if found is None else Attended(_conversation(id_, owner, found[0]), int(found[1]))

    async def rest(self, id_: str, owner: str, visit: Visit) -> int:
        return int(await self._conversation("rest", id_, owner, _micros(visit.seconds), pod=visit.pod))

    async def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        return int(await self._conversation("active", "", "", _micros(seconds), *running, pod=pod))

    async def recall(self, id_: str, owner: str) -> Conversation | None:
        found = await self._conversation("recall", id_, owner)
        return None if found is None else _conversation(id_, owner, found)

    async def raise_label(self, id_: str, owner: str, label: Sensitivity) -> Sensitivity | None:
        rank = await self._conversation("raise_label", id_, owner, label.rank)
        return None if rank is None else _label(rank)

    async def shorten(self, id_: str, owner: str, seconds: float) -> bool:
        return bool(await self._conversation("shorten", id_, owner, _micros(seconds)))

    async def forget(self, id_: str, owner: str) -> bool:
        return bool(await self._conversation("forget", id_, owner))

    async def forget_all(self, owner: str) -> int:
        return int(await self._conversation("forget_all", "", owner))

    async def propose(self, approval: Approval, seconds: float) -> Approval:
        check_content(approval)
        record: dict[str, Word] = {
            "id": approval.id,
            "content": approval.content,
            "verdict": Verdict.PENDING,
            "by": "",
        }
        bounds = _micros(seconds), self._most_approvals, MOST_APPROVALS_OF_AN_OWNER
        words = approval.binding, *bounds, approval.owner, *chain(*record.items())
        said = await self._approval("propose", approval.id, *words)
        proposed = _approval(said)
        if proposed is None:
            raise OwnerFull if said else StateFull
        return proposed

    async def approval(self, id_: str) -> Approval | None:
        return _approval(await self._approval("look", id_))

    async def decide(self, id_: str, verdict: Verdict, by: str) -> Approval | None:
        return _approval(await self._approval("decide", id_, verdict, by))

    async def consume(self, id_: str, binding: str) -> bool:
        return bool(await self._approval("consume", id_, binding))

    async def discard_approvals(self, owner: str) -> int:
        return int(await self._approval("discard_approvals", "", owner))

    async def keep_answer(
        self, id_: str, owner: str, content: bytes, seconds: float, meaning: Meaning | None = None
    ) -> bool:
        bounds = _micros(seconds), self._most_answer_bytes, ANSWER_OVERHEAD
        meant = (meaning.log, meaning.content, self._most_meanings) if meaning else ()
        return bool(await self._answer("keep_answer", id_, owner, *bounds, content, *meant))

    async def kept_answer(self, id_: str) -> bytes | None:
        found: bytes | None = await self._answer("kept_answer", id_)
        return found

    async def meanings(self, log: str, after: str = "") -> Meanings:
        bounds = MEANINGS_AT_ONCE, MOST_MEANING_BYTES
        reached, more, *contents = await self._answer("meanings", "", log, after, *bounds)
        return Meanings(reached.decode(), contents, more == 1)

    async def discard_answers(self, owner: str) -> int:
        return int(await self._answer("discard_answers", "", owner))

    async def close(self) -> None:
        self._link.close()

    async def _conversation(self, name: str, id_: str, owner: str, *words: Word, pod: str = "") -> Any:
        keys = [self._key("conversation", id_), self._key("conversations"), self._key("owned", owner)]
        keys.append(self._key("active", pod))
        prefix = self._key("conversation", "")
        return await self._run(name, keys, prefix, id_, owner, _micros(CONVERSATION_SECONDS), *words)

    async def _approval(self, name: str, id_: str, *words: Word) -> Any:
        keys = [self._key("approval", id_), self._key("approvals")]
        return await self._run(name, keys, self._key("approvals", "of", ""), id_, *words)

    async def _answer(self, name: str, id_: str, *words: Word) -> Any:
        keys = [self._key("answer", id_), *(self._key("answers", index) for index in ("used", "ends", "sizes"))]
        return await self._run(name, keys, self._key("answer", ""), self._key("answers", "of", ""), id_, *words)

    async def _run(self, name: str, keys: Sequence[str], *words: Word) -> Any:
        script = scripts.script(name, self._clock)
        rest = (len(keys), *keys, *words)
        try:
            return await self._link.call("EVALSHA", script.digest, *rest)
        except ErrorReply:  # NOSCRIPT: a server that has not seen it yet
            return await self._link.call("EVAL", script.text, *rest)

    def _bucket(self, want: Want) -> str:
        return self._key("window" if isinstance(want, Window) else "slots", want.bucket)

    def _key(self, *parts: str) -> str:
        return self._prefix + ":".join(parts)


async def _undone(undo: Awaitable[Any]) -> None:
    """For a turn that ends while it waits: Redis carries out all that it was sent, in that order."""
    with suppress(StateAway):
        await undo


def _approval(found: Any) -> Approval | None:
    """From a script's `seen`; None for nil, and for the numbers that say there is no room."""
    if not isinstance(found, list):
        return None
    pairs, left = found
    raw = dict(zip(pairs[::2], pairs[1::2], strict=True))
    record = {name.decode(): value for name, value in raw.items()}
    return Approval(
        id=record["id"].decode(),
        binding=record["binding"].decode(),
        owner=record["owner"].decode(),
        content=record["content"],
        verdict=Verdict(record["verdict"].decode()),
        decided_by=record["by"].decode(),
        seconds_left=left / _MICROS,
    )


def _conversation(id_: str, owner: str, pairs: Sequence[bytes]) -> Conversation:
    record = _texts(pairs)
    return Conversation(id_, owner, _label(int(record["label"])), record["nonce"])


def _texts(pairs: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _label(rank: int) -> Sensitivity:
    """A rank that nobody knows counts as the highest."""
    return _LABELS[rank] if 0 <= rank < len(_LABELS) else _LABELS[-1]


def _micros(seconds: float) -> int:
    return math.ceil(seconds * _MICROS)
