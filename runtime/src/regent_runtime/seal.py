"""Which documents this pod takes: those that the operator sealed for this agent, and none older than one it held.

What was accepted last is remembered in a file of the pod's own volume, so that a container that restarts cannot be
given an old config either. A new pod remembers nothing: it takes the first good one.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from regent_api.seal import MOST_KEYS, Seal, document_digest, key_id, signed

LARGEST_SEAL = 4096
KEY_PREFIX = "ed25519:"


class SealRefused(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The document is not one that the operator gives this agent now. The text is for `statusz` and the condition."""


class _Accepted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sequence: int
    digest: str


@dataclass(frozen=True)
class Trust:
    """`agent_uid`: whose configs this process takes. `keys`: key id -> public key; none: it takes nothing."""

    agent_uid: str
    keys: Mapping[str, Ed25519PublicKey]
    memory: Path
    """The file that remembers the last accepted config; its folder exists."""


def trusted_keys(texts: Sequence[str]) -> dict[str, Ed25519PublicKey]:
    """From `ed25519:BASE64` each. Raises ValueError."""
    if len(texts) > MOST_KEYS:
        raise ValueError(f"at most {MOST_KEYS} keys")
    return dict(_key(text) for text in texts)


class Seals:
    """`check` judges, `accept` remembers; a document that was only checked leaves no trace."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._last: _Accepted | None = None

    @property
    def sequence(self) -> int | None:
        """Of the config accepted last; None: none yet."""
        return self._last.sequence if self._last else None

    def check(self, document: bytes, seal: bytes) -> Seal:
        """The document's seal, when it is good. Raises SealRefused, and OSError when memory cannot be read."""
        found = _parsed(seal)
        if found.digest != document_digest(document):
            raise SealRefused("seal: the document is not the one that the operator sealed")
        if not self._is_signed(found):
            raise SealRefused("seal: not signed by a key that this pod trusts")
        if found.uid != self._trust.agent_uid:
            raise SealRefused("seal: made for another agent")
        last = self._remembered()
        if last is not None and found.digest != last.digest and found.sequence <= last.sequence:
            raise SealRefused(
                f"seal: older than the config in force (sequence {found.sequence}, in force {last.sequence})"
            )
        return found

    def accept(self, seal: Seal) -> None:
        """From now on nothing older is good. Raises OSError when that cannot be kept over a restart."""
        last = self._remembered()
        accepted = _Accepted(sequence=max(seal.sequence, last.sequence if last else 0), digest=seal.digest)
        if accepted != last:
            _write(self._trust.memory, accepted.model_dump_json())
        self._last = accepted

    def _is_signed(self, seal: Seal) -> bool:
        message = signed(seal.uid, seal.sequence, seal.digest)
        return any(
            _verifies(key, seal.signatures[name], message)
            for name, key in self._trust.keys.items()
            if name in seal.signatures
        )

    def _remembered(self) -> _Accepted | None:
        if self._last is None:
            try:
                self._last = _Accepted.model_validate_json(self._trust.memory.read_bytes())
            except FileNotFoundError:
                return None
            except ValidationError:
                raise SealRefused(f"seal: {self._trust.memory.name} is damaged; delete the pod") from None
        return self._last


def _parsed(seal: bytes) -> Seal:
    if len(seal) > LARGEST_SEAL:
        raise SealRefused(f"seal: larger than {LARGEST_SEAL} bytes")
    try:
        return Seal.model_validate(json.loads(seal))
    except (ValidationError, ValueError, RecursionError):
        raise SealRefused("seal: cannot be read") from None


def _verifies(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _key(text: str) -> tuple[str, Ed25519PublicKey]:
    if not text.startswith(KEY_PREFIX):
        raise ValueError(f"a key is {KEY_PREFIX}BASE64")
    raw = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    return key_id(raw), Ed25519PublicKey.from_public_bytes(raw)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, also when the process ends in the middle."""
    draft = path.with_name(path.name + ".draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
