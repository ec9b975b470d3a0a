"""CEL over a turn: `rules[].match.when` of a ModelRoute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regent_api.expression import Condition


@dataclass(frozen=True)
class TurnFacts:
    """What a rule may ask about a turn. Nothing of it is content, and nothing names the caller."""

    caller_kind: str
    caller_groups: Sequence[str]
    """Those that every policy with a say agrees on, sorted."""
    input_tokens: int
    """The estimate that `size.maxInputTokens` is held against."""
    stream: bool
    hour: int
    """0 to 23, UTC."""
    weekday: int
    """1 is Monday, 7 is Sunday, UTC."""


class TurnCondition:
    """Raises InvalidExpression."""

    def __init__(self, text: str) -> None:
        self._condition = Condition(text, "turn", _seen(_SAMPLE), "turn.inputTokens > 4000")

    def holds(self, facts: TurnFacts) -> bool:
        """Raises InvalidExpression where it cannot be evaluated on this turn, such as a list without that element."""
        return self._condition.holds(_seen(facts))


def _seen(facts: TurnFacts) -> dict[str, Any]:
    return {
        "callerKind": facts.caller_kind,
        "callerGroups": list(facts.caller_groups),
        "inputTokens": facts.input_tokens,
        "stream": facts.stream,
        "hour": facts.hour,
        "weekday": facts.weekday,
    }


_SAMPLE = TurnFacts("ServiceAccount", ["group"], 1, stream=True, hour=0, weekday=1)
