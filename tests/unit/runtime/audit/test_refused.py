import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from regent_api.audit.record import Kind, Record
from regent_api.audit.subjects import SubjectKey
from regent_runtime.audit import refused as refused_turns
from regent_runtime.audit.entry import Writer
from regent_runtime.audit.refused import BURST, MOST_WAITING, Refusals
from regent_runtime.record import REFUSED, TurnRecord
from tests.fakes import virtual_time

WRITER = Writer("demo/helper", "0")


class Notes:
    """What the journal was asked to write."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def note(self, records: Sequence[Record]) -> None:
        self.records += records


class Keys:
    """Of one subject; another's is made where it is asked for."""

    async def key(self, subject: str) -> SubjectKey:
        return await self.known(subject) or SubjectKey(subject, b"made" * 8)

    async def known(self, subject: str) -> SubjectKey | None:
        if subject == "away":
            raise OSError
        return SubjectKey(subject, bytes(32)) if subject == "a" else None


class SilentKeys(Keys):
    """They are waited for without end."""

    async def known(self, subject: str) -> SubjectKey | None:
        return await asyncio.get_running_loop().create_future()


def written(*turns: TurnRecord, keys: Keys | None = None) -> list[Record]:
    """By refusals that are stopped when they have come to rest: all of it takes no time."""
    return virtual_time.run(_written(turns, keys))


async def _written(turns: Sequence[TurnRecord], keys: Keys | None) -> list[Record]:
    notes = Notes()
    refusals = Refusals(notes, lambda: WRITER, keys or Keys())
    running = asyncio.create_task(refusals.run())
    for turn in turns:
        refusals.add(turn)
    for _ in range(5 * MOST_WAITING):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return notes.records


def refused(code: str, subject: str = "") -> TurnRecord:
    return TurnRecord(subject=subject, outcome=REFUSED, code=code)


def test_a_refused_turn_is_one_record() -> None:
    one, two, three = written(refused("token_invalid"), refused("unknown_field", "a"), refused("x", "away"))
    assert (one.kind, one.code, one.flags, one.caller, one.decision) == (
        Kind.REFUSED,
        "token_invalid",
        ["unauthorized"],
        "",
        "Deny",
    )
    assert (two.caller, three.caller) == (SubjectKey("a", bytes(32)).pseudonym, "")


def test_tries_of_one_who_has_no_key_are_told_apart_for_a_while_and_none_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refused_turns, "MOST_STRANGERS", 2)
    found = written(*[refused("caller_not_allowed", subject) for subject in ("b", "c", "b", "d", "b")])
    one, other, again, third, later = [each.caller for each in found]
    assert one == again
    made = SubjectKey("b", b"made" * 8).pseudonym
    assert len({one, other, third, later, made}) == 5
    (let_in,) = written(refused("too_many_requests", "b"))
    assert let_in.caller == made


def test_one_whose_key_is_waited_for_at_the_end_is_counted_as_those_behind_it_are() -> None:
    (counted,) = written(refused("unknown_field", "a"), *[refused("token_invalid")] * 2, keys=SilentKeys())
    assert (counted.kind, counted.counts) == (Kind.REFUSALS, {"unknown_field": 1, "token_invalid": 2})


def test_of_a_flood_every_turn_is_counted_in_few_records() -> None:
    records = written(*[refused("token_invalid")] * 5000, *[refused("token_missing")] * 70)
    singles = [each for each in records if each.kind is Kind.REFUSED]
    counts = sum((Counter(each.counts) for each in records if each.kind is Kind.REFUSALS), Counter())
    assert len(singles) == BURST
    assert len(records) - len(singles) == 1
    assert (counts["token_invalid"] + len(singles), counts["token_missing"]) == (5000, 70)
    assert records[-1].flags == ["unauthorized"]
