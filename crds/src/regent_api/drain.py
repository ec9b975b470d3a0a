"""When an agent's conversations and pods are over."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Cel, Model
from regent_api.types import DURATION, Duration

IDLE_AFTER_DEFAULT = "2m"


class Drain(Model):
    """When conversations are over for the pods that serve them."""

    idle_after: Annotated[
        Duration | None,
        Cel(f"!self.matches('{DURATION}') || duration(self) <= duration('1h')", "must be at most 1h"),
        Field(description="A conversation without a turn for this long is no longer active."),
    ] = None
