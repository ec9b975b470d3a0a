"""What pods say of the agent's money, in its status, its condition and its Events, on a real API server."""

from datetime import UTC, datetime
from typing import Any

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually

BUDGET = {"perDayUsd": "100", "alertAtPercent": [50, 80]}
FREE = {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def said(usd: str, *, exhausted: bool = False) -> Object:
    at = int(datetime.now(UTC).timestamp())
    return {"period": "Day", "of": today(), "usd": usd, "exhausted": exhausted, "at": at}


def spent(world: World) -> list[Object]:
    found = world.get("aiagent", "helper")
    assert found is not None
    entries: list[Object] = found["status"].get("spend", [])
    return entries


def available(world: World) -> tuple[str, str] | None:
    """None: nothing is said of a budget, as long as the policy that states it has not been heard of."""
    return world.conditions("helper").get("BudgetAvailable")


def told(world: World, reason: str) -> list[str]:
    return [event["note"] for event in world.all("events.events.k8s.io") if event["reason"] == reason]


def test_what_is_spent_stands_in_the_status_and_thresholds_are_told(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    began = today()
    kubelet.rules.budgets = lambda: (said("81.25"),)
    priced = route()
    for provider in priced["spec"]["providers"]:
        provider["price"] = FREE
    stateful: dict[str, Any] = {"state": {"redis": {"url": "redis://redis.data.svc:6379"}}}
    world.apply(priced, policy(selector={}, budget=BUDGET), agent(**stateful))
    world.await_ready("helper")
    eventually("the threshold is told", lambda: available(world) == ("True", "BudgetAlert"))
    (entry,) = spent(world)
    assert entry.pop("of") in {began, today()}, "a day may end meanwhile"
    assert entry == {"period": "Day", "usd": "81.25", "budgetUsd": "100", "percent": 81}
    (note,) = eventually("an Event", lambda: told(world, "BudgetAlert"))
    assert "at least 80 % of budget.perDayUsd (100 USD" in note
    kubelet.rules.budgets = lambda: (said("99.5", exhausted=True),)
    world.apply(agent(**stateful, instructions={"inline": "Answer in two sentences."}))
    eventually("the end is told", lambda: available(world) == ("False", "BudgetExhausted"))
    assert spent(world)[0]["exhausted"] is True
    assert eventually("an Event", lambda: told(world, "BudgetExhausted"))
    world.await_ready("helper")
