import os
from pathlib import Path

import pytest

from regent_api.audit import segment
from regent_api.audit.chain import BrokenChain
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
