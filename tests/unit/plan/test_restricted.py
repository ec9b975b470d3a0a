"""NetworkRestricted: what the pods have shown, and what it says where they have shown nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from regent_api.status import Condition, ConditionStatus
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.observation import Observation, PodSeen
from regent_operator.plan.restricted import network_restricted
from regent_operator.plan.status import agent_status
from regent_operator.plan.trial import HOLDS, OPEN, CanarySaid, Trial, Wall
from tests.unit.plan.samples import CLOUD, GENERAL, INSTALLATION, NOW, deployment, echoing, inputs, pod, route

WITH_CANARY = replace(INSTALLATION, canary_port=9797)
PLAN = plan_agent(inputs(), WITH_CANARY)
UNTRIED = Trial(Wall.UNPROVED, "could not try")


def tried(name: str, trial: Trial | None, said: str | None = None, **facts: Any) -> PodSeen:
    canary = CanarySaid("10.211.0.9", said) if said else None
    return replace(echoing(PLAN, name, pod_facts=facts, canary=canary), trial=trial)


def stood(status: str) -> list[Condition]:
    return [
        Condition(
            type="NetworkRestricted", status=ConditionStatus(status), reason="R", message=".", last_transition_time=NOW
        )
    ]


def shown(*pods: PodSeen, plan: AgentPlan = PLAN, before: Sequence[Condition] = ()) -> tuple[str, str, str]:
    finding = network_restricted(plan, Observation(deployment(), pods), before)
    assert finding is not None
    return finding.status.value, finding.reason.value, finding.message


def test_it_is_true_when_every_pod_has_shown_it() -> None:
    status, reason, message = shown(tried("a-1", HOLDS), tried("a-2", HOLDS))
    assert (status, reason) == ("True", "Restricted")
    assert message.startswith("2/2 pods tried a connection")


def test_one_pod_that_came_through_makes_it_false_and_is_named() -> None:
    status, reason, message = shown(tried("a-1", HOLDS), tried("a-2", OPEN), tried("a-3", UNTRIED))
    assert (status, reason) == ("False", "NotEnforced")
    assert message.startswith("a-2 reached port 9797 of the operator")


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        ((tried("a-1", HOLDS), tried("a-2", UNTRIED)), "1/2 pods have shown"),
        ((tried("a-1", None),), "a-1 has not tried yet"),
        ((tried("a-1", UNTRIED),), "a-1 could not try"),
        ((tried("a-1", None, "reached"),), "a-1 came through once"),
        ((pod("a-1"),), "0/1 pods have shown"),
    ],
)
def test_until_every_pod_has_shown_it_it_is_unknown(pods: tuple[PodSeen, ...], words: str) -> None:
    status, reason, message = shown(*pods)
    assert (status, reason) == ("Unknown", "NotProved")
    assert words in message
    assert message.endswith("Wait.")


def test_pods_that_cannot_serve_do_not_count() -> None:
    assert shown(tried("a-1", HOLDS), tried("a-2", OPEN, ready=False))[0] == "True"
    assert shown(tried("a-1", HOLDS, ready=False))[:2] == ("Unknown", "NoServingPod")
    assert shown()[:2] == ("Unknown", "NoServingPod")


@pytest.mark.parametrize(
    ("said", "before", "wanted"),
    [
        ("blocked", "True", "True"),
        ("reached", "False", "False"),
        ("blocked", "Unknown", "Unknown"),
        ("blocked", "False", "Unknown"),
        ("reached", "True", "Unknown"),
        (None, "True", "Unknown"),
        ("untried", "True", "Unknown"),
    ],
)
def test_an_operator_that_begins_keeps_what_was_found_while_the_pod_says_the_same(
    said: str | None, before: str, wanted: str
) -> None:
    assert shown(tried("a-1", None, said), before=stood(before))[0] == wanted


def test_its_own_trial_goes_before_what_was_found() -> None:
    assert shown(tried("a-1", OPEN, "blocked"), before=stood("True"))[0] == "False"
    assert shown(tried("a-1", UNTRIED, "blocked"), before=stood("True"))[0] == "Unknown"


def test_a_route_that_uses_the_canarys_port_itself_proves_nothing_by_coming_through() -> None:
    cloud = CLOUD | {"baseURL": "https://api.openai.com:9797/v1"}
    rule = GENERAL | {"providers": [{"name": "cloud"}]}
    plan = plan_agent(inputs(route=route(providers=[cloud], rules=[rule])), WITH_CANARY)
    status, reason, message = shown(tried("a-1", OPEN), plan=plan)
    assert (status, reason) == ("Unknown", "NotProved")
    assert "rules for that port" in message
    assert shown(tried("a-1", HOLDS), plan=plan)[0] == "True"


@pytest.mark.parametrize(
    "plan", [plan_agent(inputs(), INSTALLATION), plan_agent(inputs(route=None), WITH_CANARY)], ids=["canary", "config"]
)
def test_without_a_canary_or_a_config_nothing_is_claimed(plan: AgentPlan) -> None:
    assert network_restricted(plan, Observation(deployment(), (tried("a-1", HOLDS),)), ()) is None


@pytest.mark.parametrize("trial", [OPEN, UNTRIED, None])
def test_readiness_does_not_hang_on_it(trial: Trial | None) -> None:
    status = agent_status(PLAN, Observation(deployment(), (tried("helper-1", trial),)), None, NOW)
    found = {each.type: each.status.value for each in status.conditions}
    assert found["Ready"] == "True"
    assert found["NetworkRestricted"] != "True"
