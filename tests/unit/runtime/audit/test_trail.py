"""The digest of an answer does not depend on how it came, nor on how often its outcome had to be put down."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from regent_api.audit.content import Sealed
from regent_api.audit.record import Kind, Record
from regent_api.audit.subjects import SubjectKey
from regent_api.policy import AuditContent
from regent_runtime.audit.entry import Writer
from regent_runtime.audit.trail import DIGESTED_AT_ONCE, Trail, Unwritten
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import AUDIT_UNAVAILABLE
from regent_runtime.wire.answer import Chunk

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


async def test_an_answer_without_a_word_has_no_digest() -> None:
    (outcome,), contents = await followed([Chunk(finish_reason="stop")])
    assert (outcome.output, contents) == ("", [])
