"""The Ed25519 keys that configs of agents are sealed with.

The operator's come from a folder (the chart mounts a Secret there) and are read once, at start; `regent dev` makes one
of its own. Every key seals: while one follows another, pods that trust either take the config.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from regent_api.seal import MOST_KEYS, Seal, key_id, signed

LARGEST_KEY = 4096
"""Bytes of a file."""


class SigningKeyError(Exception):
    """There is no usable key. The text says what to do, and quotes no key."""


@dataclass(frozen=True)
class Signer:
    """Equal inputs give equal seals: Ed25519 is deterministic, so a seal is verified by making it again."""

    keys: Sequence[Ed25519PrivateKey] = field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Of the PKCS #8 PEM files `*.pem`, in the order of their names. Raises SigningKeyError."""
        try:
            files = sorted(folder.glob("*.pem"))
            found = [_key(file) for file in files]
        except OSError as error:
            raise SigningKeyError(f"the signing keys in {folder} cannot be read: {error.strerror}") from error
        if not 1 <= len(found) <= MOST_KEYS:
            raise SigningKeyError(f"{folder} must hold one to {MOST_KEYS} keys as *.pem; it holds {len(found)}")
        return cls(tuple(found))

    @classmethod
    def new(cls) -> Self:
        """With a key that nobody else has."""
        return cls((Ed25519PrivateKey.generate(),))

    @property
    def public(self) -> tuple[str, ...]:
        """As pods are given them: `ed25519:BASE64`."""
        return tuple("ed25519:" + base64.b64encode(_raw(key)).decode() for key in self.keys)

    @cached_property
    def _by_id(self) -> Mapping[str, Ed25519PrivateKey]:
        return {key_id(_raw(key)): key for key in self.keys}

    def seal(self, uid: str, sequence: int, digest: str) -> Seal:
        message = signed(uid, sequence, digest)
        signatures = {name: base64.b64encode(key.sign(message)).decode() for name, key in self._by_id.items()}
        return Seal(uid=uid, sequence=sequence, digest=digest, signatures=signatures)


def _key(file: Path) -> Ed25519PrivateKey:
    with file.open("rb") as opened:
        pem = opened.read(LARGEST_KEY)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyError(f"{file} is not an unencrypted private key in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{file} is not an Ed25519 key; make one by: openssl genpkey -algorithm ed25519")
    return key


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
