"""What an approver is shown, sealed under the approval's own name: who reads the state reads nothing.

The name is 256 random bits that the state never sees. From it come, by HKDF-SHA256 and bound to one agent, the id under
which the state files the approval, the key that seals what the approver sees (AES-256-GCM), and the key of the digest
that binds the approval to a request, so that nobody can guess a short body by its digest. No replica holds a key, none
has to be rotated, and what was shown ends for good when its name is forgotten.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NAME_BYTES = 32
NAME_LENGTH = 43
"""Characters of base64url without padding."""
_NONCE_BYTES = 12


class SealBroken(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The bytes were not sealed under this name, or were changed."""


def new_name() -> str:
    """Never with a hyphen first: commands would take it for an option."""
    while (name := secrets.token_urlsafe(NAME_BYTES)).startswith("-"):
        pass
    return name


@dataclass(frozen=True, slots=True, repr=False)
class Seal:
    """`id`: under which the state files the approval."""

    id: str
    _content_key: bytes
    _binding_key: bytes

    @classmethod
    def of(cls, name: str, agent: str) -> "Seal":
        """`agent`: the audience of the agent that the approval is for; another agent's has other ids and keys."""
        derived = HKDF(SHA256(), length=96, salt=None, info=b"regent approval\0" + agent.encode()).derive(name.encode())
        return cls(derived[:32].hex(), derived[32:64], derived[64:])

    def close(self, content: bytes) -> bytes:
        """A fresh random nonce, then the ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._content_key).encrypt(nonce, content, self.id.encode())

    def open(self, sealed: bytes) -> bytes:
        """Raises SealBroken."""
        try:
            return AESGCM(self._content_key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self.id.encode())
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def binding(self, parts: Iterable[bytes]) -> str:
        """HMAC-SHA256 over the parts, each with its length."""
        whole = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hmac.digest(self._binding_key, whole, "sha256").hex()
