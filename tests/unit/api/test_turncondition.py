import pytest

from regent_api.expression import InvalidExpression
from regent_api.turncondition import TurnCondition, TurnFacts

FACTS = TurnFacts("OIDC", ["staff"], 100, stream=True, hour=23, weekday=7)


@pytest.mark.parametrize(
    "text",
    [
        "turn.callerKind == 'OIDC'",
        "turn.callerGroups.exists(g, g.startsWith('st'))",
        "turn.inputTokens >= 100 && turn.stream",
        "turn.hour == 23 && turn.weekday == 7",
    ],
)
def test_every_fact_can_be_asked_about(text: str) -> None:
    assert TurnCondition(text).holds(FACTS)
    assert not TurnCondition(f"!({text})").holds(FACTS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("turn.", "is not CEL"),
        ("turn.caller == 'x'", "a turn has no field caller; it has callerGroups"),
        ("record.code == 'x'", "it does not look at the turn; write for example turn.inputTokens > 4000"),
        ("turn.inputTokens", "is no condition"),
        ("turn.callerKind.matches('x')", "the function matches is not offered here"),
        ("turn.inputTokens > 'x'", "cannot be evaluated"),
    ],
)
def test_what_is_no_condition_on_a_turn_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidExpression, match=words.replace(".", r"\.")):
        TurnCondition(text)


def test_what_fails_on_a_turn_says_so() -> None:
    with pytest.raises(InvalidExpression, match="cannot be evaluated"):
        TurnCondition("turn.callerGroups[0] == 'x'").holds(
            TurnFacts("Anonymous", [], 1, stream=False, hour=0, weekday=1)
        )
