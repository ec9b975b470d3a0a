"""When an agent's conversations are over, and how long its pods may take to end."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Cel, Model
from regent_api.types import DURATION, Duration

IDLE_AFTER_DEFAULT = "2m"
TIMEOUT_DEFAULT = "5m"
_AT_MOST_AN_HOUR = Cel(f"!self.matches('{DURATION}') || duration(self) <= duration('1h')", "must be at most 1h")


class Drain(Model):
    """When conversations are over for the pods that serve them, and when a pod that ends is over itself."""

    timeout: Annotated[
        Duration | None,
        _AT_MOST_AN_HOUR,
        Field(
            description="What still runs in a pod that ends is cut after this long. Another value replaces the pods."
        ),
    ] = None
    idle_after: Annotated[
        Duration | None,
        _AT_MOST_AN_HOUR,
        Field(description="A conversation without a turn for this long is no longer active."),
    ] = None
