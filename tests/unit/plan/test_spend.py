"""status.spend, BudgetAvailable, and who is believed."""

from typing import Any

import pytest

from regent_api.agent import AIAgentStatus, BudgetSpend
from regent_api.status import Reason
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.echo import BudgetSaid
from regent_operator.plan.observation import Observation
from regent_operator.plan.spend import budget_available, spend
from regent_operator.plan.status import agent_status
from tests.unit.plan import samples

NOW = "2026-11-26T20:41:00Z"
FREE = {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}
RULE = {"name": "all", "providers": [{"name": "onprem"}]}


def planned(**budget: Any) -> AgentPlan:
    """Of an agent with a state that counts."""
    return plan_agent(
        samples.inputs(
            agent=samples.agent(state={"redis": {"url": "redis://redis.data.svc:6379"}}),
            policies=(samples.for_all("base", **samples.LOCAL_HOSTS), samples.for_all("budget", budget=budget)),
            route=samples.route(providers=[{**samples.ONPREM, "price": FREE}], rules=[RULE]),
        ),
        samples.INSTALLATION,
    )


def said(usd: str, *, at: int = 1, of: str = "2026-11-26", exhausted: bool = False, period: str = "Day") -> BudgetSaid:
    return BudgetSaid(period, of, usd, exhausted, at)


def seen(*each: BudgetSaid) -> Observation:
    return Observation(
        pods=tuple(samples.echoing(PLAN, f"pod-{number}", budgets=(one,)) for number, one in enumerate(each))
    )


def entry(usd: str, percent: int, **more: Any) -> BudgetSpend:
    return BudgetSpend(period="Day", of="2026-11-26", usd=usd, budget_usd="100", percent=percent, **more)


PLAN = planned(perDayUsd="100", alertAtPercent=[50, 80])


def test_the_pod_that_heard_of_the_state_last_is_believed() -> None:
    assert spend(PLAN, seen(said("60", at=5), said("61.5", at=9), said("70", at=7)), None, NOW) == [entry("61.5", 61)]


def test_what_is_of_another_day_is_not_told() -> None:
    yesterday = seen(said("60", of="2026-11-25"))
    assert spend(PLAN, yesterday, None, NOW) is None
    before = AIAgentStatus(spend=[entry("60", 60)])
    assert spend(PLAN, Observation(), before, NOW) == [entry("60", 60)]
    assert spend(PLAN, Observation(), before, "2026-11-27T00:00:01Z") is None


def test_what_is_not_bounded_is_not_told() -> None:
    assert spend(planned(perMonthUsd="100"), seen(said("60")), None, NOW) is None
    assert budget_available(planned(perConversationUsd="1"), None) is None


@pytest.mark.parametrize(
    ("usd", "exhausted", "status", "reason", "words"),
    [
        ("49.999999999", False, "True", Reason.WITHIN_BUDGET, "No threshold"),
        (
            "50",
            False,
            "True",
            Reason.BUDGET_ALERT,
            "at least 50 % of budget.perDayUsd (100 USD, acme/budget; 2026-11-26",
        ),
        ("80", False, "True", Reason.BUDGET_ALERT, "at least 80 %"),
        ("99.5", True, "False", Reason.BUDGET_EXHAUSTED, "what does not fit is refused"),
    ],
)
def test_thresholds_and_the_end_of_a_budget_are_told(
    usd: str, exhausted: bool, status: str, reason: Reason, words: str
) -> None:
    found = budget_available(PLAN, spend(PLAN, seen(said(usd, exhausted=exhausted)), None, NOW))
    assert found is not None
    assert (found.status.value, found.reason) == (status, reason)
    assert words in found.message


def test_words_hold_still_between_two_thresholds() -> None:
    told = {
        found.message
        for usd in ("50", "61.2", "79.99")
        if (found := budget_available(PLAN, spend(PLAN, seen(said(usd)), None, NOW)))
    }
    assert len(told) == 1


def test_where_turns_go_on_with_cheaper_providers_the_condition_says_so() -> None:
    plan = planned(perDayUsd="100", onExceeded="Downgrade")
    found = budget_available(plan, spend(plan, seen(said("100", exhausted=True)), None, NOW))
    assert found is not None
    assert "sent to providers that cost less, or refused" in found.message


def test_a_status_bears_it_and_a_quiet_agent_none() -> None:
    told = agent_status(PLAN, seen(said("81")), None, NOW)
    assert told.spend == [entry("81", 81)]
    assert {each.type: each.reason for each in told.conditions}["BudgetAvailable"] == "BudgetAlert"
    unbound = agent_status(planned(perConversationUsd="1"), Observation(), None, NOW)
    assert (unbound.spend, [each for each in unbound.conditions if each.type == "BudgetAvailable"]) == (None, [])


def test_a_budget_of_nothing_is_never_spent() -> None:
    plan = planned(perDayUsd="0", alertAtPercent=[50])
    found = budget_available(plan, spend(plan, seen(said("0")), None, NOW))
    assert found is not None
    assert found.reason is Reason.WITHIN_BUDGET
