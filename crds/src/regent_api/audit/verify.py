"""Finds what was changed in logs, from nothing but their files and a public key.

Up to the last signed checkpoint every edit, deletion, swap, truncation and fork is found. Behind it, and where nothing
is signed, only what breaks the chain is: who can write the files can write the unsigned end anew.

An intent without an outcome is no fault of the log: that turn, or action, was interrupted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from regent_api.audit import segment
from regent_api.audit.checkpoint import Checkpoint, claimed, opened_checkpoint
from regent_api.audit.frame import CHECKPOINT, BadFrame, frames
from regent_api.audit.note import BadNote, Verifier
from regent_api.audit.record import Kind, Record
from regent_api.audit.walk import Problem, Walk

_HELD = "a checkpoint that was held elsewhere"


@dataclass
class Verified:
    """What was found of one log. It is sound when `problem` is None."""

    folder: Path
    log: str = ""
    first: int = 0
    """The oldest record that is there."""
    size: int = 0
    """Records of the chain, those that retention has let go among them."""
    signed: int = 0
    """Records under the last checkpoint whose signature and root hold. 0: unsigned."""
    lost: int = 0
    """Records that the writer itself says it could not keep."""
    torn: int = 0
    """Bytes at the end that are no whole record: a write that was cut, which the writer's recovery removes."""
    interrupted: dict[str, int] = field(default_factory=dict)
    """Turns and actions without an outcome: id -> sequence of the intent. Such an action may have taken effect."""
    problem: Problem | None = None

    def count(self, record: Record) -> None:
        if record.kind is Kind.INTENT:
            self.interrupted[record.turn] = record.sequence
        elif record.kind is Kind.OUTCOME:
            self.interrupted.pop(record.turn, None)
        elif record.kind is Kind.LOST:
            self.lost += sum(record.counts.values())


def verify(root: Path, trusted: Verifier | None = None, held: Sequence[str] = ()) -> list[Verified]:
    """Every log at or below a folder, by path. Raises OSError.

    `trusted`: the checkpoints' key; with it, a log without a valid checkpoint has a problem, without it no signature
    counts. `held`: checkpoints that the reader kept elsewhere; they reveal that a log and its checkpoints were both
    set back.
    """
    found = [_verify_log(folder, trusted, held) for folder in segment.folders(root)]
    for one, other in combinations(found, 2):
        if one.log == other.log and not (one.problem or other.problem):
            other.problem = _fork(one, other)
    return found


def _verify_log(folder: Path, trusted: Verifier | None, held: Sequence[str]) -> Verified:
    result = Verified(folder)
    try:
        notes = list(_notes(folder, trusted, held))
    except _BadCheckpoint as bad:
        notes, result.problem = [], bad.problem
    walk = Walk(frozenset(stated.size for stated, _ in notes), result.count)
    walk.through(segment.segments(folder))
    result.log, result.first, result.size, result.torn = walk.log, walk.first, walk.size, walk.torn
    problems = [result.problem, walk.problem, _compare_all(result, walk, notes, trusted)]
    result.problem = min((each for each in problems if each), key=lambda each: each.sequence, default=None)
    return result


_Note = tuple[Checkpoint, str]
"""A checkpoint and where it stands."""


class _BadCheckpoint(Exception):  # noqa: N818
    def __init__(self, where: str, why: object) -> None:
        super().__init__(where)
        self.problem = Problem(0, where, f"a checkpoint is not valid: {why}")


def _notes(folder: Path, trusted: Verifier | None, held: Sequence[str]) -> Iterator[_Note]:
    """Every checkpoint beside a log, then those that the reader held, however old. Raises _BadCheckpoint."""
    for note, where in [*_stored(folder), *((note, _HELD) for note in held)]:
        try:
            yield (opened_checkpoint(note, trusted) if trusted is not None else claimed(note)), where
        except BadNote as bad:
            raise _BadCheckpoint(where, bad) from None


def _stored(folder: Path) -> Iterator[tuple[str, str]]:
    """A torn last one is none yet."""
    path = folder / segment.CHECKPOINTS
    if not path.is_file():
        return
    try:
        for each in frames(segment.read(path)):
            text = bytes(each.payload).decode("utf-8", "replace")
            yield (text if each.kind == CHECKPOINT else ""), f"{path.name}:{each.start}"
    except BadFrame as bad:
        if not bad.torn:
            raise _BadCheckpoint(f"{path.name}:{bad.at}", bad) from None


def _compare_all(result: Verified, walk: Walk, notes: Sequence[_Note], trusted: Verifier | None) -> Problem | None:
    """Each checkpoint against the log, the smallest first; `result.signed` becomes the last that holds."""
    good = 0
    ours = sorted(
        (each for each in notes if each[1] != _HELD or each[0].log == walk.log), key=lambda each: each[0].size
    )
    for stated, where in ours:
        problem = _compare(walk, stated, where, good)
        if problem:
            return problem
        good = stated.size
        result.signed = good if trusted is not None else 0
    kept = max((stated.first for stated, _ in ours), default=walk.first)
    if kept < walk.first:
        return Problem(kept, result.folder.name, f"the log was cut at its beginning: record {walk.first} is its oldest")
    if trusted is not None and not result.signed:
        return Problem(walk.first, result.folder.name, f"no checkpoint of this log is signed by {trusted.name}")
    return None


def _compare(walk: Walk, stated: Checkpoint, where: str, good: int) -> Problem | None:
    if walk.log and stated.log != walk.log:
        return Problem(walk.first, where, f"the checkpoint is of another log: {stated.log}")
    if stated.size > walk.size:
        return Problem(walk.size, where, f"the log was cut: {stated.size} records are signed, {walk.size} can be read")
    if stated.size >= walk.first and walk.roots.get(stated.size, stated.root) != stated.root:
        words = f"records {good} to {stated.size - 1} are not those that were signed"
        return Problem(max(good, walk.first), where, words)
    return None


def _fork(one: Verified, other: Verified) -> Problem | None:
    """Where two logs of one name part; None when one is the beginning of the other."""
    start = max(one.first, other.first)
    pairs = zip(segment.payloads(one.folder, start), segment.payloads(other.folder, start), strict=False)
    for (sequence, left), (_, right) in pairs:
        if left != right:
            return Problem(sequence, other.folder.name, f"a fork: {one.folder.name} has another record {sequence}")
    return None
