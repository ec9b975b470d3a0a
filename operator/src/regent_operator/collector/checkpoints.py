"""Signs what the logs hold: at most a second, or 256 records, after it was taken.

A log's checkpoints stand beside it, the newest last. A crash between a record and its signature leaves the record
kept and unsigned until the next start, which signs it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from regent_api.audit import segment
from regent_api.audit.checkpoint import Checkpoint, opened_checkpoint
from regent_api.audit.frame import CHECKPOINT, BadFrame, Damaged, frame, frame_follows, frames
from regent_api.audit.log import Log
from regent_api.audit.note import BadNote, Signer, Verifier
from regent_operator.collector.disk import append_durably, replace_durably
from regent_operator.collector.intake import Intake
from regent_operator.collector.tokens import Origin

log = logging.getLogger(__name__)
SECONDS = 1.0
RECORDS = 256
KEPT = 64
"""Checkpoints that stay when the file is cut: the last ones."""
CUT_AT_BYTES = 256 * 1024


def load_signer(pem: Path, name: str) -> Signer:
    """Raises OSError, ValueError for anything but an Ed25519 key in PKCS 8."""
    key = load_pem_private_key(pem.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the signing key is not an Ed25519 key")  # noqa: TRY004 - a fault of the file
    return Signer(name, key)


class Checkpoints:
    """`taken` is told of fresh records; `run` signs them until it is cancelled, `sign_all` what is left."""

    def __init__(self, intake: Intake, signer: Signer, signed: Callable[[int], None] = lambda _: None) -> None:
        self._intake = intake
        self._signer = signer
        self._signed = signed
        self._waiting: dict[Origin, int] = {}
        self._any = asyncio.Event()
        self._many = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Records that are kept and not signed yet."""
        return sum(self._waiting.values())

    def taken(self, origin: Origin, count: int) -> None:
        self._waiting[origin] = self._waiting.get(origin, 0) + count
        self._any.set()
        if self._waiting[origin] >= RECORDS:
            self._many.set()

    async def find_unsigned(self) -> None:
        """After a start: what was kept last and never signed."""
        for origin in await asyncio.to_thread(self._unsigned):
            self.taken(origin, 1)

    async def run(self) -> None:
        while True:
            await self._any.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._many.wait(), SECONDS)
            self._many.clear()
            if not await self.sign_all():
                await asyncio.sleep(SECONDS)
            if not self._waiting:
                self._any.clear()

    async def sign_all(self) -> bool:
        """Sign every log that has fresh records; False: one could not be signed, and waits for the next time."""
        return all(await asyncio.gather(*(self._sign_one(*each) for each in list(self._waiting.items()))))

    async def _sign_one(self, origin: Origin, count: int) -> bool:
        try:
            await self._intake.with_log(origin, self._sign)
        except Damaged as damaged:
            log.warning("checkpoint of %s: %s; it is kept as it is, and signed no more", origin, damaged)
            del self._waiting[origin]
            return True
        except (OSError, ValueError) as error:
            log.warning("checkpoint of %s: %s", origin, type(error).__name__)
            return False
        left = self._waiting.pop(origin) - count
        if left:
            self._waiting[origin] = left
        self._signed(count)
        return True

    def _sign(self, of: Log) -> None:
        write(of, self._signer)

    def _unsigned(self) -> list[Origin]:
        """Logs whose newest segment was written after the newest checkpoint."""
        logs, found = self._intake.logs, []
        for origin in logs.origins():
            folder = logs.folder_of(origin)
            checkpoints = folder / segment.CHECKPOINTS
            newest = segment.segments(folder)[-1].stat().st_mtime_ns
            if not checkpoints.exists() or checkpoints.stat().st_mtime_ns <= newest:
                found.append(origin)
        return found


def write(of: Log, signer: Signer, first: int | None = None) -> None:
    """Sign the log as it is; `first`: the oldest record that will stay. Raises OSError, Damaged."""
    before = last(of.folder, signer.verifier)
    if before is not None and (
        of.chain.size < before.size or (of.chain.size == before.size and of.chain.tree.root() != before.root)
    ):
        raise Damaged(f"{of.chain.log} holds {of.chain.size} records, and {before.size} were signed")
    oldest = of.first if first is None else first
    made = Checkpoint(of.chain.log, of.chain.size, of.chain.tree.root(), oldest)
    if made == before:
        return
    path, framed = of.folder / segment.CHECKPOINTS, frame(CHECKPOINT, made.signed(signer).encode())
    if before is None:
        replace_durably(path, framed)  # the first one, or the first of a new key: no verifier takes those of two keys
    else:
        _append(path, framed)


def last(folder: Path, trusted: Verifier) -> Checkpoint | None:
    """The newest checkpoint of ours beside a log; a torn last one is passed over. Raises OSError, Damaged."""
    for note in reversed(_notes(folder / segment.CHECKPOINTS)):
        try:
            return opened_checkpoint(note.decode(), trusted)
        except (BadNote, UnicodeDecodeError):
            continue
    return None


def _notes(path: Path) -> list[bytes]:
    """Raises OSError, Damaged for a file of which a torn end is not all that cannot be read."""
    notes: list[bytes] = []
    data = path.read_bytes() if path.exists() else b""
    try:
        for each in frames(data):
            notes.append(bytes(each.payload))  # noqa: PERF401 - what was read before a torn frame counts
    except BadFrame as bad:
        if frame_follows(data, bad.at, CHECKPOINT):
            raise Damaged(f"checkpoint {len(notes)} cannot be read, and others stand behind it") from None
    return notes


def _append(path: Path, framed: bytes) -> None:
    """A torn tail would hide what is appended behind it, so the file is then written anew."""
    whole = path.stat().st_size if path.exists() else 0
    notes = _notes(path)
    intact = whole == sum(len(frame(CHECKPOINT, note)) for note in notes)
    if intact and whole < CUT_AT_BYTES:
        append_durably(path, framed)
    else:
        replace_durably(path, b"".join(frame(CHECKPOINT, note) for note in notes[-KEPT:]) + framed)
