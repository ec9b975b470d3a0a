"""Whatever a turn decided and tried, its record is one that readers take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.audit.chain import Chain
from regent_api.audit.record import AttemptPart, CostPart, DecisionPart, Kind, MalformedRecord, Record
from regent_runtime.audit.entry import LONGEST_WORD, MOST_ATTEMPTS, MOST_DECISIONS, MOST_POLICIES
from regent_runtime.audit.fitting import CUT, fitted

WORDS = st.builds(lambda letter, length: letter * length, st.characters(codec="utf-8"), st.integers(0, LONGEST_WORD))
COSTS = st.builds(CostPart, usd=WORDS, unknown=WORDS, at_most=WORDS, price=WORDS)
ATTEMPTS = st.builds(AttemptPart, provider=WORDS, outcome=WORDS, detail=WORDS, cost=COSTS)


@st.composite
def decisions(draw: st.DrawFn) -> DecisionPart:
    policies = [draw(WORDS)] * draw(st.integers(0, MOST_POLICIES))
    return DecisionPart(stage="input", action=draw(WORDS), field=draw(WORDS), policies=policies, reason=draw(WORDS))


def outcome(**fields: object) -> Record:
    return Record(kind=Kind.OUTCOME, id="1", time="2026-11-27T00:00:00.000000Z", agent="demo/helper", **fields)  # type: ignore[arg-type] # hypothesis made them


def read(record: Record) -> Record:
    """As a reader has it."""
    return Chain("demo/helper/1").follow(Chain("demo/helper/1").seal(record))


def test_a_record_that_fits_is_left_alone() -> None:
    record = outcome(decisions=[DecisionPart(stage="input", action="Deny", policies=["demo/a", "demo/b"])])
    assert fitted(record) == record


@given(decisions(), st.integers(0, MOST_DECISIONS), ATTEMPTS, st.integers(0, MOST_ATTEMPTS))
def test_every_record_can_be_read(decision: DecisionPart, decided: int, attempt: AttemptPart, tried: int) -> None:
    made = [*[decision] * decided, DecisionPart(stage="input", action="Deny")]
    found = read(fitted(outcome(decisions=made, attempts=[attempt] * tried)))
    assert found.decisions in ([], [CUT]) or found.decisions[-1].action == "Deny"


def test_what_no_reader_would_take_is_not_sealed() -> None:
    chain = Chain("demo/helper/1")
    with pytest.raises(MalformedRecord):
        chain.seal(outcome(attempts=[AttemptPart(provider="p" * 400)] * 200))
    assert chain.size == 0


def test_what_many_policies_state_is_cut_to_one_of_each_and_says_so() -> None:
    policies = [f"demo/{number:060}" for number in range(16)]
    made = [DecisionPart(stage="input", action="Audit", policies=policies, reason=f"p{each}") for each in range(64)]
    found = read(fitted(outcome(decisions=made)))
    assert found.decisions[0] == CUT
    assert [(each.policies, each.reason) for each in found.decisions[1:]] == [
        (policies[:1], each.reason) for each in made
    ]
