"""What a stage of a turn decided, and which field and policies stand behind it.

One shape for the audit record, the metrics, `regent explain` and the shadows of policies in mode Audit. It never bears
content, a caller or a key: `reason` is a word of the stage's own, such as the name of a pattern.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """In the order of a turn."""

    CALLERS = "callers"
    LIMITS = "limits"
    SIZE = "size"
    CONVERSATION = "conversation"
    INPUT = "input"
    LABEL = "label"
    CLASS = "class"
    ROUTE = "route"
    ANONYMIZE = "anonymize"
    PROMPT = "prompt"
    OUTPUT = "output"
    AUDIT = "audit"


STAGE_OF = {
    "callers": Stage.CALLERS,
    "limits": Stage.LIMITS,
    "budget": Stage.ROUTE,
    "onStateError": Stage.LIMITS,
    "size": Stage.SIZE,
    "guardrails": Stage.INPUT,
    "data": Stage.CLASS,
    "approvals": Stage.CLASS,
    "cache": Stage.ROUTE,
    "models": Stage.ROUTE,
    "egress": Stage.ROUTE,
    "audit": Stage.AUDIT,
}
"""The stage at which fields of a group refuse."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`action`: Allow, a duty (Approve, LocalOnly, ...), an action of a guard (Audit, Escape, Redact, ...), or Deny."""

    stage: Stage
    action: str
    field: str = ""
    """Path in AgentPolicy of the field that decided; empty where none did."""
    policies: tuple[str, ...] = ()
    """NAMESPACE/NAME of the policies behind the field's value; empty where the default holds."""
    reason: str = ""
    shadow: str = ""
    """NAMESPACE/NAME of the policy in mode Audit that would have decided so; empty: it was decided."""

    def wire(self) -> dict[str, Any]:
        """JSON, without what is empty."""
        stated = {"stage": self.stage, "action": self.action, "field": self.field, "policies": self.policies}
        more = {"reason": self.reason, "shadow": self.shadow}
        return {name: value for name, value in (stated | more).items() if value}


def decided(
    sources: Mapping[str, Sequence[str]], stage: Stage, action: str, field: str = "", reason: str = ""
) -> Decision:
    """A decision that bears the policies behind its field. `sources`: those of the AgentConfig."""
    return Decision(stage, action, field, tuple(sources.get(field, ())), reason)
