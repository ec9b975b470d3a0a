"""The seal of an AgentConfig: the operator's signature, by which a pod tells its config from what a hand wrote.

It lies beside the document in the ConfigMap, so that both reach a pod in one step. Signed are the agent's uid, a
sequence number and the digest of the document's bytes, with Ed25519 (RFC 8032): a config of another agent, an older
one and an altered one are refused before they are parsed. In no digest: sealing anew changes no meaning.
"""

import hashlib
from typing import Annotated

from pydantic import Field

from regent_api.model import Model

SEAL_KEY = "agent.seal.json"
"""Key of the ConfigMap and name of the file."""

LARGEST_SEQUENCE = 2**53 - 1
"""What every JSON reader takes exactly."""

MOST_KEYS = 4
"""Keys that seal and are trusted at the same time: two while one follows the other."""


class Seal(Model):
    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """metadata.uid of the AIAgent: a namesake that comes later is another agent."""
    sequence: Annotated[int, Field(ge=1, le=LARGEST_SEQUENCE)]
    """Grows with each config that an agent is given, and is no less than the milliseconds since 1970."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    """Of the document's bytes; see `document_digest`."""
    signatures: Annotated[dict[str, Annotated[str, Field(max_length=88)]], Field(min_length=1, max_length=MOST_KEYS)]
    """Key id -> base64 of the signature over `signed`. One of a key that the pod trusts is enough."""


def signed(uid: str, sequence: int, digest: str) -> bytes:
    """What is signed: lines that none of the three can contain an end of."""
    return f"regent.dev/seal/v1\n{uid}\n{sequence}\n{digest}\n".encode()


def document_digest(document: bytes) -> str:
    return "sha256:" + hashlib.sha256(document).hexdigest()


def key_id(public: bytes) -> str:
    """Short name of a public key (its 32 raw bytes)."""
    return hashlib.sha256(public).hexdigest()[:16]
