"""How much an agent may spend on models."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Meet, MeetKind, Model
from regent_api.price import Amount


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
