"""Figures for Prometheus. Labels are of the config or of the tables: bounded, and never a caller."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from regent_runtime.audit.entry import UNAUTHORIZED_CODES
from regent_runtime.cost.bill import Bill
from regent_runtime.decision import Stage
from regent_runtime.guard.findings import INJECTION
from regent_runtime.limits.budget import Figures
from regent_runtime.record import TurnRecord
from regent_runtime.route.standing import GAUGE, Standing
from regent_runtime.telemetry.tally import Durations, Tally

_BLOCKING = {"Deny", "Redact", "Strip"}
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The process's own registry; `text` is the exposition format."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._active = Gauge(
            "regent_active_conversations",
            "Conversations whose latest turn was here and that are not idle, and turns in flight that are of none.",
            registry=self._registry,
        )
        self._turns = Tally("regent_turns", "Turns that have ended.", ["outcome", "code"], registry=self._registry)
        self._seconds = Durations(
            "regent_turn_seconds", "How long turns took.", "outcome", SECONDS, registry=self._registry
        )
        self._attempts = Tally(
            "regent_attempts", "Requests to providers.", ["provider", "outcome"], registry=self._registry
        )
        self._tokens = Tally(
            "regent_tokens", "Tokens as providers counted them.", ["provider", "direction"], registry=self._registry
        )
        self._cost = Tally(
            "regent_cost_usd", "What attempts cost, where it is known.", ["provider", "model"], registry=self._registry
        )
        self._cost_unknown = Tally(
            "regent_cost_unknown",
            "Attempts of which nobody knows what they cost, by the reason.",
            ["provider", "model", "reason"],
            registry=self._registry,
        )
        self._cost_at_most = Tally(
            "regent_cost_unknown_at_most_usd",
            "What those of them that have a price cost at the most.",
            ["provider", "model"],
            registry=self._registry,
        )
        self._cache = Tally(
            "regent_cache",
            "Turns that may be answered with a kept answer, by the result.",
            ["result"],
            registry=self._registry,
        )
        self._saved = Tally(
            "regent_cache_saved_usd",
            "What the answers that were given again had cost, where it is known.",
            ["provider", "model"],
            registry=self._registry,
        )
        self._removed = Tally(
            "regent_prompt_tokens_removed",
            "Tokens, by the estimate, that steps took out of prompts that were too long.",
            ["step"],
            registry=self._registry,
        )
        self._shadows = Tally(
            "regent_shadow_decisions",
            "What policies in mode Audit would have decided.",
            ["policy", "field", "action"],
            registry=self._registry,
        )
        self._limited = Tally(
            "regent_limited", "Turns that a limit refused, by the bound.", ["bound"], registry=self._registry
        )
        self._state_errors = Tally(
            "regent_state_errors",
            "Operations that the shared state did not answer, and what it held that was forged, by the reason.",
            ["reason"],
            registry=self._registry,
        )
        self._injections = Tally(
            "regent_injection_attempts",
            "Turns in which the guards of input found an attempt to give other instructions, by what was done.",
            ["action"],
            registry=self._registry,
        )
        self._leaks = Tally(
            "regent_leaks_blocked",
            "Answers in which a guard rewrote or refused something.",
            ["field", "action"],
            registry=self._registry,
        )
        self._unauthorized = Tally(
            "regent_unauthorized",
            "Turns and actions of callers who are not known or not let in.",
            ["code"],
            registry=self._registry,
        )
        self._alerts = Tally(
            "regent_alerts",
            "Records that an alert of a policy has matched.",
            ["policy", "alert"],
            registry=self._registry,
        )
        self._breakers = Gauge(
            "regent_breaker_state",
            "Circuit breakers of providers: 0 closed, 1 half open, 2 open.",
            ["provider"],
            registry=self._registry,
        )
        self._budget_spent = Gauge(
            "regent_budget_spent_ratio",
            "Share of the agent's budget that is spent, as this pod heard it last.",
            ["period"],
            registry=self._registry,
        )
        self._budget_alerts = Gauge(
            "regent_budget_alert",
            "Thresholds of budget.alertAtPercent: 1 when the share is spent.",
            ["period", "percent"],
            registry=self._registry,
        )
        self._config_valid = Gauge(
            "regent_config_valid",
            "1 while the file's config is in force, 0 while an older one is.",
            registry=self._registry,
        )

    def turn_ended(self, record: TurnRecord) -> None:
        self._turns.add(record.outcome, record.code)
        self._seconds.observe(record.outcome, record.seconds)
        self.acted(record)
        self._reused(record)
        for each in record.shortened:
            self._removed.add(each.step, amount=each.before - each.after)
        for attempt in record.attempts:
            provider = attempt.provider
            self._attempts.add(provider, attempt.outcome)
            self._charge(attempt.bill)
            if usage := attempt.bill.usage:
                self._tokens.add(provider, "input", amount=usage.prompt_tokens)
                self._tokens.add(provider, "output", amount=usage.completion_tokens)
        if record.decisions:
            self._decided(record)

    def _decided(self, record: TurnRecord) -> None:
        for decision in record.decisions:
            if decision.stage is Stage.LIMITS and decision.field == "limits" and not decision.shadow:
                self._limited.add(decision.reason)
            if decision.shadow:
                self._shadows.add(decision.shadow, decision.field, decision.action)
            elif decision.stage is Stage.OUTPUT and decision.action in _BLOCKING:
                self._leaks.add(decision.field, decision.action)
        if attempt_actions := {each.action for each in record.decisions if each.field in INJECTION and not each.shadow}:
            self._injections.add("Deny" if "Deny" in attempt_actions else "Audit")

    def acted(self, record: TurnRecord) -> None:
        """An approver's verdict, or a deletion."""
        if record.code in UNAUTHORIZED_CODES:
            self._unauthorized.add(record.code)

    def _reused(self, record: TurnRecord) -> None:
        if record.cache:
            self._cache.add(record.cache)
        if record.reused and record.reused.saved is not None:
            self._saved.add(record.reused.provider, record.reused.model, amount=float(record.reused.saved))

    def _charge(self, bill: Bill) -> None:
        cost, labels = bill.cost(), (bill.provider.name, bill.provider.model)
        if cost.usd is not None:
            self._cost.add(*labels, amount=float(cost.usd))
        else:
            self._cost_unknown.add(*labels, cost.why)
        if cost.at_most is not None:
            self._cost_at_most.add(*labels, amount=float(cost.at_most))

    def state_failed(self, reason: str) -> None:
        self._state_errors.add(reason)

    def alerted(self, policy: str, alert: str) -> None:
        self._alerts.add(policy, alert)

    def text(
        self, *, active: int, config_valid: bool, standings: Mapping[str, Standing], budgets: Sequence[Figures]
    ) -> bytes:
        self._active.set(active)
        self._breakers.clear()
        for name, standing in standings.items():
            self._breakers.labels(name).set(GAUGE[standing.breaker.state])
        self._budget_spent.clear()
        self._budget_alerts.clear()
        for each in budgets:
            self._budget_spent.labels(each.period).set(each.share)
            for percent in each.thresholds:
                self._budget_alerts.labels(each.period, str(percent)).set(each.passed(percent))
        self._config_valid.set(config_valid)
        return generate_latest(self._registry)
