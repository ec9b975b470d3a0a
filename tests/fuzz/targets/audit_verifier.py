"""An audit log's files as `verify` and a writer's start find them: segments with their headers, and checkpoints."""

import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regent_api.audit import segment
from regent_api.audit.chain import Chain
from regent_api.audit.checkpoint import Checkpoint, claimed, opened_checkpoint
from regent_api.audit.frame import CHECKPOINT, RECORD, Damaged, frame
from regent_api.audit.note import BadNote, Signer
from regent_api.audit.record import Kind, Record
from regent_api.audit.verify import verify
from tests.fuzz.target import Target

LOG = "demo/helper/uid-1"
SPLIT = b"\n--checkpoints--\n"
"""An input is a segment's file and, behind this, one of checkpoints."""
_SIGNER = Signer("collector", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
_FOLDER = tempfile.TemporaryDirectory(prefix="regent-fuzz-")
_SEGMENT = Path(_FOLDER.name) / segment.name(0)
_CHECKPOINTS = Path(_FOLDER.name) / segment.CHECKPOINTS


def _whole() -> tuple[bytes, bytes]:
    chain = Chain(LOG)
    data = segment.header(chain)
    for kind in (Kind.INTENT, Kind.OUTCOME):
        record = Record(kind=kind, id="r", time="2026-11-26T00:00:00.000000Z", agent="demo/helper", turn="t")
        data += frame(RECORD, chain.seal(record))
    return data, Checkpoint(LOG, chain.size, chain.tree.root(), 0).signed(_SIGNER).encode()


def feed(data: bytes) -> None:
    log, _, notes = data.partition(SPLIT)
    _note(notes)
    _SEGMENT.write_bytes(log)
    _CHECKPOINTS.write_bytes(notes)
    found = [*verify(Path(_FOLDER.name)), *verify(Path(_FOLDER.name), _SIGNER.verifier)]
    assert all(each.signed <= each.size for each in found)
    _recover(log)


def _note(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(BadNote):
        claimed(text)
    with suppress(BadNote):
        opened_checkpoint(text, _SIGNER.verifier)


def _recover(log: bytes) -> None:
    """A start keeps every whole record, or changes nothing."""
    with suppress(segment.BadSegment, Damaged):
        found = segment.tail(log)
        if found is None:
            return
        assert found.end + found.cut == len(log)
        again = segment.tail(log[: found.end])
        assert again is not None
        assert (again.chain.size, again.chain.head, again.cut) == (found.chain.size, found.chain.head, 0)


_DATA, _NOTE = _whole()
TARGET = Target(
    feed,
    seeds=(
        _DATA + SPLIT + frame(CHECKPOINT, _NOTE),
        _DATA + SPLIT + frame(CHECKPOINT, _NOTE) * 2,
        _DATA[:-7],
        SPLIT + _NOTE,
        segment.header(Chain(LOG)),
    ),
    words=(_NOTE, frame(RECORD, b"{}"), frame(CHECKPOINT, b"x"), SPLIT, b'"first":', b'"range":[', b"\xff\xff\xff\xff"),
    longest=8192,
)
