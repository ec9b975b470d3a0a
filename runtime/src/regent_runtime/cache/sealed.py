"""Answers in a state that others may read: sealed under the request that they answer, so who reads the state reads
nothing.

Only a pod that is asked the same again can derive the id and the key, and only with the agent's own secrets: the values
of all credentials that its config names go into both. Whoever holds the state but not those can neither guess what was
asked, nor put an answer of his own there (docs/decisions/0025). What questions mean is sealed under all that they have
in common (docs/decisions/0045).
"""

import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ANSWER = b"regent answer"
MEANING = b"regent meaning"
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, repr=False)
class Seal:
    """`id`: under which the state files what is sealed."""

    id: str
    _key: bytes

    @classmethod
    def of(cls, digest: bytes, secret: bytes, what: bytes = ANSWER) -> "Seal":
        """HKDF-SHA256 (RFC 5869): a digest, extracted with the agent's secret, expanded to id and key."""
        extracted = hmac.digest(secret, digest, "sha256")
        name = hmac.digest(extracted, what + b"\1", "sha256")
        return cls(name.hex(), hmac.digest(extracted, name + what + b"\2", "sha256"))

    def close(self, content: bytes) -> bytes:
        """A fresh random nonce, then the ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, content, self.id.encode())

    def open(self, sealed: bytes) -> bytes | None:
        """None for bytes that were not sealed here, or were changed."""
        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self.id.encode())
        except (InvalidTag, ValueError):
            return None
