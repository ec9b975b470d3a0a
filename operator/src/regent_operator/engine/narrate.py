"""Which Events an agent's reconcile is worth: a new reason of Ready, an audit log that is broken, a budget that runs
out, what an edit has loosened, what was healed.
"""

from regent_api.agent import AIAgentStatus
from regent_api.config import AgentConfig
from regent_api.objects import AIAgent
from regent_api.status import Condition, ConditionStatus, ConditionType, Reason
from regent_operator.engine.apply import Outcome
from regent_operator.engine.events import Occurrence, Recorder
from regent_operator.engine.metrics import Metrics
from regent_operator.engine.resources import Key
from regent_operator.plan.explanations import widened


class Narrator:
    def __init__(self, recorder: Recorder, metrics: Metrics) -> None:
        self._recorder = recorder
        self._metrics = metrics

    def tell(
        self, key: Key, agent: AIAgent, before: AIAgentStatus | None, after: AIAgentStatus, outcome: Outcome
    ) -> None:
        for child in outcome.healed:
            self._metrics.healed.labels(child.split()[0]).inc()
            self._record(key, agent, "Healed", "Apply", f"{child} was changed by another's hand and was put right")
        broken = _condition(after, ConditionType.AUDIT_LOG_BROKEN)
        known = _condition(before, ConditionType.AUDIT_LOG_BROKEN)
        if broken is not None and (known is None or known.message != broken.message):
            self._record(key, agent, str(broken.reason), "Audit", broken.message, warning=True)
        self._tell_budget(key, agent, before, after)
        old, new = _ready(before), _ready(after)
        if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
            return
        good = new.status == ConditionStatus.TRUE
        warn = _stalled(after) is not None
        if good or warn:
            self._record(key, agent, str(new.reason), "Reconcile", new.message, warning=warn)

    def _tell_budget(self, key: Key, agent: AIAgent, before: AIAgentStatus | None, after: AIAgentStatus) -> None:
        """Once for each threshold and each budget: the words of the condition hold still between them."""
        new = _condition(after, ConditionType.BUDGET_AVAILABLE)
        old = _condition(before, ConditionType.BUDGET_AVAILABLE)
        told = old is not None and new is not None and old.message == new.message
        if new is not None and new.reason != Reason.WITHIN_BUDGET and not told:
            self._record(key, agent, str(new.reason), "Budget", new.message, warning=True)

    def widened(self, key: Key, agent: AIAgent, last: AgentConfig, now: AgentConfig) -> None:
        """An edit, or a deletion, let more through than before: say what."""
        fields = widened(last, now)
        if fields:
            self._record(key, agent, "PolicyWidened", "Apply", "; ".join(fields), warning=True)

    def _record(self, key: Key, agent: AIAgent, reason: str, action: str, note: str, *, warning: bool = False) -> None:
        uid = agent.metadata.uid
        self._recorder.record(Occurrence(key, uid, "Warning" if warning else "Normal", reason, action, note))


def _ready(status: AIAgentStatus | None) -> Condition | None:
    return _condition(status, ConditionType.READY)


def _stalled(status: AIAgentStatus) -> Condition | None:
    return _condition(status, ConditionType.STALLED)


def _condition(status: AIAgentStatus | None, kind: ConditionType) -> Condition | None:
    return next((c for c in (status.conditions if status else []) if c.type == kind), None)
