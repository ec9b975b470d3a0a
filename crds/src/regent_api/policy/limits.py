"""How often agents may be called, and what happens while the state that counts is away."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from regent_api.model import Cel, Model
from regent_api.types import Ranked


class LimitScope(StrEnum):
    CALLER = "Caller"
    AGENT = "Agent"


class StateError(Ranked):
    """What a turn meets when the shared state cannot be reached; the stricter holds."""

    LOCAL = "Local"
    DENY = "Deny"


class Limit(Model):
    """Bounds on turns, counted for each caller or for the whole agent. A turn must fit into every bound.

    Windows are exact: the moment of every turn within them is kept, which is what bounds the numbers.
    """

    cel_rules = (
        Cel(
            "has(self.requestsPerMinute) || has(self.requestsPerHour) || has(self.maxConcurrentTurns)",
            "set requestsPerMinute, requestsPerHour, maxConcurrentTurns or several of them",
        ),
    )
    per: Annotated[
        LimitScope, Field(description="Whose turns are counted together: one Caller's, or all of the Agent.")
    ]
    requests_per_minute: Annotated[
        int | None, Field(ge=1, le=60_000, description="Most turns begun within any 60 seconds; beyond it 429.")
    ] = None
    requests_per_hour: Annotated[
        int | None, Field(ge=1, le=200_000, description="Most turns begun within any 3,600 seconds; beyond it 429.")
    ] = None
    max_concurrent_turns: Annotated[
        int | None, Field(ge=1, le=100_000, description="Most turns that run at the same time; beyond it 429.")
    ] = None
