"""The pod's disk: full, bounded, and let go by retention."""

import asyncio
import errno
import resource
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from regent_api.audit import content, segment
from regent_api.audit.content import seal
from regent_api.audit.contents import Contents
from regent_api.audit.frame import Damaged, frames
from regent_api.audit.log import Log
from regent_api.audit.record import DecisionPart, Kind, decode
from regent_api.audit.subjects import SubjectKey
from regent_api.audit.verify import verify
from regent_api.types import Sensitivity
from regent_runtime.audit.disk import Disk, Keeping, stamp
from regent_runtime.audit.entry import Writer
from regent_runtime.audit.journal import AuditFailed, Journal
from tests.contract.audit.test_turns import document
from tests.contract.processes import request, running
from tests.contract.streams import Stream
from tests.enforces import enforces
from tests.fakes.audit import NAME, record
from tests.fakes.collecting import POD
from tests.fakes.provider import answers, gated, provider
from tests.fakes.serving import serving

NOW = datetime.now(UTC)
KEY = SubjectKey("somebody", bytes(32))


@enforces("audit.onFailure")
async def test_a_disk_that_is_full_in_mid_stream_is_a_typed_error_and_then_turns_are_denied(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        provider(gated(gate, "Hel", "lo."), answers("Hi.")) as fake,
        running(tmp_path, document(fake.url)) as pod,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(f"{pod.url}/v1/chat/completions", **request(stream=True)) as response:
            stream = Stream(response)
            assert await stream.content() == "Hel"
            (log,) = segment.segments(tmp_path / "audit")
            most = resource.RLIM_INFINITY
            resource.prlimit(pod.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 100, most))
            gate.set()
            assert await stream.content() == "lo."
            assert (await stream.event())["error"]["code"] == "audit_unavailable"
            assert (await response.content.read()).strip() == b""
        async with http.post(f"{pod.url}/v1/chat/completions", **request()) as refused:
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert (await refused.json())["error"]["code"] == "audit_unavailable"
        assert len(fake.requests) == 1
        status = await (await http.get(f"{pod.status_url}/statusz")).json()
        assert (status["audit"]["failing"], status["audit"]["lost"] > 2) == ("disk_full", True)
        resource.prlimit(pod.process.pid, resource.RLIMIT_FSIZE, (most, most))
        async with http.post(f"{pod.url}/v1/chat/completions", **request()) as answered:
            assert answered.status == 200
        status = await (await http.get(f"{pod.status_url}/statusz")).json()
        assert status["audit"]["failing"] == ""
    (found,) = verify(tmp_path / "audit")
    assert (found.problem, found.lost > 2, len(found.interrupted)) == (None, True, 1)


def written(disk: Disk, days_old: int, count: int = 1) -> None:
    for _ in range(count):
        disk.commit([record(Kind.REFUSED, turn="t", code="x" * 200)], [])


def test_a_turn_that_decided_more_than_a_record_holds_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    policies = [f"demo/{number:060}" for number in range(16)]
    made = [DecisionPart(stage="input", action="Audit", policies=policies)] * 64
    for _ in range(2):
        disk = Disk(tmp_path)
        disk.open(NAME)
        disk.commit([record(Kind.OUTCOME, turn="t", decisions=made)], [])
        disk.close()
    (found,) = verify(tmp_path)
    assert (found.problem, found.size) == (None, 2)


def test_a_log_at_its_bound_takes_no_record_or_lets_the_oldest_go(tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_bytes=20_000, segment_bytes=2000)
    disk.open(NAME)
    with pytest.raises(OSError, match="bound") as full:
        written(disk, 0, 100)
    assert full.value.errno == errno.ENOSPC
    size = disk.log.chain.size
    disk.keeping = Keeping(1e9, drops_oldest=True)
    written(disk, 0, 50)
    disk.close()
    (found,) = verify(tmp_path)
    assert (found.size, found.problem) == (size + 50, None)
    assert disk.dropped == found.first > 0
    assert sum(path.stat().st_size for path in segment.segments(tmp_path)) == disk.log.kept <= 20_000


def test_what_a_collector_has_goes_first(tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_bytes=20_000, segment_bytes=2000)
    disk.open(NAME)
    disk.kept_elsewhere = lambda: disk.log.chain.size
    written(disk, 0, 200)
    disk.close()
    assert (disk.dropped, verify(tmp_path)[0].size) == (0, 200)


def said(disk: Disk, count: int) -> None:
    """Records with a kilobyte of content each."""
    for _ in range(count):
        sealed = seal(b"x" * 1000, turn="t", label=Sensitivity.INTERNAL, day="2026-11-27", key=KEY)
        disk.commit([record(Kind.OUTCOME, turn="t", content=sealed.part)], [sealed])


def content_kept(folder: Path) -> list[str]:
    return sorted(path.name for path in content.files(folder))


def test_content_that_a_collector_has_goes_before_a_turn_is_denied(tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_bytes=30_000, segment_bytes=2000, content_bytes=5000)
    disk.open(NAME)
    disk.kept_elsewhere = lambda: disk.log.chain.size
    with pytest.raises(OSError, match="bound"):
        said(disk, 40)
    shipped = Path(tmp_path, "content", "Internal", "2026-11-27.1.enc")
    disk.content_elsewhere = lambda path: path == shipped
    said(disk, 1)
    names = content_kept(tmp_path)
    assert shipped.name not in names
    assert "2026-11-27.enc" in names
    disk.content_elsewhere = lambda _: True
    said(disk, 100)
    assert disk.dropped == 0
    assert sum(path.stat().st_size for path in content.files(tmp_path)) == disk.contents.kept <= 30_000


def test_where_turns_go_on_the_oldest_content_goes_before_records(tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_bytes=60_000, segment_bytes=2000, content_bytes=5000)
    disk.open(NAME)
    disk.keeping = Keeping(1e9, drops_oldest=True)
    written(disk, 0, 30)
    said(disk, 60)
    disk.close()
    assert (disk.dropped, verify(tmp_path)[0].size) == (0, 90)
    assert "2026-11-27.enc" not in content_kept(tmp_path)


def test_no_record_goes_where_that_makes_not_enough_room(tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_bytes=20_000, segment_bytes=2000)
    disk.open(NAME)
    disk.keeping = Keeping(1e9, drops_oldest=True)
    written(disk, 0, 20)
    large = seal(b"x" * 20_000, turn="t", label=Sensitivity.INTERNAL, day="2026-11-27", key=KEY)
    with pytest.raises(OSError, match="bound"):
        disk.commit([record(Kind.OUTCOME, turn="t", content=large.part)], [large])
    assert (disk.dropped, disk.log.first) == (0, 0)


def age(folder: Path, days: list[int]) -> None:
    """A log with a segment and a piece of content for each of these ages."""
    log = Log(folder, NAME, segment_bytes=1)
    for old in days:
        moment = stamp(NOW - timedelta(days=old))
        log.append([record(Kind.REFUSED).__class__(kind=Kind.REFUSED, id="i", time=moment, agent="demo/helper")])
        for label in (Sensitivity.PUBLIC, Sensitivity.RESTRICTED):
            sealed = content.seal(b"said", turn="t", label=label, day=moment[:10], key=KEY)
            path = content.path_of(folder, sealed.part)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sealed.data)
    log.close()


def ages(folder: Path) -> tuple[int, Counter[str]]:
    """How many old records and pieces of content are there."""
    records = [
        decode(payload) for _, payload in segment.payloads(folder, segment.first_of(segment.segments(folder)[0]))
    ]
    kept = [each for each in records if each.id == "i"]
    return len(kept), Counter(each.label for each in content.stored(folder))


@enforces("audit.retention", "data.classes.*.retention")
@pytest.mark.parametrize(
    ("days", "restricted_days", "kept", "content_kept"),
    [
        (365, None, 4, {"Public": 4, "Restricted": 4}),
        (50, None, 3, {"Public": 2, "Restricted": 2}),
        (365, 25, 4, {"Public": 4, "Restricted": 1}),
    ],
)
async def test_records_and_content_go_when_their_retention_ends(
    tmp_path: Path, days: int, restricted_days: int | None, kept: int, content_kept: dict[str, int]
) -> None:
    age(tmp_path / "audit", [100, 60, 40, 20])
    retention = {} if restricted_days is None else {"Restricted": {"retentionSeconds": restricted_days * 86_400}}
    more = {"policy": {"data": {"classes": retention}}}
    audit = {"retentionSeconds": days * 86_400}
    async with provider() as fake, serving(tmp_path, document(fake.url, audit=audit, **more)) as served:
        assert (await served.ask())[0] == 200
    assert ages(tmp_path / "audit") == (kept, Counter(content_kept))
    assert verify(tmp_path / "audit")[0].problem is None


@enforces("audit.onFailure")
@pytest.mark.parametrize(("on_failure", "status"), [("Deny", 503), ("Continue", 200)])
async def test_a_log_that_its_disk_changed_is_kept_and_not_gone_on_with(
    tmp_path: Path, on_failure: str, status: int
) -> None:
    log = Log(tmp_path / "audit", f"demo/helper/{POD}")
    log.append([record() for _ in range(12)])
    log.close()
    (path,) = segment.segments(tmp_path / "audit")
    data = bytearray(path.read_bytes())
    data[[each.start for each in frames(bytes(data))][1 + 3] + 40] ^= 4
    path.write_bytes(data)
    async with (
        provider(answers("Hi.")) as fake,
        running(tmp_path, document(fake.url, audit={"onFailure": on_failure}), POD_UID=POD) as pod,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(f"{pod.url}/v1/chat/completions", **request()) as answered:
            assert answered.status == status
        told = await (await http.get(f"{pod.status_url}/statusz")).json()
        assert told["audit"]["failing"] == "log_damaged"
    assert path.read_bytes() == bytes(data)


async def test_damage_is_looked_at_once_and_never_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look reads a whole segment: turns go on under `Continue`, so it would be read with every commit."""
    looks = []

    def damaged(data: bytes) -> None:
        looks.append(len(data))
        raise Damaged("here")

    log = Log(tmp_path, "demo/helper/uid")
    log.append([record()])
    log.close()
    monkeypatch.setattr(segment, "tail", damaged)
    journal = Journal(Disk(tmp_path), lambda size, payloads: None)
    journal.begin("demo/helper/uid", Writer("demo/helper", ""))
    running = asyncio.create_task(journal.run())
    for _ in range(3):
        with pytest.raises(AuditFailed, match="log_damaged"):
            await journal.write([record()])
    running.cancel()
    await asyncio.wait([running])
    assert len(looks) == 1


async def test_a_disk_that_fails_at_its_close_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "gone")

    disk = Disk(tmp_path)
    journal = Journal(disk, lambda size, payloads: None)
    journal.begin("demo/helper/uid", Writer("demo/helper", ""))
    monkeypatch.setattr(disk, "close", fail)
    running = asyncio.create_task(journal.run())
    await journal.write([record()])
    assert [each for each in threading.enumerate() if each.name == "audit"]
    running.cancel()
    with pytest.raises(OSError, match="gone"):
        await running
    assert not [each for each in threading.enumerate() if each.name == "audit"]


def test_content_that_a_disk_changed_is_not_cut(tmp_path: Path) -> None:
    sealed = [seal(b"x" * 300, turn="t", label=Sensitivity.PUBLIC, day="2026-11-26", key=KEY) for _ in range(3)]
    contents = Contents(tmp_path)
    contents.add(sealed[:2])
    contents.close()
    (path,) = content.files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + sealed[2].data[:-1])
    contents = Contents(tmp_path)
    contents.add(sealed[2:])
    contents.close()
    assert path.read_bytes() == whole + sealed[2].data, "a torn end is cut"
    changed = bytearray(whole)
    changed[20] ^= 4
    path.write_bytes(changed)
    with pytest.raises(Damaged):
        Contents(tmp_path).add(sealed[2:])
    assert path.read_bytes() == bytes(changed)
