"""Ends what links a log to a person: the subject's keys, and the content that was encrypted under them.

No record changes, so the chain and its checkpoints stay valid. Afterwards the old pseudonym is of nobody, and a new
turn of the subject gets another one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from regent_api.audit import erasures
from regent_api.audit.content import Head, files
from regent_api.audit.frame import CONTENT, BadFrame, frame, frames
from regent_api.audit.subjects import FILE, KeyFile


@dataclass(frozen=True)
class Erased:
    keys: int
    contents: int
    """Pieces of encrypted content that were overwritten."""


def erase(root: Path, subject: str) -> Erased:
    """Everything of a subject at or below a folder. Raises OSError, ValueError. Repeating it is harmless.

    Content goes before its key, and the note for the pods comes before that too, so that an erasure which was cut can
    be found again and finished.
    """
    keys = contents = 0
    for path in sorted(root.rglob(FILE)):
        file = KeyFile(path)
        try:
            known = file.get(subject)
            if known is not None:
                contents += sum(_overwrite(each, known.pseudonym) for each in files(path.parent))
                erasures.note(path.with_name(erasures.FILE), subject)
                keys += file.erase(subject)
        finally:
            file.close()
    return Erased(keys, contents)


def _overwrite(path: Path, pseudonym: str) -> int:
    """Put zeros in the place of the pseudonym's ciphertexts; how many there were."""
    overwritten = 0
    with path.open("r+b") as file:
        try:
            for each in frames(path.read_bytes()):
                head = msgspec.msgpack.decode(each.payload, type=Head)
                if head.subject == pseudonym:
                    zeros = msgspec.structs.replace(head, sealed=bytes(len(head.sealed)))
                    os.pwrite(file.fileno(), frame(CONTENT, msgspec.msgpack.encode(zeros)), each.start)
                    overwritten += 1
        except (BadFrame, msgspec.DecodeError):
            pass  # the torn end of a file that is being written holds nothing that was acknowledged
        os.fdatasync(file.fileno())
    return overwritten
