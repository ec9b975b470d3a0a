"""Logs as the runtime and the collector write them, for tests."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regent_api.audit import segment
from regent_api.audit.chain import Chain
from regent_api.audit.checkpoint import Checkpoint
from regent_api.audit.frame import CHECKPOINT, frame
from regent_api.audit.log import Log
from regent_api.audit.note import Signer
from regent_api.audit.record import Kind, Record

NAME = "demo/helper/uid-1"
SIGNER = Signer("regent-collector", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def record(kind: Kind = Kind.INTENT, turn: str = "t", **more: Any) -> Record:
    time = "2026-11-26T00:00:00.000000Z"
    return Record(kind=kind, id=os.urandom(6).hex(), time=time, agent="demo/helper", turn=turn, **more)


def turns(count: int) -> Iterable[Record]:
    """Three records a turn."""
    for number in range(count):
        for kind in (Kind.INTENT, Kind.ATTEMPT, Kind.OUTCOME):
            yield record(kind, f"turn-{number}")


def sign(folder: Path, chain: Chain, first: int = 0, signer: Signer = SIGNER) -> None:
    note = Checkpoint(chain.log, chain.size, chain.tree.root(), first).signed(signer)
    with (folder / segment.CHECKPOINTS).open("ab") as file:
        file.write(frame(CHECKPOINT, note.encode()))


def write_log(
    folder: Path, count: int = 10, *, name: str = NAME, signed_every: int = 5, segment_bytes: int = 4000
) -> None:
    """`count` turns, three records each, signed after so many turns and at the end."""
    log = Log(folder, name, segment_bytes=segment_bytes)
    for number, each in enumerate(turns(count)):
        log.append([each])
        if number % (3 * signed_every) == 3 * signed_every - 1 or number == 3 * count - 1:
            sign(folder, log.chain)
    log.close()
