"""What an agent has spent of its day and its month, and BudgetAvailable: whether there is room for more.

The pods tell what they heard of the state that counts; the latest of them is believed, and while none says anything
what stood in the status before, in the same day or month. BudgetAvailable stands beside Ready, only where a policy
bounds the day or the month.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from regent_api.agent import AIAgentStatus, BudgetPeriod, BudgetSpend
from regent_api.config import AgentConfig
from regent_api.policy import BudgetExceeded
from regent_api.price import amount
from regent_api.status import ConditionType, Reason
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.conditions import Finding, false, true
from regent_operator.plan.echo import BudgetSaid
from regent_operator.plan.observation import Observation

FIELDS = {BudgetPeriod.DAY: "budget.perDayUsd", BudgetPeriod.MONTH: "budget.perMonthUsd"}
_LABEL_LENGTH = {BudgetPeriod.DAY: len("2026-11-25"), BudgetPeriod.MONTH: len("2026-11")}


def spend(plan: AgentPlan, seen: Observation, previous: AIAgentStatus | None, now: str) -> list[BudgetSpend] | None:
    """status.spend; None where nothing is bounded or known. `now`: RFC 3339, UTC."""
    before = (previous.spend if previous else None) or []
    if plan.config is None:
        return before or None
    found = [
        _spent(period, bound, said)
        for period, bound in _bounds(plan.config)
        if (said := _heard(period, seen) or _stood(period, before)) is not None
        if said.of == now[: _LABEL_LENGTH[period]]
    ]
    return found or None


def budget_available(plan: AgentPlan, spent: Sequence[BudgetSpend] | None) -> Finding | None:
    """None: no policy bounds the day or the month. Its words hold still between two thresholds."""
    config = plan.config
    if config is None or not any(True for _ in _bounds(config)):
        return None
    kind, known = ConditionType.BUDGET_AVAILABLE, spent or ()
    short = [_named(config, each) for each in known if each.exhausted]
    if short:
        goes = config.policy.budget.on_exceeded is BudgetExceeded.DOWNGRADE
        then = "sent to providers that cost less, or refused" if goes else "refused"
        words = f"There is no room left for a turn in {'; '.join(short)}: what does not fit is {then}."
        return false(kind, Reason.BUDGET_EXHAUSTED, f"{words} Raise it, or wait until the period ends.")
    passed = [(_passed(config, each), each) for each in known]
    told = [f"{percent} % of {_named(config, each)}" for percent, each in passed if percent]
    if told:
        words = f"Spent are at least {'; '.join(told)}. Raise it, or spend less, before turns are refused."
        return true(kind, Reason.BUDGET_ALERT, words)
    return true(kind, Reason.WITHIN_BUDGET, "No threshold of budget.alertAtPercent is reached. Nothing to do.")


def _bounds(config: AgentConfig) -> Iterator[tuple[BudgetPeriod, str]]:
    budget = config.policy.budget
    stated = ((BudgetPeriod.DAY, budget.per_day_usd), (BudgetPeriod.MONTH, budget.per_month_usd))
    return ((period, bound) for period, bound in stated if bound is not None)


def _heard(period: BudgetPeriod, seen: Observation) -> BudgetSaid | None:
    said = [
        each
        for pod in seen.pods
        if pod.can_serve and pod.echo is not None
        for each in pod.echo.budgets
        if each.period == period
    ]
    return max(said, key=lambda each: each.at, default=None)


def _stood(period: BudgetPeriod, before: Sequence[BudgetSpend]) -> BudgetSaid | None:
    known = next((each for each in before if each.period is period), None)
    return BudgetSaid(period, known.of, known.usd, exhausted=bool(known.exhausted)) if known else None


def _spent(period: BudgetPeriod, bound: str, said: BudgetSaid) -> BudgetSpend:
    percent = int(_percent(said.usd, bound))
    return BudgetSpend(
        period=period, of=said.of, usd=said.usd, budget_usd=bound, percent=percent, exhausted=said.exhausted or None
    )


def _percent(usd: str, bound: str) -> Decimal:
    """Of a budget of nothing nothing is ever spent."""
    return 100 * amount(usd) / amount(bound) if amount(bound) else Decimal(0)


def _passed(config: AgentConfig, spent: BudgetSpend) -> int:
    """The highest threshold that is reached; 0: none."""
    reached = _percent(spent.usd, spent.budget_usd)
    return max((percent for percent in config.policy.budget.alert_at_percent if reached >= percent), default=0)


def _named(config: AgentConfig, spent: BudgetSpend) -> str:
    field = FIELDS[spent.period]
    behind = ", ".join(config.sources.get(field, ()))
    return f"{field} ({spent.budget_usd} USD, {behind}; {spent.of} UTC)"
