"""What was found in a caller's texts, and what a policy makes of it.

Finding knows no policy and deciding reads no text: so one search serves the policy in force and the shadows of those
in mode Audit alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from regent_api.effective import EffectiveInput
from regent_api.policy import Action, InjectionLevel
from regent_runtime.decision import Decision, Stage, decided

_FIELD = "guardrails.input"
PATTERNS = f"{_FIELD}.injection.patterns"
MODEL = f"{_FIELD}.injection.model"
SPECIAL_TOKENS = f"{_FIELD}.specialTokens"
INJECTION = frozenset({PATTERNS, MODEL})
USERS_PATTERNS = f"{_FIELD}.patterns"

PatternKey = tuple[str, str]
"""Policy (NAMESPACE/NAME) and name of a pattern that users wrote."""


@dataclass(slots=True)
class Findings:
    """Of all texts of a request together."""

    house: set[str] = field(default_factory=set)
    """Names of the patterns of the house that matched."""
    users: set[PatternKey] = field(default_factory=set)
    score: float = -inf
    """The injection model's, of the worst text."""
    special_tokens: bool = False


def decisions(
    found: Findings,
    policy: EffectiveInput,
    sources: Mapping[str, Sequence[str]],
    thresholds: Mapping[InjectionLevel, float],
) -> Iterator[Decision]:
    """What the policy does about it, one decision for each find and action."""
    for name in sorted(found.house):
        for action in policy.injection.patterns:
            yield decided(sources, Stage.INPUT, action, PATTERNS, name)
    if found.score >= thresholds[policy.injection.level]:
        for action in policy.injection.model:
            yield decided(sources, Stage.INPUT, action, MODEL, policy.injection.level)
    if found.special_tokens:
        for action in policy.special_tokens:
            yield decided(sources, Stage.INPUT, action, SPECIAL_TOKENS)
    for pattern in policy.patterns:
        if (pattern.policy, pattern.name) in found.users:
            yield Decision(Stage.INPUT, pattern.action, USERS_PATTERNS, (pattern.policy,), pattern.name)


def denies(made: Sequence[Decision]) -> bool:
    return any(decision.action == Action.DENY for decision in made)
