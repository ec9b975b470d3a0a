"""What pods say of the agent's money, in its status, its condition and its Events, on a real API server."""

from datetime import UTC, datetime
from typing import Any

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import Object, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually

BUDGET = {"perDayUsd": "100", "alertAtPercent": [50, 80]}
FREE = {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}


def said(usd: str, *, exhausted: bool = False) -> Object:
    now = datetime.now(UTC)
    day = now.strftime("%Y-%m-%d")
    return {"period": "Day", "of": day, "usd": usd, "exhausted": exhausted, "at": int(now.timestamp())}


def spent(world: World) -> list[Object]:
    found = world.get("aiagent", "helper")
    assert found is not None
    entries: list[Object] = found["status"].get("spend", [])
    return entries


def told(world: World, reason: str) -> list[str]:
    return [event["note"] for event in world.all("events.events.k8s.io") if event["reason"] == reason]


def test_what_is_spent_stands_in_the_status_and_thresholds_are_told(
    world: World, operator: RunningOperator, kubelet: FakeKubelet
) -> None:
    kubelet.rules.budgets = (said("81.25"),)
    priced = route()
    for provider in priced["spec"]["providers"]:
        provider["price"] = FREE
    stateful: dict[str, Any] = {"state": {"redis": {"url": "redis://redis.data.svc:6379"}}}
    world.apply(priced, policy(selector={}, budget=BUDGET), agent(**stateful))
    world.await_ready("helper")
    eventually(
        "the threshold is told", lambda: world.conditions("helper")["BudgetAvailable"] == ("True", "BudgetAlert")
    )
    today = said("0")["of"]
    assert spent(world) == [{"period": "Day", "of": today, "usd": "81.25", "budgetUsd": "100", "percent": 81}]
    (note,) = eventually("an Event", lambda: told(world, "BudgetAlert"))
    assert "at least 80 % of budget.perDayUsd (100 USD" in note
    kubelet.rules.budgets = (said("99.5", exhausted=True),)
    world.apply(agent(**stateful, instructions={"inline": "Answer in two sentences."}))
    eventually("the end is told", lambda: world.conditions("helper")["BudgetAvailable"] == ("False", "BudgetExhausted"))
    assert spent(world)[0]["exhausted"] is True
    assert eventually("an Event", lambda: told(world, "BudgetExhausted"))
    world.await_ready("helper")
