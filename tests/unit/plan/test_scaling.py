"""ScalingActive: what an autoscaler says of itself, and never silence."""

from dataclasses import replace
from typing import Any

import pytest

from regent_api.status import ConditionStatus
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.observation import AutoscalerSeen, Observation, autoscaler_seen
from regent_operator.plan.scaling import scaling_active
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, agent, for_all, inputs

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
    found = scaling_active(plan or planned(), Observation(autoscaler=seen))
    return None if found is None else (found.status, found.reason.value, found.message)


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


@pytest.mark.parametrize("seen", [None, AutoscalerSeen()])
def test_until_its_controller_has_looked_nobody_knows(seen: AutoscalerSeen | None) -> None:
    assert (told(seen) or ("", ""))[:2] == ("Unknown", "Pending")


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
    keda = replace(INSTALLATION, keda_url="http://metrics")
    plan = plan_agent(inputs(agent=agent(scaling={"auto": {}})), keda)
    conversations = {"type": "External", "external": {"metric": {"name": "s0"}, "current": {"averageValue": "3"}}}
    raw = {"status": {"conditions": [condition("ScalingActive", "True")], "currentMetrics": [conversations, CPU]}}
    found = scaling_active(plan, Observation(autoscaler=autoscaler_seen(raw)))
    assert found is not None
    assert found.reason == "MetricsAvailable"
    raw["status"]["currentMetrics"] = [CPU]
    found = scaling_active(plan, Observation(autoscaler=autoscaler_seen(raw)))
    assert found is not None
    assert found.reason == "MetricUnavailable"
    assert "ScaledObject" in found.message
    found = scaling_active(plan, Observation())
    assert found is not None
    assert (found.status, "ScaledObject" in found.message) == ("Unknown", True)
