"""What a grant pays for: no request within it costs more, and one more token might."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.price import AMOUNT, ProviderPrice
from regent_runtime.cost.price import most
from regent_runtime.limits.budget import Cap, Figures, nanos, output_tokens_for, purse
from regent_runtime.limits.spending import Spent
from regent_runtime.record import TurnRecord
from regent_runtime.state.contract import NANOS, Period, Purse, hashed
from tests.unit.runtime.cost.test_price import prices_of, tiered

inputs = st.integers(0, 400_000)
GPT = prices_of([(0, ("1.25", "10", "0.125", "1.25"))])


def test_money_is_counted_in_billionths_and_never_less_than_was_spent() -> None:
    assert nanos(Decimal(1)) == NANOS
    assert nanos(Decimal("0.000000001")) == 1
    assert nanos(Decimal("0.000000000001")) == 1
    assert nanos(Decimal(0)) == 0


def test_what_the_input_leaves_goes_into_the_answer() -> None:
    assert output_tokens_for(GPT, 1000, nanos(Decimal("0.00225"))) == 100


@given(tiered, inputs, st.integers(64, 10_000), st.integers(1, 10_000))
def test_a_cap_that_was_shrunk_is_paid_by_the_grant_and_is_the_largest_that_is(
    prices: ProviderPrice, tokens: int, least: int, more: int
) -> None:
    below, above = (nanos(most(prices, tokens, cap)) for cap in (least, least + more))
    if above == below:
        return
    granted = (below + above) // 2
    cap = output_tokens_for(prices, tokens, granted)
    assert least <= cap <= least + more
    assert nanos(most(prices, tokens, cap)) <= granted
    assert nanos(most(prices, tokens, cap + 1)) >= granted


def test_what_is_told_as_spent_is_an_amount_whatever_it_is() -> None:
    def told(nanos: int) -> str:
        usd: str = Figures("Day", NANOS, [], Spent("2026-11-26", nanos, 0.5)).wire()["usd"]
        return usd

    assert [told(each) for each in (0, 1, 3 * NANOS // 2, 10**9 * NANOS)] == [
        "0",
        "0.000000001",
        "1.5",
        "999999.999999999",
    ]
    assert all(re.fullmatch(AMOUNT, told(each)) for each in (0, 1, 10**15, 10**30))


def test_a_share_of_nothing_is_never_passed() -> None:
    nothing, half = Figures("Day", 0, [], Spent("d", 0, 0)), Figures("Day", 200, [], Spent("d", 100, 0))
    assert (nothing.share, nothing.passed(1)) == (0, False)
    assert (half.share, half.passed(50), half.passed(51)) == (0.5, True, False)


DAY, TALK = Cap("budget.perDayUsd", Period.DAY, 9), Cap("budget.perConversationUsd", Period.CONVERSATION, 9)


def test_a_day_has_one_purse_and_each_conversation_its_own() -> None:
    turns = [TurnRecord(conversation=id_) for id_ in ("talk", "talk", "other")]
    assert {purse(DAY, turn) for turn in turns} == {Purse("agent", 9, Period.DAY)}
    assert [purse(TALK, turn) for turn in turns] == [
        Purse(hashed("budget", id_), 9, Period.CONVERSATION, id_) for id_ in ("talk", "talk", "other")
    ]


def test_turns_outside_of_a_conversation_pay_for_nobody_else() -> None:
    one, other = TurnRecord(), TurnRecord()
    assert purse(TALK, one) == Purse(hashed("budget", one.id), 9, Period.TURN)
    assert purse(TALK, one).bucket != purse(TALK, other).bucket


@pytest.mark.parametrize("cap", [DAY, TALK])
@pytest.mark.parametrize("talk", ["talk", ""])
def test_what_a_policy_tries_is_never_taken_out_of_a_purse_in_force(cap: Cap, talk: str) -> None:
    turn = TurnRecord(conversation=talk)
    assert len({purse(cap, turn, trial).bucket for trial in ("", "demo/one", "demo/two")}) == 3
