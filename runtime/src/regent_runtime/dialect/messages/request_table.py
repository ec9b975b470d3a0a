"""The closed table of Messages request fields.

The reference is made from it, and a test holds it against the fields that Anthropic's own client can send.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from regent_api.passthrough import PassedField
from regent_runtime.dialect.chat_completions import request_table as chat_completions
from regent_runtime.dialect.table import LEGEND, RequestField, Table, Treatment
from regent_runtime.dialect.told import MOST_MESSAGES, MOST_TOOLS
from regent_runtime.wire.images import MOST_IMAGES

_Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_Id = Annotated[str, Meta(min_length=1, max_length=256)]


class Text(Struct, tag="text", tag_field="type", forbid_unknown_fields=True):
    """`cache_control` is dropped, here and elsewhere: how a provider keeps is not the caller's choice."""

    text: str
    cache_control: Any = None
    citations: Any = None


class Source(Struct, forbid_unknown_fields=True):
    """Of an image; only `base64` is taken."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: Any = None
    file_id: Any = None


class Picture(Struct, tag="image", tag_field="type", forbid_unknown_fields=True):
    source: Source
    cache_control: Any = None
    transformations: Any = None


class ToolUse(Struct, tag="tool_use", tag_field="type", forbid_unknown_fields=True):
    """A call that the assistant asked for, in the history."""

    id: _Id
    name: _Name
    input: dict[str, Any]
    cache_control: Any = None
    caller: Any = None
    toolset_name: Any = None


class ToolResult(Struct, tag="tool_result", tag_field="type", forbid_unknown_fields=True):
    tool_use_id: _Id
    content: str | list[Text | Picture] | None = None
    is_error: bool | None = None
    cache_control: Any = None
    toolset_name: Any = None


Block = Text | Picture | ToolUse | ToolResult


class Message(Struct, forbid_unknown_fields=True):
    """A message as callers write it, and as Anthropic's client gives one back to put into the history."""

    role: Literal["user", "assistant"]
    content: str | list[Block]


class Tool(Struct, forbid_unknown_fields=True):
    """Only those that the caller calls itself: of type `custom`, or of none."""

    name: _Name
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: Any = None
    eager_input_streaming: bool | None = None
    """Calls come whole whatever it says."""


class Choice(Struct, forbid_unknown_fields=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Format(Struct, forbid_unknown_fields=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Struct, forbid_unknown_fields=True):
    effort: Literal["low", "medium", "high", "xhigh"] | None = None
    format: Format | None = None


_SHARED = (set(PassedField) - {PassedField.SERVICE_TIER}) | {"stream", "top_p"}
"""What both dialects say in the same words."""

REQUEST_TABLE: dict[str, RequestField] = {
    "messages": RequestField(
        Treatment.READ,
        f"The full history, 1 to {MOST_MESSAGES} messages of text, calls of tools (tool_use) and their results "
        f"(tool_result, of text), and up to {MOST_IMAGES} images of users in base64 where the policy's "
        "guardrails.input.images allows. The last one is the user's. Neighbouring texts of a message become lines; the "
        "result of a tool that failed (is_error) begins with `Error:`, and each counts as a message.",
        Annotated[list[Message], Meta(min_length=1, max_length=MOST_MESSAGES)],
    ),
    "system": RequestField(
        Treatment.READ,
        "A text or blocks of text, where the policy's callers.mayInstruct allows. The agent's instructions go first.",
        str | list[Text],
        neutral=("", []),
    ),
    "model": chat_completions.REQUEST_TABLE["model"],
    "max_tokens": RequestField(
        Treatment.CLAMPED,
        "Required. To the smallest of policy, agent and provider.",
        chat_completions.REQUEST_TABLE["max_tokens"].accepts,
    ),
    "temperature": RequestField(
        Treatment.CLAMPED, "0 to 1; to the smaller of agent and provider.", Annotated[float, Meta(ge=0, le=1)]
    ),
    **{name: field for name, field in chat_completions.REQUEST_TABLE.items() if name in _SHARED},
    "stop_sequences": RequestField(
        Treatment.FORWARDED,
        "Up to 4, each of at most 256 characters.",
        Annotated[list[chat_completions.Stop], Meta(max_length=4)],
        neutral=([],),
    ),
    "output_config": RequestField(
        Treatment.FORWARDED,
        "effort: low, medium, high or xhigh. format: json_schema with a schema; its text counts as input.",
        OutputConfig,
    ),
    "tools": RequestField(
        Treatment.FORWARDED,
        f"Up to {MOST_TOOLS} of type custom, which the caller calls itself. Their text counts as input.",
        Annotated[list[Tool], Meta(max_length=MOST_TOOLS)],
        neutral=([],),
    ),
    "tool_choice": RequestField(
        Treatment.FORWARDED, "auto, any, none, or a tool by name; disable_parallel_tool_use.", Choice
    ),
    "metadata": RequestField(Treatment.DROPPED, "No caller's name goes to a provider."),
    "user_profile_id": RequestField(Treatment.DROPPED, "No caller's name goes to a provider."),
    "cache_control": RequestField(
        Treatment.DROPPED, "How a provider keeps is not the caller's choice; so on blocks and tools."
    ),
    "thinking": RequestField(
        Treatment.REFUSED, "How much is thought says output_config.effort.", neutral=({"type": "disabled"},)
    ),
    "service_tier": RequestField(Treatment.REFUSED, "Only auto.", neutral=("auto",)),
    "speed": RequestField(Treatment.REFUSED, "Only standard.", neutral=("standard",)),
    "mcp_servers": RequestField(Treatment.REFUSED, "A provider connects to nobody.", neutral=([],)),
    "fallbacks": RequestField(Treatment.REFUSED, "The route says who answers else.", neutral=([],)),
    "fallback_credit_token": RequestField(Treatment.REFUSED, "The route says who answers else."),
    "inference_geo": RequestField(Treatment.REFUSED, "The route says who answers, and so where."),
    "container": RequestField(Treatment.REFUSED, "A provider runs nothing."),
    "context_management": RequestField(Treatment.REFUSED, "Prompts are made to fit here."),
    "compaction": RequestField(Treatment.REFUSED, "Prompts are made to fit here."),
    "thread": RequestField(Treatment.REFUSED, "A provider keeps no conversation."),
    "diagnostics": RequestField(Treatment.REFUSED, "Not offered."),
    "billing_policy": RequestField(Treatment.REFUSED, "Not offered."),
    "workspace_id": RequestField(Treatment.REFUSED, "Not offered."),
}
TABLE = Table(REQUEST_TABLE)


def reference() -> str:
    """The text of docs/reference/messages.md."""
    lines = [
        "<!-- Made from regent_runtime.dialect.messages.request_table; do not edit. -->",
        "# Fields of a Messages request",
        "",
        "`POST /v1/messages` takes the same turns as `/v1/chat/completions` (requests.md), in the words of Anthropic's",
        "clients: the same policy, screening, routes, limits, budgets, cache and audit, whatever a provider speaks.",
        "A field that is not here is 400 `unknown_field`. `null` counts as absent at the top.",
        "",
        *LEGEND,
        "",
        *TABLE.rows(),
        "",
        "A block, a source of an image or a tool of another type is 400, by its place.",
        "",
        "Headers: as in requests.md; the token may come as `x-api-key` too. Where both come, both must be the same.",
        "`anthropic-version` may be any, and `anthropic-beta` turns nothing on. No header of a caller goes to a",
        "provider.",
        "",
        "Of a provider's answer come back: the text, calls of the request's own tools (ids are of Regent),",
        "`stop_reason` (end_turn, max_tokens, tool_use, or refusal, which is also a guard's) and the token counts,",
        "null where the provider told none. Which stop sequence ended an answer is not told: that is end_turn. In a",
        "stream the counts come with `message_delta`, those of `message_start` are 0; calls come whole at its end;",
        "`ping` says that the turn goes on.",
        "",
        'A refusal is `{"type": "error", "error": {"type", "message", "code", "param"}, "request_id"}` with the status',
        "and `code` of errors.md; `request_id` is the turn's id, as in `X-Regent-Turn`. Once a stream has begun, it",
        "comes as an event `error`, and no `message_stop` follows. Methods and paths below this one that do not exist",
        "are refused in the same shape (`request_id` is null there); what is refused before the path is read (a head",
        "that is too large, a pod that is overloaded) is OpenAI's object.",
    ]
    return "\n".join(lines) + "\n"
