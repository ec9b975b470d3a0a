"""The records of one turn, each on disk before what it is about happens: the intent and an attempt before a request is
sent, the outcome before the caller sees the end of the answer. Of an action: the intent before it takes effect, the
outcome before it is answered.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from regent_api.audit.content import Sealed, seal
from regent_api.audit.record import AttemptPart, Kind, Record
from regent_api.audit.subjects import SubjectKey
from regent_api.policy import AuditContent
from regent_api.types import Sensitivity
from regent_runtime.audit import entry
from regent_runtime.record import ANSWERED, DONE, WITHHELD, TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.wire.answer import Chunk
from regent_runtime.withheld import Withheld

Write = Callable[[Sequence[Record], Sequence[Sealed]], Awaitable[None]]
Note = Callable[[Sequence[Record], Sequence[Sealed]], None]

DIGESTED_AT_ONCE = 16
"""Pieces of an answer: most are a word, and to digest one costs more than to keep it for a moment."""


class Unwritten(Refused):
    """What was handed over is not on disk, and will not be."""


class Trail:
    """One turn's. `write` raises Refused where the policy denies what cannot be written down."""

    def __init__(
        self, turn: TurnRecord, writer: entry.Writer, key: SubjectKey, content: AuditContent, write: Write, note: Note
    ) -> None:
        self._turn = turn
        self._writer = writer
        self._key = key
        self._write, self._note = write, note
        self._keeps = content is AuditContent.ENCRYPTED
        self._records: list[Record] = []
        """Not written yet, and neither is the content of some."""
        self._contents: list[Sealed] = []
        self._said: list[str] = []
        self._unwritten: list[str] = []
        """Texts of the answer that the digest lacks."""
        self._output: hmac.HMAC | None = None
        self._concluded = False

    def intend(self, texts: Iterable[str]) -> None:
        """The turn has passed all that can stop it. On disk together with the first attempt, at the latest.

        `texts`: what the model will read of the caller.
        """
        said = list(texts)
        marked = [b"%d\n%b" % (len(text), text.encode()) for text in said]
        self._put(
            Kind.INTENT,
            said,
            decision="Allow",
            **entry.decided(self._turn),
            input=self._key.digest_of(b"".join(marked)),
        )

    @asynccontextmanager
    async def action(self) -> AsyncIterator[None]:
        """While open, an action takes effect; an outcome that is not `done` is left to `close`. Raises Refused."""
        self._put(Kind.INTENT, None, decision="Allow", decisions=entry.decisions(self._turn.decisions))
        await self._flush()
        yield
        await self._conclude(DONE)

    async def attempt(self, provider: str, model: str, detail: str = "") -> None:
        """Returns when the attempt is on disk, and all before it. Raises Refused."""
        self._put(Kind.ATTEMPT, None, attempts=[AttemptPart(provider=provider, model=model, detail=detail)])
        await self._flush()

    async def follow(
        self, chunks: AsyncIterator[Chunk], release: Callable[[Chunk], Awaitable[None]], review: Callable[[], None]
    ) -> None:
        """Release the answer; its end only when the outcome is on disk. Raises Refused, and what both others raise.

        `review` is called when all has come, and may still decide something that the outcome tells.
        """
        held: list[Chunk] = []
        try:
            async for chunk in chunks:
                self._saw(chunk)
                if held or chunk.finish_reason:
                    held.append(chunk)
                else:
                    await release(chunk)
        except Withheld:
            await self._conclude(WITHHELD)
            raise
        review()
        await self._conclude(ANSWERED)
        for chunk in held:
            await release(chunk)

    def close(self) -> None:
        """The turn has ended; an outcome that is not written yet is written soon."""
        if not self._concluded:
            self._concluded = True
            self._put_outcome()
            self._note(self._records, self._contents)

    async def _conclude(self, outcome: str) -> None:
        self._turn.outcome = outcome
        self._put_outcome()
        self._concluded = True  # by what is handed over now, also where the turn ends before it is on disk
        try:
            await self._flush()
        except Unwritten:
            self._concluded = False
            raise

    def _put_outcome(self) -> None:
        output = self._digested()
        self._put(Kind.OUTCOME, [*self._said, *self._unwritten] or None, output=output, **entry.ending(self._turn))

    def _saw(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self._turn.usage = chunk.usage
        if chunk.content or chunk.refusal:
            self._unwritten.append(chunk.content or chunk.refusal)
        if chunk.tool_calls:
            self._unwritten.append(msgspec.json.encode(chunk.tool_calls).decode())
        if len(self._unwritten) >= DIGESTED_AT_ONCE:
            self._output = self._output or self._key.digest()
            self._output.update(self._heard_since())

    def _heard_since(self) -> bytes:
        """What the digest of the output lacks."""
        text = "".join(self._unwritten)
        if self._keeps:
            self._said += self._unwritten
        self._unwritten = []
        return text.encode()

    def _digested(self) -> str:
        """The digest of all that was heard; empty where nothing was."""
        if self._output is None:
            return self._key.digest_of("".join(self._unwritten).encode()) if self._unwritten else ""
        self._output.update(self._heard_since())
        return self._output.hexdigest()

    def _put(self, kind: Kind, texts: list[str] | None, **fields: Any) -> None:
        record = self._writer.of_turn(kind, self._turn, caller=self._key.pseudonym, **fields)
        if self._keeps and texts is not None:
            sealed = self._sealed(record, texts)
            self._contents.append(sealed)
            record = msgspec.structs.replace(record, content=sealed.part)
        self._records.append(record)

    def _sealed(self, record: Record, texts: list[str]) -> Sealed:
        plain = msgspec.json.encode({"kind": record.kind, "texts": texts})
        label = Sensitivity(self._turn.sensitivity)
        return seal(plain, turn=self._turn.id, label=label, day=record.time[:10], key=self._key)

    async def _flush(self) -> None:
        records, sealed = self._records, self._contents
        self._records, self._contents = [], []
        await self._write(records, sealed)
