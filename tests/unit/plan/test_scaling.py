"""ScalingActive: what an autoscaler says of itself, and never silence."""

from dataclasses import replace
from typing import Any

import pytest

from regent_api.status import Condition, ConditionStatus
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.conditions import dated
from regent_operator.plan.inputs import Installation
from regent_operator.plan.observation import AutoscalerSeen, Observation, autoscaler_seen
from regent_operator.plan.scaling import scaling_active, silent_in
from tests.unit.plan.nextstep import ends_with_the_next_step
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, NOW, agent, for_all, inputs

KEDA = replace(INSTALLATION, keda_url="http://metrics")
MEASURED = frozenset({"active_conversations", "cpu"})
WELL = AutoscalerSeen(told=True, active=True, measured=MEASURED)
PODS = {
    "type": "Pods",
    "pods": {"metric": {"name": "active_conversations"}, "current": {"averageValue": "1500m"}},
}
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "current": {"averageUtilization": 12, "averageValue": "6m"}},
}
NONE = {"type": ""}
"""What a controller writes for a metric that it could not get."""


def planned(**changes: Any) -> AgentPlan:
    return plan_agent(inputs(**{"agent": agent(scaling={"auto": {}}), **changes}), INSTALLATION)


def told(seen: AutoscalerSeen | None, plan: AgentPlan | None = None) -> tuple[ConditionStatus, str, str] | None:
    found = scaling_active(plan or planned(), Observation(autoscaler=seen), None, NOW)
    return None if found is None else (found.status, found.reason.value, found.message)


class Silent:
    """An autoscaler that tells nothing, and what the status makes of it while the clock goes on."""

    def __init__(self, plan: AgentPlan) -> None:
        self.plan = plan
        self.seen: AutoscalerSeen | None = None
        self.conditions: list[Condition] = []

    def at(self, now: str) -> tuple[str, str]:
        """(Status, reason)."""
        found = scaling_active(self.plan, Observation(autoscaler=self.seen), self.conditions, now)
        self.conditions = dated([found], 1, self.conditions, now)
        return (self.conditions[0].status, self.conditions[0].reason)


def condition(kind: str, status: str, message: str = "fine") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "R", "message": message}


def test_where_every_target_has_a_figure() -> None:
    status, reason, message = told(WELL) or ("", "", "")
    assert (status, reason) == ("True", "MetricsAvailable")
    assert message.endswith("Nothing to do.")


def test_a_target_without_a_figure_is_named_though_the_autoscaler_calls_itself_active() -> None:
    """It is active while any one of its metrics works."""
    status, reason, message = told(replace(WELL, measured=frozenset({"active_conversations"}))) or ("", "", "")
    assert (status, reason) == ("False", "MetricUnavailable")
    assert "no figure for cpu" in message
    assert "metrics-server" in message


def test_the_autoscalers_own_words_are_passed_on() -> None:
    seen = AutoscalerSeen(told=True, message="unable to get metric active_conversations: no custom metrics API")
    status, reason, message = told(seen) or ("", "", "")
    assert (status, reason) == ("False", "MetricUnavailable")
    assert "active_conversations and cpu (unable to get metric active_conversations: no custom metrics API)" in message
    assert "autoscaling.provider of the chart" in message


def test_an_autoscaler_that_cannot_scale() -> None:
    seen = AutoscalerSeen(told=True, able=False, message="the HPA controller was unable to get the target's scale")
    status, reason, message = told(seen) or ("", "", "")
    assert (status, reason) == ("False", "ScalingFailed")
    assert message.startswith("the HPA controller was unable")


@pytest.mark.parametrize("scaling", [{"auto": {}}, {"replicas": 3}], ids=["bounds", "a number"])
def test_what_scales_an_agent_and_cannot_be_read_is_told_whatever_should(scaling: dict[str, Any]) -> None:
    plan = planned(agent=agent(scaling=scaling))
    found = scaling_active(plan, Observation(autoscaler=WELL, unread="not yours"), None, NOW)
    assert found is not None
    assert (found.status, found.reason) == (ConditionStatus.UNKNOWN, "ScalingFailed")
    assert "cannot be read: not yours." in found.message
    assert ends_with_the_next_step(found.message)


@pytest.mark.parametrize("seen", [None, AutoscalerSeen()])
def test_until_its_controller_has_looked_nobody_knows(seen: AutoscalerSeen | None) -> None:
    assert (told(seen) or ("", ""))[:2] == ("Unknown", "Pending")


@pytest.mark.parametrize(
    ("installation", "words"),
    [
        (INSTALLATION, ["Nobody has looked at the autoscaler", "kube-controller-manager"]),
        (KEDA, ["KEDA", "ScaledObject"]),
    ],
    ids=["Kubernetes", "KEDA"],
)
def test_an_autoscaler_at_which_nobody_looks_is_told_as_such_after_five_minutes(
    installation: Installation, words: list[str]
) -> None:
    silent = Silent(plan_agent(inputs(agent=agent(scaling={"auto": {}})), installation))
    assert silent.at("2026-11-25T20:41:00Z") == ("Unknown", "Pending")
    assert silent_in(silent.conditions, "2026-11-25T20:41:00Z") == 300.0
    assert silent.at("2026-11-25T20:45:59Z") == ("Unknown", "Pending")
    assert silent_in(silent.conditions, "2026-11-25T20:45:59Z") == 1.0
    assert silent.at("2026-11-25T20:46:00Z") == ("False", "MetricUnavailable")
    (condition,) = silent.conditions
    assert all(word in condition.message for word in words)
    assert ends_with_the_next_step(condition.message)
    assert silent_in(silent.conditions, "2026-11-25T20:46:00Z") is None
    assert silent.at("2026-11-25T20:46:01Z") == ("False", "MetricUnavailable"), "it stays so"
    silent.seen = WELL
    assert silent.at("2026-11-25T20:47:00Z") == ("True", "MetricsAvailable")
    assert silent_in(silent.conditions, "2026-11-25T20:47:00Z") is None


def test_one_that_told_something_and_was_made_anew_has_five_minutes_again() -> None:
    silent = Silent(planned())
    silent.seen = AutoscalerSeen(told=True, message="no custom metrics API")
    assert silent.at("2026-11-25T20:41:00Z") == ("False", "MetricUnavailable")
    silent.seen = AutoscalerSeen()
    assert silent.at("2026-11-25T21:41:00Z") == ("Unknown", "Pending")
    assert silent.at("2026-11-25T21:45:00Z") == ("Unknown", "Pending")
    assert silent.at("2026-11-25T21:46:00Z") == ("False", "MetricUnavailable")


def test_without_a_config_there_is_no_autoscaler_that_could_be_silent() -> None:
    """Its five minutes begin when it is made, however long the route was missing."""
    assert told(None, planned(route=None)) is None


@pytest.mark.parametrize(
    "given", [{}, {"scaling": {"replicas": 3}}, {"scaling": {"auto": {"maxReplicas": 3}}}, {"suspend": True}]
)
def test_where_the_number_of_pods_is_fixed_there_is_no_such_condition(given: dict[str, Any]) -> None:
    suspended = {"scaling": {"auto": {}}} if "suspend" in given else {}
    assert told(WELL, planned(agent=agent(**suspended, **given))) is None


def test_while_pods_lack_a_state_to_share_they_are_not_scaled() -> None:
    limited = for_all("base", limits=[{"per": "Caller", "requestsPerMinute": 9}], **LOCAL_HOSTS)
    assert (told(None, planned(policies=(limited,))) or ("", ""))[:2] == ("False", "SharedStateRequired")


def test_only_stated_targets_are_asked_for() -> None:
    alone = planned(agent=agent(scaling={"auto": {"targets": {"activeConversations": 5}}}))
    assert (told(replace(WELL, measured=frozenset({"active_conversations"})), alone) or ("", ""))[0] == "True"


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        (None, AutoscalerSeen()),
        ({"conditions": []}, AutoscalerSeen()),
        ({"conditions": [condition("AbleToScale", "True")]}, AutoscalerSeen()),
        (
            {
                "conditions": [condition("AbleToScale", "True"), condition("ScalingActive", "True")],
                "currentMetrics": [PODS, CPU],
            },
            WELL,
        ),
        (
            {
                "conditions": [condition("AbleToScale", "True"), condition("ScalingActive", "True")],
                "currentMetrics": [NONE, CPU],
            },
            replace(WELL, measured=frozenset({"cpu"})),
        ),
        (
            {
                "conditions": [
                    condition("AbleToScale", "True"),
                    condition("ScalingActive", "False", "no custom metrics API"),
                ],
                "currentMetrics": None,
            },
            AutoscalerSeen(told=True, message="no custom metrics API"),
        ),
        (
            {"conditions": [condition("AbleToScale", "False", "no scale")]},
            AutoscalerSeen(told=True, able=False, message="no scale"),
        ),
    ],
)
def test_what_is_read_of_an_autoscaler(status: dict[str, Any] | None, seen: AutoscalerSeen) -> None:
    assert autoscaler_seen({"metadata": {}, **({"status": status} if status is not None else {})}) == seen


def test_where_keda_scales_its_figure_counts_and_its_absence_is_told_as_kedas() -> None:
    plan = plan_agent(inputs(agent=agent(scaling={"auto": {}})), KEDA)
    conversations = {"type": "External", "external": {"metric": {"name": "s0"}, "current": {"averageValue": "3"}}}
    raw = {"status": {"conditions": [condition("ScalingActive", "True")], "currentMetrics": [conversations, CPU]}}
    assert (told(autoscaler_seen(raw), plan) or ("", ""))[1] == "MetricsAvailable"
    raw["status"]["currentMetrics"] = [CPU]
    _, reason, message = told(autoscaler_seen(raw), plan) or ("", "", "")
    assert reason == "MetricUnavailable"
    assert "ScaledObject" in message
    status, _, message = told(None, plan) or ("", "", "")
    assert (status, "ScaledObject" in message) == ("Unknown", True)
