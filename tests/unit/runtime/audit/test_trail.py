"""The digest of an answer does not depend on how it came, nor on how often its outcome had to be put down."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from regent_api.audit.content import Sealed
from regent_api.audit.record import Kind, Record
from regent_api.audit.subjects import SubjectKey
from regent_api.policy import AuditContent
from regent_runtime.audit.entry import Writer
from regent_runtime.audit.trail import DIGESTED_AT_ONCE, Trail, Unwritten
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import AUDIT_UNAVAILABLE
from regent_runtime.wire.answer import Chunk, ToolCall, Usage
from regent_runtime.withheld import Withheld

KEY = SubjectKey("anna", b"k" * 32)
TEXT = "Grüße aus dem Garten. " * 40


async def followed(chunks: Sequence[Chunk], *, fails: bool = False) -> tuple[list[Record], list[Sealed]]:
    """The records of a turn's answer, whose outcome cannot be written at first where that `fails`."""
    records: list[Record] = []
    contents: list[Sealed] = []

    async def write(put: Sequence[Record], sealed: Sequence[Sealed]) -> None:
        if fails:
            raise Unwritten(AUDIT_UNAVAILABLE, "No disk.")
        note(put, sealed)

    def note(put: Sequence[Record], sealed: Sequence[Sealed]) -> None:
        records.extend(put)
        contents.extend(sealed)

    async def answer() -> AsyncIterator[Chunk]:
        for chunk in chunks:
            yield chunk

    async def release(_: Chunk) -> None:
        await asyncio.sleep(0)

    turn = TurnRecord(sensitivity="Internal")
    trail = Trail(turn, Writer("demo/a", "image"), KEY, AuditContent.ENCRYPTED, write, note)
    try:
        await trail.follow(answer(), release, lambda: None)
    except Unwritten:
        trail.close()
    return records, contents


@pytest.mark.parametrize("size", [1, 7, len(TEXT) // DIGESTED_AT_ONCE, len(TEXT)])
@pytest.mark.parametrize("fails", [False, True])
async def test_the_digest_of_an_answer_is_that_of_its_text(size: int, *, fails: bool) -> None:
    pieces = [Chunk(TEXT[at : at + size]) for at in range(0, len(TEXT), size)]
    (outcome,), (content,) = await followed([*pieces, Chunk(finish_reason="stop")], fails=fails)
    digest = KEY.digest()
    digest.update(TEXT.encode())
    assert (outcome.kind, outcome.output) == (Kind.OUTCOME, digest.hexdigest())
    assert outcome.output == KEY.digest_of(TEXT.encode())
    assert outcome.content == content.part
    assert content.part.file == f"{outcome.time[:10]}.enc"


async def test_an_answer_without_a_word_has_no_digest() -> None:
    (outcome,), contents = await followed([Chunk(finish_reason="stop")])
    assert (outcome.output, contents) == ("", [])


class Witnessed:
    """A trail, and what happened in its order: kinds of records on disk, chunks that were released, the review."""

    def __init__(self) -> None:
        self.happened: list[object] = []
        self.outcomes: list[Record] = []
        self.turn = TurnRecord(sensitivity="Internal")
        writer = Writer("demo/a", "image")
        self.trail = Trail(self.turn, writer, KEY, AuditContent.NONE, self._write, self._note)

    async def follow(self, chunks: Sequence[Chunk], error: Exception | None = None) -> None:
        async def answer() -> AsyncIterator[Chunk]:
            for chunk in chunks:
                yield chunk
            if error is not None:
                raise error

        await self.trail.follow(answer(), self._release, lambda: self.happened.append("review"))

    async def _write(self, put: Sequence[Record], sealed: Sequence[Sealed]) -> None:
        self._note(put, sealed)

    def _note(self, put: Sequence[Record], sealed: Sequence[Sealed]) -> None:
        self.happened += [each.kind for each in put]
        self.outcomes += put

    async def _release(self, chunk: Chunk) -> None:
        self.happened.append(chunk)


async def test_nothing_from_the_end_on_is_released_before_the_outcome_is_written() -> None:
    witnessed, usage = Witnessed(), Usage(7, 5, 12)
    word, end, figures = Chunk("Hi"), Chunk(finish_reason="stop"), Chunk(usage=usage)
    await witnessed.follow([word, end, figures])
    assert witnessed.happened == [word, "review", Kind.OUTCOME, end, figures]
    assert witnessed.turn.usage == usage
    assert witnessed.outcomes[0].outcome == "answered"


async def test_an_answer_that_is_withheld_is_written_down_so_before_anybody_hears_of_it() -> None:
    witnessed = Witnessed()
    with pytest.raises(Withheld):
        await witnessed.follow([], Withheld("No."))
    assert (witnessed.happened, witnessed.outcomes[0].outcome) == ([Kind.OUTCOME], "withheld")
    witnessed.trail.close()
    assert witnessed.happened == [Kind.OUTCOME]


async def test_a_turn_that_ends_otherwise_has_one_outcome_however_often_it_is_closed() -> None:
    witnessed = Witnessed()
    with pytest.raises(ConnectionError):
        await witnessed.follow([], ConnectionError())
    assert witnessed.happened == []
    witnessed.trail.close()
    witnessed.trail.close()
    assert witnessed.happened == [Kind.OUTCOME]


CALL = ToolCall("look_up", {"name": "Rose"})


@pytest.mark.parametrize(
    ("chunk", "text"), [(Chunk(refusal="No."), b"No."), (Chunk(tool_calls=(CALL,)), msgspec.json.encode([CALL]))]
)
async def test_what_a_model_refuses_and_calls_is_digested_too(chunk: Chunk, text: bytes) -> None:
    (outcome,), _ = await followed([chunk, Chunk(finish_reason="stop")])
    assert outcome.output == KEY.digest_of(text)


async def test_an_action_takes_effect_between_its_intent_and_its_outcome() -> None:
    witnessed = Witnessed()
    async with witnessed.trail.action():
        witnessed.happened.append("effect")
    assert witnessed.happened == [Kind.INTENT, "effect", Kind.OUTCOME]
    assert witnessed.outcomes[-1].outcome == "done"
