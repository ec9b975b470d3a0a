"""The closed table of Chat Completions request fields.

The reference is made from it, and a test holds it against the fields that OpenAI's own client can send.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from regent_runtime.dialect.table import LEGEND, RequestField, Table, Treatment
from regent_runtime.dialect.told import MOST_MESSAGES, MOST_TOOLS
from regent_runtime.wire.images import MOST_IMAGES, ImageUrl


class Part(Struct, forbid_unknown_fields=True):
    """A part of a message's content; only `text` and `image_url` are taken."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: Any = None
    file: Any = None
    refusal: Any = None
    prompt_cache_breakpoint: Any = None


_FunctionName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_Id = Annotated[str, Meta(min_length=1, max_length=256)]


class AskedFunction(Struct, forbid_unknown_fields=True):
    name: _FunctionName
    arguments: str = ""


class AskedCall(Struct, forbid_unknown_fields=True):
    """A call that the assistant asked for, in the history."""

    id: _Id
    function: AskedFunction
    type: Literal["function"] = "function"
    index: int | None = None


class Function(Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: _FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: Function


class NamedFunction(Struct, forbid_unknown_fields=True):
    name: str


class NamedTool(Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: NamedFunction


class Message(Struct, forbid_unknown_fields=True):
    """A message as callers write it, and as OpenAI's client gives one back to put into the history."""

    role: str
    content: str | list[Part] | None = None
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    tool_calls: Annotated[list[AskedCall], Meta(max_length=MOST_TOOLS)] | None = None
    tool_call_id: _Id | None = None
    function_call: Any = None
    audio: Any = None


class AskedSchema(Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: _FunctionName
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct, forbid_unknown_fields=True, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: AskedSchema | None = None


class StreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Repetition = Annotated[float, Meta(ge=0.1, le=2)]
Stop = Annotated[str, Meta(min_length=1, max_length=256)]
_Cap = Annotated[int, Meta(ge=1, le=1_000_000)]

REQUEST_TABLE: dict[str, RequestField] = {
    "messages": RequestField(
        Treatment.READ,
        f"The full history, 1 to {MOST_MESSAGES} messages of text, and up to {MOST_IMAGES} images of users as data: "
        "URLs where the policy's guardrails.input.images allows. Roles: user, assistant, tool; system and developer "
        "where the policy's callers.mayInstruct allows. The agent's instructions go first.",
        Annotated[list[Message], Meta(min_length=1, max_length=MOST_MESSAGES)],
    ),
    "model": RequestField(
        Treatment.READ, "Any string: the route chooses the model.", Annotated[str, Meta(max_length=256)]
    ),
    "stream": RequestField(Treatment.READ, "Answer as server-sent events.", bool),
    "stream_options": RequestField(Treatment.READ, "include_usage; include_obfuscation is ignored.", StreamOptions),
    "max_tokens": RequestField(Treatment.CLAMPED, "To the smallest of policy, agent and provider.", _Cap),
    "max_completion_tokens": RequestField(Treatment.CLAMPED, "As max_tokens; the smaller of both holds.", _Cap),
    "temperature": RequestField(
        Treatment.CLAMPED, "To the smaller of agent and provider.", Annotated[float, Meta(ge=0, le=2)]
    ),
    "top_p": RequestField(Treatment.FORWARDED, "0 to 1.", Annotated[float, Meta(ge=0, le=1)]),
    "presence_penalty": RequestField(Treatment.FORWARDED, "-2 to 2.", _Penalty),
    "frequency_penalty": RequestField(Treatment.FORWARDED, "-2 to 2.", _Penalty),
    "seed": RequestField(
        Treatment.FORWARDED, "An integer of 64 bits.", Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    ),
    "stop": RequestField(
        Treatment.FORWARDED,
        "One string, or up to 4, each of at most 256 characters.",
        Stop | Annotated[list[Stop], Meta(max_length=4)],
    ),
    "reasoning_effort": RequestField(
        Treatment.FORWARDED,
        "none, minimal, low, medium, high or xhigh.",
        Literal["none", "minimal", "low", "medium", "high", "xhigh"],
    ),
    "verbosity": RequestField(Treatment.FORWARDED, "low, medium or high.", Literal["low", "medium", "high"]),
    "response_format": RequestField(
        Treatment.FORWARDED,
        "text, json_object, or json_schema with name, description, schema and strict. Its text counts as input.",
        ResponseFormat,
        neutral=(ResponseFormat("text"),),
    ),
    "user": RequestField(Treatment.DROPPED, "No caller's name goes to a provider."),
    "safety_identifier": RequestField(Treatment.DROPPED, "No caller's name goes to a provider."),
    "metadata": RequestField(Treatment.DROPPED, "It is for storage at the provider."),
    "prompt_cache_key": RequestField(Treatment.DROPPED, "Callers do not share a cache by a key of theirs."),
    "prompt_cache_retention": RequestField(Treatment.DROPPED, "How long a provider keeps is not the caller's choice."),
    "prompt_cache_options": RequestField(Treatment.DROPPED, "How a provider keeps is not the caller's choice."),
    "n": RequestField(Treatment.REFUSED, "Only 1.", neutral=(1,)),
    "store": RequestField(Treatment.REFUSED, "Only false.", neutral=(False,)),
    "logprobs": RequestField(Treatment.REFUSED, "Only false.", neutral=(False,)),
    "top_logprobs": RequestField(Treatment.REFUSED, "Only 0.", neutral=(0,)),
    "logit_bias": RequestField(Treatment.REFUSED, "Only {}: token ids differ between providers.", neutral=({},)),
    "modalities": RequestField(Treatment.REFUSED, "Only text.", neutral=(["text"],)),
    "audio": RequestField(Treatment.REFUSED, "Only text."),
    "prediction": RequestField(Treatment.REFUSED, "Not offered."),
    "service_tier": RequestField(
        Treatment.PASSED,
        "flex: slower, and never dearer than the price that the route decided on.",
        Literal["auto", "default", "flex"],
        neutral=("auto", "default"),
    ),
    "top_k": RequestField(Treatment.PASSED, "1 to 1000.", Annotated[int, Meta(ge=1, le=1000)]),
    "min_p": RequestField(Treatment.PASSED, "0 to 1.", _Share),
    "typical_p": RequestField(Treatment.PASSED, "0 to 1.", _Share),
    "repetition_penalty": RequestField(Treatment.PASSED, "0.1 to 2; vLLM, SGLang.", _Repetition),
    "repeat_penalty": RequestField(Treatment.PASSED, "0.1 to 2; llama.cpp.", _Repetition),
    "moderation": RequestField(Treatment.REFUSED, "Not offered."),
    "web_search_options": RequestField(Treatment.REFUSED, "A provider searches for nobody."),
    "tools": RequestField(
        Treatment.FORWARDED,
        f"Up to {MOST_TOOLS} of type function, which the caller calls itself. Their text counts as input.",
        Annotated[list[Tool], Meta(max_length=MOST_TOOLS)],
        neutral=([],),
    ),
    "tool_choice": RequestField(
        Treatment.FORWARDED,
        "none, auto, required, or one of the functions by name.",
        Literal["none", "auto", "required"] | NamedTool,
    ),
    "parallel_tool_calls": RequestField(Treatment.FORWARDED, "true, false. Without tools it asks for nothing.", bool),
    "functions": RequestField(Treatment.REFUSED, "Not offered.", neutral=([],)),
    "function_call": RequestField(Treatment.REFUSED, "Not offered.", neutral=("none", "auto")),
}


TABLE = Table(REQUEST_TABLE)


def reference() -> str:
    """The text of docs/reference/requests.md."""
    lines = [
        "<!-- Made from regent_runtime.dialect.chat_completions.request_table; do not edit. -->",
        "# Fields of a Chat Completions request",
        "",
        "A field that is not here is 400 `unknown_field`. `null` counts as absent everywhere.",
        "",
        *LEGEND,
        "",
        *TABLE.rows(),
        "",
        "Headers: `Authorization: Bearer TOKEN`; `X-Regent-Sensitivity` raises the label of the turn, never lowers it;",
        "`X-Regent-Conversation` goes on in a conversation, and `X-Regent-Conversation-End: true` ends it with the",
        "answer (state.md); `X-Regent-Approval` names the approval of this very request (data-classes.md). No header",
        "of a caller goes to a provider.",
        "",
        "Of a provider's answer come back: the text, a refusal, calls of the request's own tools (ids are of Regent),",
        "the finish reason (stop, length, tool_calls, content_filter) and the token counts. `model` is the",
        "provider's model as the route names it; `id` ends with the turn's id, which is in `X-Regent-Turn` too.",
    ]
    return "\n".join(lines) + "\n"
