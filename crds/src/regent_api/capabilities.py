"""What a model and its server can do: who cannot do what a turn asks for is not asked."""

from typing import Annotated

from pydantic import Field

from regent_api.model import Model


class Capabilities(Model):
    tools: Annotated[
        bool | None,
        Field(description="The model can be given tools; true when absent. Turns with tools go to no other."),
    ] = None
    json_schema: Annotated[
        bool | None,
        Field(description="The server holds an answer to a JSON schema (`response_format`); true when absent."),
    ] = None
    stream_usage: Annotated[
        bool | None,
        Field(
            description="The server counts the tokens of streams when asked to, api ChatCompletions alone; true when "
            "absent. With false, a stream's cost is booked as what it may cost at the most."
        ),
    ] = None
    context_window: Annotated[
        int | None,
        Field(
            ge=1,
            le=100_000_000,
            description="Tokens of input that fit, by Regent's estimate; absent: any, and the provider says when not.",
        ),
    ] = None


CAPABILITY_DEFAULTS = {"tools": "true", "jsonSchema": "true", "streamUsage": "true", "contextWindow": "any"}
