"""An audit log that breaks, and a budget that runs out, are an Event then, not each time that an agent is looked at."""

from dataclasses import replace
from typing import Any

from regent_api.agent import AIAgentStatus
from regent_api.status import ConditionType, Reason
from regent_operator.engine.apply import Outcome
from regent_operator.engine.events import Occurrence
from regent_operator.engine.metrics import Metrics
from regent_operator.engine.narrate import Narrator
from regent_operator.engine.resources import Key
from regent_operator.plan.conditions import dated, true
from regent_operator.plan.observation import LogFinding, Observation
from regent_operator.plan.status import agent_status
from tests.unit.plan.samples import NOW
from tests.unit.plan.test_status import PLAN, SERVING


class Recorder:
    def __init__(self) -> None:
        self.told: list[Occurrence] = []

    def record(self, occurrence: Occurrence) -> None:
        self.told.append(occurrence)


def status(*codes: str) -> AIAgentStatus:
    found = tuple(LogFinding("gone", code) for code in codes)
    seen = Observation(SERVING.deployment, SERVING.pods, log_findings=found)
    return agent_status(PLAN, seen, None, NOW)


def told(before: AIAgentStatus, after: AIAgentStatus) -> list[tuple[str, str]]:
    recorder: Any = Recorder()
    Narrator(recorder, Metrics()).tell(Key("AIAgent", "acme", "helper"), PLAN.agent, before, after, Outcome())
    return [(each.type, each.reason) for each in recorder.told]


def test_a_log_that_breaks_is_told_once_and_again_when_more_breaks() -> None:
    assert told(status(), status("gap")) == [("Warning", "LogGap")]
    assert told(status("gap"), status("gap")) == []
    assert told(status("gap"), status("gap", "fork")) == [("Warning", "LogForked")]
    assert told(status("gap"), status()) == []


def test_content_that_the_collector_refuses_is_told_like_a_log_that_breaks() -> None:
    pods = tuple(pod.with_echo(replace(pod.echo, content_refused=True)) for pod in SERVING.pods if pod.echo)
    refused = agent_status(PLAN, Observation(SERVING.deployment, pods), None, NOW)
    assert told(status(), refused) == [("Warning", "ContentRefused")]
    assert told(refused, refused) == []
    assert {each.type: each.status.value for each in refused.conditions}["Ready"] == "True"


def test_it_stands_beside_ready_and_goes_with_what_was_found() -> None:
    broken = {each.type: (each.status.value, each.reason) for each in status("fork").conditions}
    assert (broken["Ready"], broken["AuditLogBroken"]) == (("True", "Ready"), ("True", "LogForked"))
    assert "AuditLogBroken" not in {each.type for each in status().conditions}


def budget(reason: Reason, words: str) -> AIAgentStatus:
    found = true(ConditionType.BUDGET_AVAILABLE, reason, words)
    return AIAgentStatus(conditions=dated([found], 1, None, NOW))


def test_each_threshold_of_a_budget_is_told_once() -> None:
    within = budget(Reason.WITHIN_BUDGET, "Nothing to do.")
    half, most = (budget(Reason.BUDGET_ALERT, f"{percent} %") for percent in (50, 80))
    assert told(within, within) == []
    assert told(within, half) == [("Warning", "BudgetAlert")]
    assert told(half, half) == []
    assert told(half, most) == [("Warning", "BudgetAlert")]
    assert told(most, within) == []
