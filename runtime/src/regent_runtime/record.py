"""What is written down of a turn, or of an action beside turns: never content, never who called, never a key."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from regent_runtime.cost.bill import Bill, Cost, together
from regent_runtime.cost.charged import NOT_CHARGED
from regent_runtime.decision import STAGE_OF, Decision, decided
from regent_runtime.refusals import Refused
from regent_runtime.route.errors import ProviderError
from regent_runtime.route.failure import Failure
from regent_runtime.wire.answer import Usage

ANSWERED = "answered"
REFUSED = "refused"
FAILED = "failed"
INTERRUPTED = "interrupted"
CALLER_GONE = "caller_gone"
WITHHELD = "withheld"
"""A guard ended the turn; the caller has the refusal's text."""
DONE = "done"
"""An action has taken effect."""


@dataclass(slots=True)
class AttemptRecord:
    """A request to a provider, written before it is sent."""

    bill: Bill
    outcome: str = Failure.ABANDONED.word
    """`answered`, or the word of the failure."""
    detail: str = ""

    @property
    def provider(self) -> str:
        return self.bill.provider.name

    def failed(self, error: ProviderError) -> ProviderError:
        self.outcome, self.detail = error.failure.word, error.detail
        self.bill.free = error.failure in NOT_CHARGED
        return error


@dataclass(frozen=True, slots=True)
class Reused:
    """An answer that was kept: whose it was, and what it cost; None: nobody knows."""

    provider: str
    model: str
    saved: Decimal | None
    similarity: float | None = None
    """Cosine of the question that it was given to; None: that was equal."""


class OpenTrail(Protocol):
    """The turn's records in the audit log, while it may still lack an outcome."""

    def close(self) -> None:
        """The turn has ended."""


@dataclass(frozen=True, slots=True)
class Shortening:
    """A step that made the prompt shorter; tokens by the estimate."""

    step: str
    before: int
    after: int


@dataclass(slots=True)
class TurnRecord:
    """Filled as the turn goes; logged, counted and audited when it has ended."""

    id: str = field(default_factory=lambda: os.urandom(12).hex())
    began: float = field(default_factory=time.monotonic)
    ends: float = math.inf
    """When the turn's time is over, by the same clock; `turn.time_limit` begins it."""
    created: int = field(default_factory=lambda: int(time.time()))
    agent: str = ""
    config: str = ""
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """AgentConfig.sources of the config that the turn runs under."""
    policy: str = ""
    route: str = ""
    caller_kind: str = ""
    subject: str = ""
    """Who called: for the audit's pseudonym and nothing else; in no log line, metric or error."""
    stream: bool = False
    conversation: str = ""
    """Its id, for the caller and the audit; empty where none is kept."""
    closes: bool = False
    """Whether the caller has said that this is the conversation's last turn."""
    sensitivity: str = ""
    action: str = ""
    """Empty for a turn. Approve or Deny: an approver's verdict; Delete: of a conversation."""
    approval: str = ""
    """The state's id of the approval that a turn asked for or used, or that a verdict is about; opens nothing."""
    confidence: float | None = None
    """The injection model's, 0 to 1, that a text of the caller is an attempt; None where it did not look."""
    rule: str = ""
    decisions: list[Decision] = field(default_factory=list)
    """What the stages decided, in order; only what a policy had a hand in."""
    attempts: list[AttemptRecord] = field(default_factory=list)
    dead_keys: dict[str, set[str]] = field(default_factory=dict)
    """Names of keys that a provider did not take, by the provider's: the turn does not use them again."""
    cache: str = ""
    """`hit`, `shared` (with an equal turn at the same time), `miss`, why no answer may be kept, or empty: none is."""
    reused: Reused | None = None
    """The turn's answer, where no provider was asked."""
    model: str = ""
    input_estimate: int = 0
    """Tokens of the prompt as the caller sent it."""
    shortened: list[Shortening] = field(default_factory=list)
    group: str = ""
    """The turn that asked for this one and others together; its cost is written there. Empty: it was asked alone."""
    usage: Usage | None = None
    outcome: str = ANSWERED
    code: str = ""
    told: tuple[tuple[int, str], dict[str, Any]] | None = None
    """What the audit log was told of the decisions, when there were so many, and under that code."""
    trail: OpenTrail | None = None
    """None until the turn has passed all that can stop it."""

    def attempt(self, bill: Bill) -> AttemptRecord:
        bill.sent = True
        self.attempts.append(AttemptRecord(bill))
        return self.attempts[-1]

    def cost(self) -> Cost:
        """Of all attempts, as far as is known now."""
        if len(self.attempts) == 1:
            return self.attempts[0].bill.cost()
        return together(attempt.bill.cost() for attempt in self.attempts)

    def refused(self, refused: Refused) -> None:
        """Write down which field refused the turn, where a policy's did."""
        self.code = refused.refusal.code
        if refused.field:
            stage = STAGE_OF[refused.field.partition(".")[0]]
            self.decisions.append(decided(self.sources, stage, "Deny", refused.field, self.code))

    @property
    def provider(self) -> str:
        """The one that was tried last."""
        return self.attempts[-1].provider if self.attempts else ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began
