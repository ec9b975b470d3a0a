"""Letting go by age: whole segments, signed for, and never sooner than the floor."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regent_api.audit import content, erasures, segment
from regent_api.audit.log import Log
from regent_api.audit.note import Signer
from regent_api.audit.verify import Verified, verify
from regent_api.types import Sensitivity
from regent_operator.collector.intake import Intake
from regent_operator.collector.keys import AgentKeys
from regent_operator.collector.logs import Logs
from regent_operator.collector.retention import Retention, wanted
from regent_operator.collector.tokens import Origin
from tests.fakes.collecting import POD, Writer

ORIGIN = Origin("demo", "helper", POD)
DAY = 86_400
NOW = 1_800_000_000.0
SIGNER = Signer("collector", Ed25519PrivateKey.generate())


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    logs = Logs(tmp_path, 10**9)
    yield Intake(logs)
    logs.close()


def aged(intake: Intake, *days: float) -> list[str]:
    """A log of one segment of three records for each age; the names of its segments."""
    writer, folder = Writer(), intake.logs.folder_of(ORIGIN)
    log = Log(folder, str(ORIGIN), segment_bytes=1)
    for _ in days:
        log.take(writer.write(3))
    log.close()
    for path, age in zip(segment.segments(folder), days, strict=True):
        os.utime(path, (NOW - age * DAY, NOW - age * DAY))
    return names(intake)


def names(intake: Intake) -> list[str]:
    return [path.name for path in segment.segments(intake.logs.folder_of(ORIGIN))]


def retention(intake: Intake, floor_days: float) -> Retention:
    return Retention(intake, AgentKeys(intake.logs.folder), SIGNER, int(floor_days * DAY), lambda: NOW)


def verified(intake: Intake) -> Verified:
    (found,) = verify(intake.logs.folder, SIGNER.verifier)
    return found


async def test_segments_older_than_the_floor_go_and_the_rest_verifies(intake: Intake) -> None:
    before = aged(intake, 40, 35, 5, 1)
    await retention(intake, 30).sweep()
    assert names(intake) == before[2:]
    found = verified(intake)
    assert (found.problem, found.first, found.size, found.signed) == (None, 6, 12, 12)
    assert intake.logs.bytes == sum(path.stat().st_size for path in intake.logs.folder.rglob("*") if path.is_file())


async def test_what_a_pod_asks_for_prolongs(intake: Intake) -> None:
    before = aged(intake, 40, 35, 5)
    keeping = retention(intake, 30)
    await keeping.ask(ORIGIN, 36 * DAY)
    await keeping.sweep()
    assert names(intake) == before[1:]


async def test_what_a_pod_asks_for_never_shortens(intake: Intake) -> None:
    before = aged(intake, 20, 10)
    keeping = retention(intake, 30)
    await keeping.ask(ORIGIN, 365 * DAY)
    await keeping.ask(ORIGIN, 1)
    await keeping.sweep()
    assert names(intake) == before
    os.utime(intake.logs.folder_of(ORIGIN) / before[0], (NOW - 360 * DAY,) * 2)
    await keeping.sweep()
    assert names(intake) == before


async def test_a_log_that_begins_anew_is_asked_for_anew(intake: Intake) -> None:
    aged(intake, 400)
    keeping = retention(intake, 30)
    await keeping.ask(ORIGIN, 365 * DAY)
    await keeping.sweep()
    assert names(intake) == []
    before = aged(intake, 40)
    await keeping.ask(ORIGIN, 365 * DAY)
    await keeping.sweep()
    assert names(intake) == before


def content_of(intake: Intake, label: Sensitivity, *days: int) -> None:
    """A file of a label for each age."""
    folder = intake.logs.folder_of(ORIGIN) / content.FOLDER / label
    folder.mkdir(parents=True)
    for age in days:
        day = datetime.fromtimestamp(NOW - age * DAY, UTC).strftime("%Y-%m-%d")
        (folder / f"{day}{content.SUFFIX}").write_bytes(b"")


def content_left(intake: Intake, label: Sensitivity) -> int:
    return len([*(intake.logs.folder_of(ORIGIN) / content.FOLDER / label).iterdir()])


async def test_content_goes_with_its_class_and_never_later_than_records(intake: Intake) -> None:
    aged(intake, 1)
    for label in (Sensitivity.PUBLIC, Sensitivity.INTERNAL, Sensitivity.CONFIDENTIAL):
        content_of(intake, label, 40, 31, 30, 8, 7, 0)
    keeping = retention(intake, 30)
    await keeping.ask_of_content(ORIGIN, Sensitivity.INTERNAL, 7 * DAY)
    await keeping.ask_of_content(ORIGIN, Sensitivity.CONFIDENTIAL, 90 * DAY)
    await keeping.sweep()
    assert content_left(intake, Sensitivity.PUBLIC) == 4, "no class bounds it"
    assert content_left(intake, Sensitivity.INTERNAL) == 2
    assert content_left(intake, Sensitivity.CONFIDENTIAL) == 4
    await keeping.ask_of_content(ORIGIN, Sensitivity.INTERNAL, None)
    assert wanted(intake.logs.folder_of(ORIGIN)).content == {Sensitivity.CONFIDENTIAL: 90 * DAY}, (
        "its class bounds it no more"
    )


async def test_content_whose_record_never_came_goes_as_well(intake: Intake) -> None:
    content_of(intake, Sensitivity.PUBLIC, 40, 8)
    content_of(intake, Sensitivity.INTERNAL, 8)
    keeping = retention(intake, 30)
    await keeping.ask_of_content(ORIGIN, Sensitivity.INTERNAL, 7 * DAY)
    await keeping.sweep()
    assert (content_left(intake, Sensitivity.PUBLIC), content_left(intake, Sensitivity.INTERNAL)) == (1, 0)
    await retention(intake, 1).sweep()
    assert not intake.logs.folder_of(ORIGIN).exists()


async def test_content_that_came_before_its_records_keeps_an_old_log(intake: Intake) -> None:
    """A pod that was silent for as long as records are kept speaks again, and the collector looks in between."""
    before = aged(intake, 40)
    content_of(intake, Sensitivity.PUBLIC, 0)
    await retention(intake, 30).sweep()
    assert (names(intake), content_left(intake, Sensitivity.PUBLIC)) == (before, 1)


async def test_a_log_that_is_all_too_old_goes_as_a_whole(intake: Intake) -> None:
    aged(intake, 40, 35)
    await retention(intake, 30).sweep()
    assert not intake.logs.folder_of(ORIGIN).exists()
    assert intake.logs.bytes == 0


async def test_a_segment_missing_without_a_signature_for_it_is_found(intake: Intake) -> None:
    before = aged(intake, 40, 5, 1)
    await retention(intake, 30).sweep()
    (intake.logs.folder_of(ORIGIN) / before[1]).unlink()
    problem = verified(intake).problem
    assert problem is not None
    assert "cut at its beginning" in problem.what


async def test_notes_of_erasures_go_after_a_day(intake: Intake) -> None:
    aged(intake, 1)
    path = intake.logs.folder_of(ORIGIN).parent / erasures.FILE
    erasures.note(path, "alice", lambda: 1)
    await retention(intake, 30).sweep()
    assert path.read_bytes() == b""
