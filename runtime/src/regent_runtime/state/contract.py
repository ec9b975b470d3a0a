"""What outlives a turn: one contract, kept in the pod (`pod.py`) or in Redis (`shared.py`).

A turn sees six things here. Each operation is atomic over all replicas that share the state: two of them never see
half of one another.

- **Windows and slots** (limits): `take` looks at all that a turn wants and takes all of it or nothing, so a refused
  turn costs nobody anything. A window is an exact log of when turns were let in, on the state's own clock; a slot is
  a lease that ends by itself, so a pod that dies frees its turns.
- **Purses** (budgets): `reserve` takes what an attempt may cost out of all its purses or out of none, before it is
  sent; `settle` gives back what it did not cost, once. What is never settled stays spent, so a pod that dies, and an
  attempt whose cost nobody knows, cost what was reserved: never less.
- **Conversations**: an id that this runtime issued, the caller that it belongs to, the label that it has reached and
  that never falls, and a nonce that never changes. Whoever is not its owner sees nothing. Each is active at one pod at
  the most, the one that serves its latest turn (`Visit`), so the pods' counts add up to how many are active.
- **Approvals**: a request that waits for a person; decided once, used once, gone at its expiry.
- **Answers** (the cache): bytes under an id that whoever asks can derive, for a time; the least recently used go first.
  With one goes its `Meaning`, in a log that is read onwards from where it was read before.

Owners and bucket names are hashes (`hashed`): no caller's name is kept. Everything is bounded. Where the bound is
reached, what is refused is the new thing (`StateFull`), but for conversations and answers: there the oldest goes, of
conversations its owner's own first, and an id that went is an unknown one, so no label ever falls by it.

A turn that is ended while it waits for `take` or `reserve` holds nothing by it, though it counts in windows; `settle`
and `give_back` are carried out all the same.

Every operation raises StateAway when the state cannot be reached in time; whether it then was carried out or not is
unknown, and each one is such that this errs to the stricter side.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from regent_api.types import Sensitivity

CONVERSATION_SECONDS = 86_400.0
"""After its last turn a conversation is forgotten."""
MOST_APPROVAL_BYTES = 65_536
MOST_APPROVALS_OF_AN_OWNER = 16
"""That wait, for a verdict or to be used: nobody's requests take the places of all others."""
MOST_MEANINGS = 20_000
"""Of one log; beyond them the oldest go, with their answers."""
MOST_MEANING_BYTES = 4096
MEANINGS_AT_ONCE = 128
BUSY_SECONDS = 1.0
"""What `take` says of a full set of slots: nobody knows when a turn will end."""


class StateAway(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The state cannot be reached, or did not answer in time. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StateFull(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """There is no room for one more."""


class OwnerFull(StateFull):
    """There is none for one more of this owner's."""


@dataclass(frozen=True)
class Window:
    """At most `most` turns of a bucket within any `seconds`. Ask all windows of a bucket together: its log keeps as
    many moments as the largest that was asked may hold.
    """

    bucket: str
    most: int
    seconds: float


@dataclass(frozen=True)
class Slots:
    """At most `most` turns of a bucket at once; one that is not given back is free after `seconds`."""

    bucket: str
    most: int
    seconds: float


Want = Window | Slots


class Period(StrEnum):
    """How long a purse lasts, on the state's clock; minutes, days and months are UTC's."""

    TURN = "turn"
    """For as long as what was last reserved of it can be settled."""
    CONVERSATION = "conversation"
    """For CONVERSATION_SECONDS after it was last spent from."""
    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True)
class Purse:
    """At most `most` is spent of a bucket in each period: of money whole billionths of a dollar (NANOS), or tokens."""

    bucket: str
    most: int
    period: Period
    conversation: str = ""
    """Its id, where the purse is one's: a pod forgets both together."""


NANOS = 1_000_000_000
"""Of a dollar."""


@dataclass(frozen=True)
class Reservation:
    """`granted`: what was taken out of every purse; None: nothing. `left`: what each had before, in their order, less
    than nothing where it was overspent or its cap is a lower one now.
    """

    granted: int | None
    left: tuple[int, ...]


@dataclass(frozen=True)
class Conversation:
    id: str
    owner: str
    label: Sensitivity
    nonce: str
    """For placeholders: the same for the whole conversation, and known to nobody outside of the runtime."""

    def raised(self, label: Sensitivity) -> "Conversation":
        return replace(self, label=max(self.label, label))


@dataclass(frozen=True)
class Visit:
    """A turn at a pod: its conversation is active there, and at no other pod, for `seconds` from now.

    Visits are short, so one of which nobody knows whether it was carried out needs no undoing: it ends by itself. Those
    of turns in flight are renewed (`active`), and `rest` is the last one of a turn.
    """

    pod: str
    seconds: float


@dataclass(frozen=True)
class Attended:
    conversation: Conversation
    active: int
    """Conversations that are active at the visit's pod now."""


class Verdict(StrEnum):
    PENDING = "Pending"
    APPROVED = "Approved"
    DENIED = "Denied"


@dataclass(frozen=True)
class Approval:
    """`binding`: digest of the body, caller and policy that it is for. `content`: what the approver sees, encrypted."""

    id: str
    binding: str
    owner: str
    content: bytes = b""
    verdict: Verdict = Verdict.PENDING
    decided_by: str = ""
    """The approver's hash; empty while pending."""
    seconds_left: float = 0.0
    """As of the moment when it was looked up."""


@dataclass(frozen=True)
class Meaning:
    """What a kept answer was asked, for those who ask it in other words: at most MOST_MEANING_BYTES in a log."""

    log: str
    content: bytes


@dataclass(frozen=True)
class Meanings:
    """`reached`: from where to read on; `more`: there may be more."""

    reached: str
    contents: Sequence[bytes]
    more: bool


class State(Protocol):
    shared: bool
    """Whether all replicas see the same."""

    async def take(self, wants: Sequence[Want], holder: str) -> tuple[float, ...]:
        """Seconds until there is room, in the order of `wants`; all zero: everything was taken, else nothing was.

        When nobody else uses the buckets, the same wants are let in after the longest of them, and not before it
        (slots: BUSY_SECONDS, a guess). `holder` names the turn and is unique. Raises StateAway, StateFull.
        """

    async def give_back(self, buckets: Sequence[str], holder: str) -> None:
        """Free the holder's slots in these buckets. Raises StateAway."""

    async def reserve(self, purses: Sequence[Purse], holder: str, least: int, most: int, seconds: float) -> Reservation:
        """Take `most`, or what is left in the emptiest purse, if that is `least` or more.

        `holder` names the attempt and is unique; it can settle for `seconds`. Raises StateAway, StateFull.
        """

    async def settle(self, holder: str, cost: int) -> bool:
        """Give back what was reserved beyond the cost. False: nothing is held under that name, or not any more.

        Raises StateAway; then it may or may not have been carried out.
        """

    async def begin(self, conversation: Conversation, visit: Visit) -> int:
        """Keep a new conversation. Returns how many are active at the visit's pod. Raises StateAway."""

    async def attend(self, id_: str, owner: str, visit: Visit) -> Attended | None:
        """As `recall`, for a turn: the conversation is active at the visit's pod from now on. Raises StateAway."""

    async def rest(self, id_: str, owner: str, visit: Visit) -> int:
        """Let the conversation be active at the pod of its latest turn for the visit's seconds, kept as by `recall`.

        If that is the visit's pod, for no longer. Returns how many are active at the visit's. Raises StateAway.
        """

    async def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        """How many conversations are active at the pod. Raises StateAway.

        Those of `running`, ids that the pod attends to, are it for so many seconds from now, as in `rest`.
        """

    async def recall(self, id_: str, owner: str) -> Conversation | None:
        """The owner's conversation, for CONVERSATION_SECONDS more; None: unknown, or another's. Raises StateAway."""

    async def raise_label(self, id_: str, owner: str, label: Sensitivity) -> Sensitivity | None:
        """The label after it was raised to at least this one; None as in `recall`. Raises StateAway."""

    async def shorten(self, id_: str, owner: str, seconds: float) -> bool:
        """Let the conversation live at most this long after its last turn, from now on; False: unknown, or another's.

        It never lives longer again. Raises StateAway.
        """

    async def forget(self, id_: str, owner: str) -> bool:
        """Delete a conversation; False: unknown, or another's. Raises StateAway."""

    async def forget_all(self, owner: str) -> int:
        """Delete every conversation of an owner, and say how many there were. Raises StateAway."""

    async def propose(self, approval: Approval, seconds: float) -> Approval:
        """Keep an approval that is pending for this long.

        Raises StateAway, and StateFull when as many wait as may, OwnerFull when as many of its owner's do.
        """

    async def approval(self, id_: str) -> Approval | None:
        """Raises StateAway."""

    async def decide(self, id_: str, verdict: Verdict, by: str) -> Approval | None:
        """The approval as it stands: with this verdict if it was pending, else as it was decided before.

        Raises StateAway.
        """

    async def consume(self, id_: str, binding: str) -> bool:
        """Use an approved one up: True once, and only for the binding that it was made for. Raises StateAway."""

    async def discard_approvals(self, owner: str) -> int:
        """Delete every approval of an owner, and say how many there were. Raises StateAway."""

    async def keep_answer(
        self, id_: str, owner: str, content: bytes, seconds: float, meaning: Meaning | None = None
    ) -> bool:
        """Keep an answer for at most this long, in the place of one of the same id; False: it is too large.

        Its meaning is there as long as the answer is, and takes of its room. Raises StateAway.
        """

    async def kept_answer(self, id_: str) -> bytes | None:
        """Raises StateAway."""

    async def meanings(self, log: str, after: str = "") -> Meanings:
        """Those of answers that are still there, the oldest first, which came after what was reached; empty: all.

        At most MEANINGS_AT_ONCE, and fewer where some of so many are gone. Raises StateAway.
        """

    async def discard_answers(self, owner: str) -> int:
        """Delete every answer of an owner, and say how many there were. Raises StateAway."""

    async def close(self) -> None:
        """Let go of connections. Nothing is lost by it."""


def hashed(*parts: str) -> str:
    """A name for what must not be readable in the state: 128 bits of SHA-256 over the parts, each with its length."""
    whole = b"".join(b"%d:%b" % (len(raw), raw) for raw in (part.encode() for part in parts))
    return hashlib.sha256(whole).hexdigest()[:32]


def check_content(approval: Approval) -> None:
    """Raises StateFull."""
    if len(approval.content) > MOST_APPROVAL_BYTES:
        raise StateFull
