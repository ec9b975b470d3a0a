"""How much an agent may spend on models."""

from typing import Annotated

from pydantic import Field

from regent_api.model import SET, Meet, MeetKind, Model
from regent_api.price import Amount
from regent_api.types import Ranked


class BudgetExceeded(Ranked):
    """What a turn meets at a provider that it cannot pay; the stricter holds."""

    DOWNGRADE = "Downgrade"
    DENY = "Deny"


class Budget(Model):
    """What an agent may spend, in USD. The smallest opinion holds; a turn that does not fit into all gets 429."""

    per_conversation_usd: Annotated[
        Amount | None,
        Meet(MeetKind.CAP, "no bound"),
        Field(description="Most that one conversation may cost; a turn outside of one is one of its own."),
    ] = None
    per_day_usd: Annotated[
        Amount | None,
        Meet(MeetKind.CAP, "no bound"),
        Field(description="Most that the agent may cost in a day (UTC)."),
    ] = None
    per_month_usd: Annotated[
        Amount | None,
        Meet(MeetKind.CAP, "no bound"),
        Field(description="Most that the agent may cost in a calendar month (UTC)."),
    ] = None
    on_exceeded: Annotated[
        BudgetExceeded | None,
        Meet(MeetKind.OBLIGATION, BudgetExceeded.DENY.value),
        Field(
            description="At a provider that the turn cannot pay: Deny refuses the turn; Downgrade asks the next of the "
            "rule's providers that it can pay, and refuses where there is none."
        ),
    ] = None
    alert_at_percent: Annotated[
        list[Annotated[int, Field(ge=1, le=100)]] | None,
        SET,
        Meet(MeetKind.COLLECTION, "none"),
        Field(
            min_length=1,
            max_length=8,
            description="Shares of the day's and of the month's budget, in percent: when one is spent, the agent's "
            "BudgetAvailable says BudgetAlert, an Event tells of it, and `regent_budget_alert` is 1.",
        ),
    ] = None
