"""What a model and its server can do: who cannot do what a turn asks for is not asked."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from regent_api.model import Model


class TokenCounter(StrEnum):
    """Where a server says how many tokens a request has, by its model's own tokenizer."""

    INPUT_TOKENS = "InputTokens"
    TOKENIZE = "Tokenize"


class Capabilities(Model):
    tools: Annotated[
        bool | None,
        Field(
            description="The model can be given tools; true when absent. With false, turns with tools go elsewhere; a "
            "Local model with jsonSchema is told of them in words and held to a schema."
        ),
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
    vision: Annotated[
        bool | None,
        Field(description="The model looks at images; false when absent. Turns with images go to no other."),
    ] = None
    image_tokens: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000,
            description="Most input tokens that an image counts as. Needed under a budget where no public rule is "
            "known (Local, and models that Regent does not know); never below the rule where one is.",
        ),
    ] = None
    context_window: Annotated[
        int | None,
        Field(
            ge=1,
            le=100_000_000,
            description="Tokens of input that fit, by Regent's estimate; absent: what the table of prices says of "
            "the model, else any.",
        ),
    ] = None
    token_counter: Annotated[
        TokenCounter | None,
        Field(
            description="Where the server counts a request, for type Local; none when absent. InputTokens: the "
            "request's own path and /input_tokens, or /messages/count_tokens (llama.cpp). Tokenize: /tokenize beside "
            "the last part of baseURL, api ChatCompletions alone (vLLM). Asked where contextWindow or a budget hangs "
            "on it."
        ),
    ] = None


CAPABILITY_DEFAULTS = {
    "tools": "true",
    "jsonSchema": "true",
    "streamUsage": "true",
    "vision": "false",
    "imageTokens": "by the provider's public rule",
    "contextWindow": "by the dated table, else any",
    "tokenCounter": "none",
}
