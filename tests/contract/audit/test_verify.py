import shutil
from pathlib import Path

import pytest

from regent_api.audit import segment
from regent_api.audit.checkpoint import Checkpoint
from regent_api.audit.log import Log
from regent_api.audit.record import Kind
from regent_api.audit.verify import verify
from tests.contract.audit.mutations import missed, records, rewrite
from tests.fakes.audit import NAME, SIGNER, record, sign, turns, write_log

MUTANTS = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed log of 30 turns in several segments, and another one beside it."""
    folder = tmp_path_factory.mktemp("logs")
    write_log(folder / "log", 30)
    write_log(folder / "other", 30, name="demo/other/uid-2")
    return folder


def test_a_whole_log_is_sound_and_signed(whole: Path) -> None:
    found = verify(whole, SIGNER.verifier)
    assert [(each.log, each.first, each.size, each.signed, each.problem) for each in found] == [
        (NAME, 0, 90, 90, None),
        ("demo/other/uid-2", 0, 90, 90, None),
    ]
    assert len(segment.segments(whole / "log")) > 3
    assert [each.signed for each in verify(whole)] == [0, 0]


def test_every_mutated_log_is_found(whole: Path, tmp_path: Path) -> None:
    """A share of the 10,000 of `make bench-audit`."""
    assert missed(whole, tmp_path, MUTANTS) == []


@pytest.mark.parametrize("bad", [0, 1, 4, 44, 88, 89])
@pytest.mark.parametrize("edit", [b"forged", None])
def test_the_first_bad_record_is_named(whole: Path, tmp_path: Path, bad: int, edit: bytes | None) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    path = max(each for each in segment.segments(tmp_path / "copy" / "log") if segment.first_of(each) <= bad)
    payloads, at = records(path), bad - segment.first_of(path)
    payloads[at : at + 1] = [payloads[at].replace(b'"turn":"', b'"turn":"forged')] if edit else []
    rewrite(path, payloads)
    problem = verify(tmp_path / "copy", SIGNER.verifier)[0].problem
    assert problem is not None
    # the last record under a checkpoint: nothing behind it vouches for it alone, but a root over five turns does
    ends_a_checkpoint = edit and bad % 15 == 14
    assert problem.sequence == (bad - 14 if ends_a_checkpoint else bad)


def test_a_turn_without_an_outcome_is_interrupted_and_no_fault(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME)
    log.append([*turns(2), record(turn="cut")])
    sign(tmp_path, log.chain)
    log.close()
    (found,) = verify(tmp_path, SIGNER.verifier)
    assert (found.interrupted, found.problem) == ({"cut": 6}, None)


def test_a_verdict_without_an_outcome_is_interrupted_and_one_with_it_is_not(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME)
    done = {"action": "Approve", "approval": "a"}
    log.append(
        [record(turn="v1", **done), record(Kind.OUTCOME, "v1", outcome="done", **done), record(turn="v2", **done)]
    )
    log.close()
    (found,) = verify(tmp_path)
    assert (found.interrupted, found.problem) == ({"v2": 2}, None)


def test_the_unsigned_end_may_be_torn(tmp_path: Path) -> None:
    write_log(tmp_path)
    last = segment.segments(tmp_path)[-1]
    last.write_bytes(last.read_bytes() + b"\x00\x00\x00\x60")
    (found,) = verify(tmp_path, SIGNER.verifier)
    assert (found.torn, found.problem) == (4, None)


def test_what_retention_let_go_is_signed_before_it_goes(tmp_path: Path) -> None:
    write_log(tmp_path)
    log = Log(tmp_path, NAME)
    gone = log.let_go(before=25)
    assert 0 < gone <= 25
    problem = verify(tmp_path, SIGNER.verifier)[0].problem
    assert problem is not None
    assert problem.sequence == 0
    sign(tmp_path, log.chain, first=gone)
    log.close()
    (found,) = verify(tmp_path, SIGNER.verifier)
    assert (found.first, found.signed, found.problem) == (gone, 30, None)


def test_two_copies_of_one_log_agree_or_are_a_fork(tmp_path: Path) -> None:
    for name in ("one", "two"):
        log = Log(tmp_path / name, NAME)
        shared = [record(turn="same")] if name == "one" else []
        log.take([*payloads_of(tmp_path / "one")]) if not shared else log.append(shared)
        log.close()
    assert [each.problem for each in verify(tmp_path)] == [None, None]
    for name in ("one", "two"):
        log = Log(tmp_path / name, NAME)
        log.append([record(turn=name)])
        log.close()
    first, second = (each.problem for each in verify(tmp_path))
    assert first is None
    assert second is not None
    assert (second.sequence, "fork" in second.what) == (1, True)


def payloads_of(folder: Path) -> list[bytes]:
    return [payload for _, payload in segment.payloads(folder)]


def test_a_checkpoint_held_elsewhere_reveals_that_log_and_checkpoints_were_set_back(tmp_path: Path) -> None:
    log = Log(tmp_path, NAME)
    log.append(turns(1))
    sign(tmp_path, log.chain)
    held = Checkpoint(NAME, 6, bytes(32)).signed(SIGNER)
    foreign = Checkpoint("demo/other/uid", 600, bytes(32)).signed(SIGNER)
    log.close()
    assert verify(tmp_path, SIGNER.verifier, [foreign])[0].problem is None
    problem = verify(tmp_path, SIGNER.verifier, [held])[0].problem
    assert problem is not None
    assert (problem.sequence, "cut" in problem.what) == (3, True)
