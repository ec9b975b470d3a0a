"""What is written down of a turn: never content, never who called, and of both only what a subject's key can link.

The encoding is canonical: JSON in UTF-8, keys sorted, no spaces, absent fields left out, no fractions (amounts are
decimal strings). A payload that reads as a record but is written in any other way is refused, so two texts never mean
the same record.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

VERSION = 1
LARGEST_RECORD = 65_536
"""Bytes of canonical JSON. Whoever makes a record bounds its parts so that it fits."""

LONGEST_TEXT = 512
"""Characters."""
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Kind(StrEnum):
    STARTED = "started"
    """A process has opened the log; `recovered` says how many bytes of a torn tail it cut."""
    INTENT = "intent"
    """A turn has passed every check before its first attempt; an action is about to take effect. Without an outcome
    after it: interrupted."""
    ATTEMPT = "attempt"
    """A request to a provider, on disk before it is sent."""
    OUTCOME = "outcome"
    """How a turn or an action ended, on disk before the caller learns it."""
    REFUSED = "refused"
    """A turn or an action that never came to an intent."""
    REFUSALS = "refusals"
    """Refused turns beyond the rate at which each has a record of its own, counted by code."""
    LOST = "lost"
    """Records that could not be written while `audit.onFailure` was Continue, or were dropped for room."""
    STOPPED = "stopped"


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """A closed object."""


class DecisionPart(_Part, frozen=True, kw_only=True):
    """What one stage decided, by which field of which policies; `shadow` names the Audit policy that only watched."""

    stage: Text
    action: Text
    field: Text = ""
    policies: Annotated[list[Text], Meta(max_length=64)] = []
    reason: Text = ""
    shadow: Text = ""


class CostPart(_Part, frozen=True, kw_only=True):
    """USD, in decimal. Either `usd`, which is exact, or `unknown`, which says why nobody knows it."""

    usd: Text = ""
    unknown: Text = ""
    at_most: Text = ""
    """Where `usd` is unknown: it is no more than this; absent where there is no price either."""
    price: Text = ""
    """Of an attempt: where its price is from; a table with its version and date."""


class AttemptPart(_Part, frozen=True, kw_only=True):
    """A request to a provider; `outcome` and `detail` only where it is told after it ended."""

    provider: Text
    model: Text = ""
    outcome: Text = ""
    detail: Text = ""
    cost: CostPart | None = None


class CachePart(_Part, frozen=True, kw_only=True):
    """An answer that was given again; no provider was asked."""

    result: Text
    """hit: it had been kept; shared: with an equal turn at the same time; semantic: for one that means the same."""
    provider: Text
    model: Text
    """Whose it was."""
    saved: Text = ""
    """USD, in decimal, that it had cost; absent where nobody knows."""
    similarity: Text = ""
    """Cosine of the question that it was given to, 0.000 to 1.000; absent where that was equal."""


class TokensPart(_Part, frozen=True, kw_only=True):
    input: Count
    output: Count


class ContentPart(_Part, frozen=True, kw_only=True):
    """Where the encrypted content stands: folder of the class, file of the day, and the SHA-256 of the ciphertext."""

    label: Text
    file: Text
    sha256: Hash


class Record(_Part, frozen=True, kw_only=True):
    """One entry of a log. `sequence` and `previous` are the chain's to fill (`Chain.seal`)."""

    version: int = VERSION
    kind: Kind
    id: Text
    sequence: Count = 0
    previous: Annotated[str, Meta(max_length=64)] = ""
    time: Text
    """RFC 3339, UTC, microseconds."""
    agent: Text
    """NAMESPACE/NAME."""
    image: Text = ""
    """Version of the runtime."""
    config: Text = ""
    policy: Text = ""
    """Digests."""
    route: Text = ""
    rule: Text = ""
    conversation: Text = ""
    turn: Text = ""
    """Of an action its own id: what its intent and its outcome have in common."""
    action: Text = ""
    """Absent for turns. Approve or Deny: an approver's verdict; Delete: of the conversation."""
    approval: Text = ""
    """The approval that a turn asked for or used, or that a verdict is about: its id in the state, not its name."""
    caller: Text = ""
    """Pseudonym: an HMAC under the subject's key."""
    caller_kind: Text = ""
    sensitivity: Text = ""
    decision: Text = ""
    """Allow or Deny: whether the turn may go on, or did end well."""
    outcome: Text = ""
    """answered, refused, withheld, failed, interrupted, caller_gone; done: an action has taken effect."""
    code: Text = ""
    decisions: Annotated[list[DecisionPart], Meta(max_length=128)] = []
    input: Text = ""
    output: Text = ""
    """HMACs of what was asked and answered, under the subject's key."""
    confidence: Text = ""
    """Decimal, 0.000 to 1.000: the injection model's that the caller's most suspicious text is an attempt to give other
    instructions; absent where the model did not look."""
    flags: Annotated[list[Text], Meta(max_length=32)] = []
    """Compliance flags, sorted: injection_attempt, leak_blocked, personal_data, unauthorized, ..."""
    attempts: Annotated[list[AttemptPart], Meta(max_length=64)] = []
    tokens: TokensPart | None = None
    cost: CostPart | None = None
    """Of all attempts; absent where none was made and nothing was spared."""
    cache: CachePart | None = None
    content: ContentPart | None = None
    counts: Annotated[dict[Text, Count], Meta(max_length=64)] = {}
    """Of `refusals` and `lost`: how many, by code or kind."""
    recovered: Count = 0


class MalformedRecord(ValueError):  # noqa: N818 - what a reader found, not a fault of the program
    """The payload is no canonical record. The text names no value of it."""


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Canonical bytes."""
    return _ENCODER.encode(record)


def decode(payload: bytes | memoryview) -> Record:
    """Raises MalformedRecord for anything but the canonical bytes of one record of this version."""
    if len(payload) > LARGEST_RECORD:
        raise MalformedRecord("larger than a record may be")
    try:
        record = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRecord(f"not a record: {type(error).__name__}") from None
    if record.version != VERSION:
        raise MalformedRecord(f"of version {record.version}; this program reads {VERSION}")
    if _ENCODER.encode(record) != payload:
        raise MalformedRecord("not in canonical form")
    return record
