"""Conditions of rules, compiled once."""

from functools import lru_cache

from regent_api.turncondition import TurnCondition

MOST_KEPT = 256


@lru_cache(MOST_KEPT)
def condition(text: str) -> TurnCondition:
    """Raises InvalidExpression."""
    return TurnCondition(text)
