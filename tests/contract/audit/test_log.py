import os
from pathlib import Path

import pytest

from regent_api.audit import segment
from regent_api.audit.chain import BrokenChain, Chain
from regent_api.audit.frame import CONTENT, RECORD, Damaged, frame, frames
from regent_api.audit.log import TORN, Log, LogBusy
from regent_api.audit.verify import verify
from tests.fakes.audit import NAME, record, turns


def last(folder: Path) -> Path:
    return segment.segments(folder)[-1]


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    for _ in range(3):
        log = Log(tmp_path, NAME, segment_bytes=1000)
        log.append(turns(4))
        log.append([record()])
        log.close()
    (found,) = verify(tmp_path)
    assert (found.log, found.size, found.problem, found.signed) == (NAME, 39, None, 0)
    assert [sequence for sequence, _ in segment.payloads(tmp_path, 17)] == list(range(17, 39))
    assert len(segment.segments(tmp_path)) > 2


@pytest.mark.parametrize("rest", [b"x", b"\x00" * 5000, b"\x00\x00\x00\x05abcdR", bytes(range(256))])
def test_a_torn_tail_is_cut_and_kept_aside(tmp_path: Path, rest: bytes) -> None:
    log = Log(tmp_path, NAME)
    log.append(turns(2))
    log.close()
    with last(tmp_path).open("ab") as file:
        file.write(rest)
    log = Log(tmp_path, NAME)
    log.append([record()])
    log.close()
    assert (log.recovered, log.chain.size) == (len(rest), 7)
    assert (tmp_path / TORN / last(tmp_path).with_suffix(".cut").name).read_bytes() == rest
    assert [found.problem for found in verify(tmp_path)] == [None]


def test_a_segment_cut_within_its_header_is_begun_anew(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME, segment_bytes=1)
    log.append(turns(1))
    log.append([record()])
    log.close()
    os.truncate(last(tmp_path), 20)
    log = Log(tmp_path, NAME, segment_bytes=1)
    assert log.chain.size == 3
    log.append([record()])
    log.close()
    assert verify(tmp_path)[0].size == 4


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def turned(path: Path, at: int) -> None:
    """One bit, as a disk may turn it."""
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("of_frame", [0, 3, 5, 8, 9, 40])
def test_a_record_that_a_disk_changed_is_no_torn_end_and_nothing_is_cut(tmp_path: Path, of_frame: int) -> None:
    """In its length, checksum, kind and text; nine whole records that were acknowledged stand behind it."""
    log = Log(tmp_path, NAME)
    log.append(turns(4))
    log.close()
    path = last(tmp_path)
    at = [each.start for each in frames(path.read_bytes())][1 + 3]
    turned(path, at + of_frame)
    before = files_of(tmp_path)
    for _ in range(2):
        with pytest.raises(Damaged, match="record 3"):
            Log(tmp_path, NAME)
    assert files_of(tmp_path) == before
    (found,) = verify(tmp_path)
    assert found.problem is not None
    assert found.problem.sequence == 3


def test_what_a_writer_did_not_write_is_damage_too(tmp_path: Path) -> None:
    """A record that does not follow, a frame that is no record, a header behind which records stand."""
    log = Log(tmp_path / "whole", NAME)
    payloads = log.append(turns(2))
    log.close()
    chain = Chain(NAME)
    header, whole = segment.header(chain), last(tmp_path / "whole").read_bytes()
    for number, (data, why) in enumerate(
        [
            (header + frame(RECORD, payloads[0]) + frame(RECORD, payloads[2]), "record 1"),
            (header + frame(RECORD, b"{}"), "record 0"),
            (header + frame(CONTENT, payloads[0]), "no record stands"),
            (b"x" + whole[1:], "records stand behind it"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / segment.name(0)).write_bytes(data)
        with pytest.raises(Damaged, match=why):
            Log(folder, NAME)
        assert (folder / segment.name(0)).read_bytes() == data


def test_a_segment_that_is_empty_is_a_torn_beginning_only_where_the_one_before_it_is_whole(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME, segment_bytes=1)
    log.append(turns(1))
    log.append(turns(1))
    log.close()
    before, path = segment.segments(tmp_path)
    os.truncate(path, 0)
    os.truncate(before, before.stat().st_size - 1)
    with pytest.raises(Damaged, match="does not begin with record 2"):
        Log(tmp_path, NAME)
    before.unlink()
    with pytest.raises(Damaged, match="does not begin with record 0"):
        Log(tmp_path, NAME)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME)
    with pytest.raises(LogBusy):
        Log(tmp_path, NAME)
    log.close()
    Log(tmp_path, NAME).close()


def test_a_folder_of_another_log_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME)
    log.append([record()])
    log.close()
    with pytest.raises(ValueError, match="holds the log"):
        Log(tmp_path, "demo/other/uid")
    Log(tmp_path, NAME).close()


def test_a_collector_takes_what_a_pod_has_sealed_and_nothing_else(tmp_path: Path) -> None:
    pod, kept = Log(tmp_path / "pod", NAME), Log(tmp_path / "collector", NAME)
    one, two = pod.append(turns(1)), pod.append(turns(1))
    kept.take(one)
    for wrong in (one, two[1:], [two[0], two[2]], [two[0].replace(b"turn-0", b"turn-1"), two[1]]):
        with pytest.raises(BrokenChain):
            kept.take(wrong)
    assert [each.sequence for each in kept.take(two)] == [3, 4, 5]
    assert (kept.chain.head, kept.chain.tree.root()) == (pod.chain.head, pod.chain.tree.root())
    pod.close()
    kept.close()
    assert [found.problem for found in verify(tmp_path)] == [None, None]


def test_whole_segments_are_let_go(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME, segment_bytes=1)
    for _ in range(5):
        log.append(turns(1))
    assert log.let_go(before=8) == 6
    assert log.let_go(before=100) == 12
    log.append(turns(1))
    log.close()
    found = verify(tmp_path)[0]
    assert (found.first, found.size, found.problem) == (12, 18, None)


def test_a_failed_write_leaves_nothing_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path, NAME)
    log.append(turns(1))

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            log.append(turns(1))
    assert log.chain.size == 3
    log.append([record(turn="after")])
    log.close()
    found = verify(tmp_path)[0]
    assert (found.size, found.interrupted, found.problem) == (4, {"after": 3}, None)
