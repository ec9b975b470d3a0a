"""How large a turn may be."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Meet, MeetKind, Model
from regent_api.types import Duration

BYTES_DEFAULT = 1_048_576
INPUT_TOKENS_DEFAULT = 8000
OUTPUT_TOKENS_DEFAULT = 1024
TURN_TIMEOUT_DEFAULT = "2m"


class Size(Model):
    """How large a turn may be. The smallest opinion holds."""

    max_request_bytes: Annotated[
        int | None,
        Meet(MeetKind.CAP, str(BYTES_DEFAULT)),
        Field(ge=1024, le=67_108_864, description="Largest request body, in bytes; beyond it 413."),
    ] = None
    max_input_tokens: Annotated[
        int | None,
        Meet(MeetKind.CAP, str(INPUT_TOKENS_DEFAULT)),
        Field(ge=16, le=10_000_000, description="Most input tokens of a turn (a calibrated estimate); beyond it 422."),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Meet(MeetKind.CAP, str(OUTPUT_TOKENS_DEFAULT)),
        Field(ge=1, le=1_000_000, description="Most output tokens of a turn; a request for more is clamped."),
    ] = None
    turn_timeout: Annotated[
        Duration | None,
        Meet(MeetKind.CAP, TURN_TIMEOUT_DEFAULT),
        Field(description="Longest time a turn may take, such as 2m."),
    ] = None
