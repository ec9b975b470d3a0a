"""Subjects' keys that lapse: not before the last record of the subject may go, and never by a mistake."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regent_api.audit import segment
from regent_api.audit.log import Log
from regent_api.audit.note import Signer
from regent_api.audit.subjects import FILE, KeyFile
from regent_operator.collector import lapse
from regent_operator.collector.intake import Intake
from regent_operator.collector.keys import AgentKeys
from regent_operator.collector.logs import Logs
from regent_operator.collector.retention import Retention
from regent_operator.collector.tokens import Origin
from tests.fakes.collecting import OTHER_POD, POD, Writer

ORIGIN = Origin("demo", "helper", POD)
DAY = 86_400
FLOOR = 30 * DAY


@dataclass
class World:
    folder: Path
    now: float = 1_800_000_000.0
    keys: AgentKeys = field(init=False)

    def __post_init__(self) -> None:
        self.logs = Logs(self.folder, 10**9)
        self.open()

    def open(self) -> None:
        self.keys = AgentKeys(self.folder, now=lambda: self.now)
        signer = Signer("collector", Ed25519PrivateKey.generate())
        self.retention = Retention(Intake(self.logs), self.keys, signer, FLOOR, lambda: self.now)

    async def after(self, days: float) -> None:
        """So much later the collector looks."""
        self.now += days * DAY
        await self.retention.sweep()

    def has(self, subject: str) -> bool:
        file = KeyFile(self.folder / "demo" / "helper" / FILE)
        try:
            return file.get(subject) is not None
        finally:
            file.close()

    @property
    def places(self) -> int:
        return (self.folder / "demo" / "helper" / FILE).stat().st_size


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.keys.close()
    made.logs.close()


async def test_a_key_that_nobody_asks_for_lapses_when_records_may_go(world: World) -> None:
    world.keys.key(ORIGIN, "alice")
    await world.after(30)
    assert world.has("alice")
    await world.after(1)
    assert not world.has("alice")
    before = world.places
    world.keys.key(ORIGIN, "bob")
    assert world.places == before, "bob has her place"


@pytest.mark.parametrize("ask", [AgentKeys.key, AgentKeys.known])
async def test_a_key_that_is_asked_for_stays(world: World, ask: object) -> None:
    first = world.keys.key(ORIGIN, "alice")
    for _ in range(4):
        await world.after(20)
        assert ask(world.keys, ORIGIN, "alice") == first  # type: ignore[operator]


async def test_a_key_stays_for_as_long_as_any_log_of_its_agent(world: World) -> None:
    world.keys.key(ORIGIN, "alice")
    world.keys.key(Origin("demo", "other", OTHER_POD), "alice")
    log = Log(world.logs.folder_of(ORIGIN), str(ORIGIN))
    log.take(Writer().write(1))
    log.close()
    for path in segment.segments(world.logs.folder_of(ORIGIN)):
        os.utime(path, (world.now, world.now))
    await world.retention.ask(ORIGIN, 60 * DAY)
    await world.after(45)
    assert world.has("alice")
    assert world.keys.known(Origin("demo", "other", POD), "alice") is None


async def test_keys_of_before_lapse_when_they_were_seen_for_so_long(world: World) -> None:
    world.keys.key(ORIGIN, "alice")
    world.keys.close()
    (world.folder / "demo" / "helper" / lapse.FILE).unlink()
    world.open()
    await world.after(100)
    await world.after(30)
    assert world.has("alice")
    await world.after(1)
    assert not world.has("alice")


async def test_a_place_that_another_process_gave_back_has_the_days_of_its_new_subject(world: World) -> None:
    world.keys.key(ORIGIN, "alice")
    world.now += 25 * DAY
    other = KeyFile(world.folder / "demo" / "helper" / FILE)
    other.erase("alice")
    other.make("bob")
    other.close()
    world.keys.close()
    world.open()
    await world.after(10)
    assert world.has("bob")


async def test_a_clock_that_was_set_back_ends_no_key(world: World) -> None:
    now = world.now
    world.keys.key(ORIGIN, "alice")
    world.now = 0
    world.keys.known(ORIGIN, "alice")
    world.now = now
    await world.after(1)
    assert world.has("alice")


async def test_a_key_outlives_those_who_remember_it(world: World) -> None:
    """A pod asks a second before midnight, and writes under the key for up to an hour."""
    world.now -= world.now % DAY + 1
    world.keys.key(ORIGIN, "alice")
    await world.after(30 + 1 / 24)
    assert world.has("alice")


def test_asking_for_a_key_that_is_there_costs_no_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.keys.key(ORIGIN, "alice")
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    world.now += DAY
    world.keys.known(ORIGIN, "alice")
    assert synced == []


def test_days_that_cannot_be_kept_leave_no_file_open(world: World) -> None:
    (world.folder / "demo" / "helper" / lapse.FILE).mkdir(parents=True)
    before = open_in(world.folder)
    for _ in range(3):
        with pytest.raises(OSError, match="directory"):
            world.keys.key(ORIGIN, "alice")
    assert open_in(world.folder) == before


def open_in(folder: Path) -> list[str]:
    """Files and folders there that this process has open; others may be closed at any time, by the garbage collector."""
    links = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sorted(link for link in links if link.startswith(str(folder)))


async def test_files_that_cannot_be_read_stop_neither_retention_nor_other_agents(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.keys.key(ORIGIN, "alice")
    (world.folder / "demo" / "another").mkdir()
    (world.folder / "demo" / "another" / FILE).mkdir()
    await world.after(31)
    assert not world.has("alice")
    assert "demo/another" in caplog.text
