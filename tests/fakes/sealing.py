"""Seals as the operator makes them, and bad ones, with a key of the tests' own."""

import base64
import itertools
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regent_api.seal import Seal, document_digest, key_id, signed

AGENT_UID = "agent-uid"


@dataclass
class Sealing:
    """Each seal bears the next sequence number, unless a test says otherwise."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def public(self) -> str:
        return "ed25519:" + base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    def seal(self, document: bytes, *, uid: str = AGENT_UID, sequence: int | None = None) -> bytes:
        number = next(self.numbers) if sequence is None else sequence
        digest = document_digest(document)
        signature = base64.b64encode(self.key.sign(signed(uid, number, digest))).decode()
        name = key_id(self.key.public_key().public_bytes_raw())
        made = Seal(uid=uid, sequence=number, digest=digest, signatures={name: signature})
        return made.model_dump_json(by_alias=True).encode()
