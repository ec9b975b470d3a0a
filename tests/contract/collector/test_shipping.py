"""A pod's log on its way to a real collector, which is killed, started again, and lied to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regent_api.audit import segment
from regent_api.audit.content import files, path_of, seal, texts
from regent_api.audit.contents import Contents
from regent_api.audit.erase import erase
from regent_api.audit.frame import CONTENT, frame
from regent_api.audit.log import Log
from regent_api.audit.record import Kind, Record
from regent_api.audit.subjects import SubjectKey, subject_digest
from regent_api.audit.verify import verify
from regent_api.types import Sensitivity
from regent_operator.collector.disk import append_durably
from regent_operator.collector.retention import wanted
from regent_operator.collector.server import LARGEST_BATCH
from regent_runtime.audit import collectorkeys, contentshipping, shipping
from regent_runtime.audit.collector import Collector, CollectorAway, CollectorRefused, Erasures
from regent_runtime.audit.collectorkeys import CollectorKeys
from regent_runtime.audit.contentshipping import ContentShipping
from regent_runtime.audit.keys import PodKeys
from regent_runtime.audit.shipping import ShipmentFailed, Shipping
from tests.fakes.collecting import POD, CollectorProcess, Writer, collector, token
from tests.fakes.waiting import eventually

NAME = f"demo/helper/{POD}"


@dataclass
class Pod:
    """A log on a disk of its own, and what ships it."""

    log: Log
    client: Collector
    shipping: Shipping
    contents: ContentShipping

    def write(self, count: int = 1, code: str = "") -> int:
        made = [
            Record(id="r", kind=Kind.OUTCOME, time="2026-11-26T00:00:00.000000Z", agent="demo/helper", code=code)
            for _ in range(count)
        ]
        payloads = self.log.append(made)
        self.shipping.offer(self.log.chain.size, payloads)
        return self.log.chain.size


class OfBefore(Collector):
    """Knows no names of further files of a day, until it is `upgraded`; or fails of itself, as `reason` says."""

    upgraded = False
    reason = "malformed"

    async def content_size(self, name: str) -> int:
        if name.endswith(".1.enc") and not self.upgraded:
            raise CollectorRefused(self.reason, None)
        return await super().content_size(name)


@asynccontextmanager
async def pod(
    folder: Path, at: CollectorProcess, cidr: str = "127.0.0.0/8", speaks: type[Collector] = Collector
) -> AsyncIterator[Pod]:
    """One that runs; started again over the same folder it is the same pod whose container restarted."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    (folder / "token").write_text(token())
    async with speaks(at.url, folder / "token", lambda: [cidr]) as client:
        contents = ContentShipping(folder / "log", client, lambda _: 3600.0)
        shipping = Shipping(folder / "log", client, lambda: 86_400.0, contents)
        sending = asyncio.create_task(shipping.run())
        log = Log(folder / "log", NAME)
        try:
            yield Pod(log, client, shipping, contents)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            log.close()


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    append_durably(path, data)


def kept(at: CollectorProcess) -> list[bytes]:
    return [payload for _, payload in segment.payloads(at.logs / NAME)]


async def shipped(one: Pod, size: int) -> None:
    async def now() -> int:
        return one.shipping.kept

    await eventually(now, lambda kept: kept == size)


async def test_a_record_is_acknowledged_when_the_collector_has_it(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        for _ in range(3):
            size = one.write(2)
            await one.shipping.acknowledged(size)
            assert await at.held() == size == one.shipping.kept


async def test_while_the_collector_is_away_nothing_is_acknowledged_and_later_all_of_it_is(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        await one.shipping.acknowledged(one.write())
        await at.kill()
        size = one.write(1500)
        with pytest.raises(ShipmentFailed, match="collector_unreachable"):
            await one.shipping.acknowledged(size)
        assert one.shipping.failing == "unreachable"
        await at.start()
        await shipped(one, size)
        await one.shipping.acknowledged(size)
        assert one.shipping.failing == ""
        assert kept(at) == [payload for _, payload in segment.payloads(tmp_path / "pod" / "log")]


async def test_through_kills_of_both_nothing_acknowledged_is_lost_and_nothing_kept_twice(tmp_path: Path) -> None:
    async with collector(tmp_path) as at:
        acknowledged = 0
        for _ in range(4):
            async with pod(tmp_path / "pod", at) as one:
                for _ in range(5):
                    size = one.write(40)
                await one.shipping.acknowledged(size)
                acknowledged = size
                one.write(300)  # on its way, or not, when both end
                await at.kill()
            await at.start()
            assert await at.held() >= acknowledged
        async with pod(tmp_path / "pod", at) as one:
            size = one.write()
            await shipped(one, size)
        assert kept(at) == [payload for _, payload in segment.payloads(tmp_path / "pod" / "log")]
        key = await at.verifier()
        assert await at.stop() == 0
        (found,) = verify(at.logs, key)
        assert (found.problem, found.size, found.signed) == (None, size, size)


async def test_what_is_left_is_sent_at_the_end_within_a_bound(tmp_path: Path) -> None:
    async with collector(tmp_path) as at:
        (tmp_path / "token").write_text(token())
        async with Collector(at.url, tmp_path / "token", lambda: ["127.0.0.0/8"]) as client:
            contents = ContentShipping(tmp_path / "log", client, lambda _: None)
            shipping = Shipping(tmp_path / "log", client, lambda: 0.0, contents)
            writer = Writer()
            shipping.offer(3, writer.write(3))
            assert await shipping.drain()
            assert await at.held() == 3
            await at.kill()
            shipping.offer(4, writer.write(1))
            assert not await shipping.drain()


@pytest.mark.parametrize("longer", [True, False], ids=["longer than the pod's", "of the same length"])
async def test_another_log_under_the_pods_name_is_never_taken_for_its_own(tmp_path: Path, longer: bool) -> None:
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        await at.take(Writer().write(5 if longer else 1))
        size = one.write(1, code="mine")
        with pytest.raises(ShipmentFailed, match="collector_fork"):
            await one.shipping.acknowledged(size)
        assert one.shipping.kept == 0


async def test_a_token_that_the_collector_refuses_acknowledges_nothing_and_a_renewed_one_is_read(
    tmp_path: Path,
) -> None:
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        (tmp_path / "pod" / "token").write_text(token(exp=1))
        with pytest.raises(ShipmentFailed, match="collector_token_refused"):
            await one.shipping.acknowledged(one.write())
        (tmp_path / "pod" / "token").write_text(token())
        await shipped(one, 1)


async def test_no_address_outside_the_cluster_is_connected_to(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at, cidr="10.0.0.0/8") as one:
        with pytest.raises(ShipmentFailed, match="collector_address_outside_cluster"):
            await one.shipping.acknowledged(one.write())
        assert kept(at) == []


async def test_encrypted_content_is_at_the_collector_before_the_record_that_names_it(tmp_path: Path) -> None:
    key = SubjectKey("alice", b"k" * 32)
    async with collector(tmp_path) as at:
        for number in range(3):
            async with pod(tmp_path / "pod", at) as one:
                text = f"said {number}".encode()
                sealed = seal(text, turn=f"t{number}", label=Sensitivity.INTERNAL, day="2026-11-26", key=key)
                await asyncio.to_thread(Contents(one.log.folder, file_bytes=1).add, [sealed])
                await one.shipping.acknowledged(one.write())
                assert len(files(one.log.folder)) == number + 1
                assert all(map(one.contents.has, files(one.log.folder)))
            kept_content = sorted(said for _, said in texts(at.logs / NAME, key))
            assert kept_content == [b"said %d" % n for n in range(number + 1)]
            await at.kill()
            await at.start()
    asked = wanted(at.logs / NAME)
    assert (asked.seconds, asked.content) == (86_400, {"Internal": 3600})


def say(one: Pod, count: int, key: SubjectKey) -> None:
    """So many texts of a day, each in a file of its own."""
    for number in range(count):
        sealed = seal(b"said %d" % number, turn="t", label=Sensitivity.INTERNAL, day="2026-11-26", key=key)
        Contents(one.log.folder, file_bytes=1).add([sealed])


async def test_a_file_that_the_collector_refuses_keeps_no_record_and_no_other_file_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contentshipping, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(shipping, "AGAIN_SECONDS", 0.05)
    key = SubjectKey("alice", b"k" * 32)
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at, speaks=OfBefore) as one:
        await asyncio.to_thread(say, one, 3, key)
        for _ in range(2):
            await one.shipping.acknowledged(one.write())
        assert sorted(said for _, said in texts(at.logs / NAME, key)) == [b"said 0", b"said 2"]
        assert [path.name for path in files(one.log.folder) if not one.contents.has(path)] == ["2026-11-26.1.enc"]
        assert (one.shipping.failing, one.contents.refused) == ("malformed", 1)
        assert not await one.shipping.drain()

        monkeypatch.setattr(OfBefore, "upgraded", True)

        async def refused() -> int:
            return one.contents.refused

        await eventually(refused, lambda count: count == 0)
        assert sorted(said for _, said in texts(at.logs / NAME, key)) == [b"said 0", b"said 1", b"said 2"]
        assert one.shipping.failing == ""
        assert await one.shipping.drain()


@pytest.mark.parametrize("reason", ["gap", "full", "disk", "token_refused", "too_slow"])
async def test_a_record_waits_for_its_content_while_the_collector_can_take_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(OfBefore, "reason", reason)
    monkeypatch.setattr(shipping, "ACKNOWLEDGED_SECONDS", 0.2)
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at, speaks=OfBefore) as one:
        await asyncio.to_thread(say, one, 2, SubjectKey("alice", b"k" * 32))
        size = one.write()

        async def failing() -> str:
            return one.shipping.failing

        await eventually(failing, lambda word: word == reason)
        with pytest.raises(ShipmentFailed, match=f"collector_{reason}"):
            await one.shipping.acknowledged(size)
        assert (await at.held(), one.contents.refused) == (0, 0)


async def test_a_file_that_was_refused_is_left_alone_for_a_minute(tmp_path: Path) -> None:
    now, folder = 0.0, tmp_path / "log" / "content" / "Internal"
    await asyncio.to_thread(put, folder / "2026-11-26.enc", frame(CONTENT, b"x"))
    asked = 0

    class Refusing:
        async def content_size(self, _: str) -> int:
            nonlocal asked
            asked += 1
            raise CollectorRefused("malformed", None)

    refusing: Any = Refusing()
    contents = ContentShipping(tmp_path / "log", refusing, lambda _: None, lambda: now)
    for moment, times in ((0.0, 1), (59.0, 1), (60.0, 2), (61.0, 2)):
        now = moment
        await contents.send_all()
        assert (asked, contents.refused) == (times, 1)
    contents.try_all_again()
    await contents.send_all()
    assert asked == 3
    await asyncio.to_thread((folder / "2026-11-26.enc").unlink)
    await contents.send_all()
    assert (contents.refused, contents.failing) == (0, "")


async def test_a_text_that_is_longer_than_a_body_may_be_is_shipped_whole(tmp_path: Path) -> None:
    key, text = SubjectKey("alice", b"k" * 32), b"tulip " * (LARGEST_BATCH // 5)
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        sealed = seal(text, turn="t", label=Sensitivity.INTERNAL, day="2026-11-26", key=key)
        await asyncio.to_thread(put, path_of(one.log.folder, sealed.part), sealed.data)
        await shipped(one, one.write())
        assert [said == text for _, said in texts(at.logs / NAME, key)] == [True]


class Own(PodKeys):
    """Keys of the pod's own."""

    MASTER = b"o" * 32

    async def key(self, subject: str) -> SubjectKey:
        return SubjectKey(subject, self.MASTER)

    async def known(self, subject: str) -> SubjectKey | None:
        return await self.key(subject)


async def test_a_subject_is_linkable_until_it_is_erased_at_the_collector_and_then_no_more(tmp_path: Path) -> None:
    now = 0.0
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        keys = CollectorKeys(one.client, Own(Path()), lambda: False, lambda: now)
        before = (await keys.key("alice")).pseudonym
        others = (await keys.key("bob")).pseudonym
        now += collectorkeys.FRESH_SECONDS
        assert (await keys.key("alice")).pseudonym == before
        assert (await asyncio.to_thread(erase, at.logs, "alice")).keys == 1
        now += collectorkeys.FRESH_SECONDS
        assert (await keys.key("alice")).pseudonym != before
        assert (await keys.key("bob")).pseudonym == others
        assert (await asyncio.to_thread(erase, at.logs, "carol")).keys == 0


async def test_who_was_erased_is_asked_once_a_minute(tmp_path: Path) -> None:
    """Of a collector that has thousands of pods."""
    now, own = 1.0, PodKeys(tmp_path / "own")
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        keys = CollectorKeys(one.client, own, lambda: True, lambda: now)
        await keys.key("alice")
        assert await keys.erased() == []
        await asyncio.to_thread(erase, at.logs, "alice")
        now += collectorkeys.FRESH_SECONDS - 1
        assert await keys.erased() == []
        now += 1
        assert await keys.erased() == [subject_digest("alice")]
        own.close()


async def test_an_erasure_at_the_collector_ends_the_pods_own_key_and_the_remembered_one(tmp_path: Path) -> None:
    now, own = 1.0, PodKeys(tmp_path / "own")
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        keys = CollectorKeys(one.client, own, lambda: True, lambda: now)
        await at.kill()
        before = {subject: (await keys.key(subject)).pseudonym for subject in ("alice", "bob")}
        await at.start()
        assert await keys.erased() == []
        known = await keys.key("alice")
        await asyncio.to_thread(erase, at.logs, "alice")
        now += collectorkeys.FRESH_SECONDS
        assert await keys.erased() == [subject_digest("alice")]
        await at.kill()
        after = {subject: (await keys.key(subject)).pseudonym for subject in ("alice", "bob")}
        assert after["alice"] not in {before["alice"], known.pseudonym}
        assert after["bob"] == before["bob"]
        own.close()


async def test_a_key_that_is_only_looked_for_is_not_made(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        keys = CollectorKeys(one.client, Own(Path()), lambda: False)
        assert await keys.known("alice") is None
        assert (await asyncio.to_thread(erase, at.logs, "alice")).keys == 0
        assert await keys.key("alice") == await keys.known("alice")


class Hanging:
    """A collector that gives no answer, or refuses at once; how often it was asked."""

    def __init__(self, failure: CollectorAway) -> None:
        self.failure: CollectorAway | None = failure
        self.asked = 0

    async def key(self, subject: str) -> SubjectKey:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return SubjectKey(subject, b"c" * 32)

    async def known_key(self, subject: str) -> SubjectKey | None:
        return await self.key(subject)

    async def erased(self, _: int | None) -> Erasures:
        if self.failure is not None:
            raise self.failure
        return Erasures(1, [])


async def test_a_collector_that_gives_no_answer_is_waited_for_once_a_minute() -> None:
    now, hanging = 1.0, Hanging(CollectorAway("timeout"))
    keys = CollectorKeys(hanging, Own(Path()), lambda: True, lambda: now)  # type: ignore[arg-type] # two of its calls
    for _ in range(3):
        assert (await keys.key("alice")).master == Own.MASTER
    assert (await keys.key("bob")).master == Own.MASTER
    assert hanging.asked == 1
    now += collectorkeys.AWAY_SECONDS
    await asyncio.gather(*(keys.key("alice") for _ in range(5)))
    assert hanging.asked == 2
    assert await keys.erased() == []
    assert (await keys.key("alice")).master == Own.MASTER
    hanging.failure = None
    assert await keys.erased() == []
    assert (await keys.key("alice")).master == b"c" * 32
    assert hanging.asked == 3


async def test_where_no_other_key_may_serve_a_collector_is_asked_every_time() -> None:
    hanging = Hanging(CollectorAway("timeout"))
    keys = CollectorKeys(hanging, Own(Path()), lambda: False, lambda: 1.0)  # type: ignore[arg-type] # two of its calls
    for _ in range(3):
        with pytest.raises(OSError, match="collector_timeout"):
            await keys.key("alice")
    assert hanging.asked == 3


async def test_a_collector_that_refuses_one_subject_is_asked_for_the_next() -> None:
    hanging = Hanging(CollectorRefused("too_many_subjects", None))
    keys = CollectorKeys(hanging, Own(Path()), lambda: True, lambda: 1.0)  # type: ignore[arg-type] # two of its calls
    for subject in ("alice", "bob"):
        assert (await keys.key(subject)).master == Own.MASTER
    assert hanging.asked == 2


async def test_while_the_collector_is_away_a_known_key_serves_and_a_new_subject_gets_one_only_where_it_may(
    tmp_path: Path,
) -> None:
    now, lenient = 0.0, False
    async with collector(tmp_path) as at, pod(tmp_path / "pod", at) as one:
        keys = CollectorKeys(one.client, Own(Path()), lambda: lenient, lambda: now)
        known = await keys.key("alice")
        await at.kill()
        now += collectorkeys.FRESH_SECONDS
        assert await keys.key("alice") == known
        with pytest.raises(OSError, match="collector_unreachable"):
            await keys.key("bob")
        lenient = True
        assert await keys.key("bob") == await Own(Path()).key("bob")
        now, lenient = collectorkeys.STALE_SECONDS, False
        with pytest.raises(OSError, match="collector_unreachable"):
            await keys.key("alice")
