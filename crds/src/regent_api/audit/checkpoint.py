"""Checkpoints: a signed statement that a log has so many records under this root.

Source: https://c2sp.org/tlog-checkpoint. The text is

    regent.dev/audit/NAMESPACE/AGENT/POD_UID
    SIZE
    BASE64(ROOT)
    regent.dev/first N

The last line, an extension, says which record is the oldest that retention has kept; it is left out while that is 0.
"""

import base64
from dataclasses import dataclass

from regent_api.audit.note import BadNote, Signs, Verifier, opened, signed

ORIGIN = "regent.dev/audit/"
_FIRST = "regent.dev/first "


@dataclass(frozen=True)
class Checkpoint:
    """`log` NAMESPACE/AGENT/POD_UID; `size` records under `root` (32 bytes); records before `first` were let go."""

    log: str
    size: int
    root: bytes
    first: int = 0

    def text(self) -> str:
        lines = [ORIGIN + self.log, str(self.size), base64.b64encode(self.root).decode()]
        return "\n".join(lines + ([f"{_FIRST}{self.first}"] if self.first else [])) + "\n"

    def signed(self, signer: Signs) -> str:
        return signed(self.text(), signer)


def opened_checkpoint(note: str, trusted: Verifier) -> Checkpoint:
    """The checkpoint that the trusted key has signed. Raises BadNote."""
    return parsed(opened(note, trusted))


def claimed(note: str) -> Checkpoint:
    """What a note says, whoever signed it: enough to compare, never to trust. Raises BadNote."""
    return parsed(note.rpartition("\n\n")[0] + "\n")


def parsed(text: str) -> Checkpoint:
    """Raises BadNote for anything but the text that `Checkpoint.text` writes."""
    lines = text.split("\n")
    if not 4 <= len(lines) <= 5 or not lines[0].startswith(ORIGIN):
        raise BadNote("not a checkpoint of an audit log")
    first = lines[3].removeprefix(_FIRST) if len(lines) == 5 else "0"
    try:
        found = Checkpoint(
            lines[0].removeprefix(ORIGIN), int(lines[1]), base64.b64decode(lines[2], validate=True), int(first)
        )
    except ValueError:
        raise BadNote("a line of the checkpoint is malformed") from None
    if found.text() != text or len(found.root) != 32 or not 0 <= found.first <= found.size or not found.log:
        raise BadNote("the checkpoint is not in canonical form")
    return found
