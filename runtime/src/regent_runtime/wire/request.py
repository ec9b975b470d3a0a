"""Reading a caller's Chat Completions request.

What is sent upstream is written anew from what was understood: no byte of the caller's body is passed on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from regent_api.config import AgentConfig
from regent_api.types import Opinion
from regent_runtime.refusals import (
    INSTRUCTIONS_NOT_ALLOWED,
    INVALID_JSON,
    INVALID_VALUE,
    MISSING_FIELD,
    UNKNOWN_FIELD,
    UNSUPPORTED_FIELD,
    Refused,
)
from regent_runtime.wire import history
from regent_runtime.wire.duplicates import refuse_duplicates
from regent_runtime.wire.images import MOST_IMAGES, Image
from regent_runtime.wire.request_table import REQUEST_TABLE, Message, ResponseFormat, StreamOptions, Treatment
from regent_runtime.wire.strings import too_deep

_NO_TOOLS: frozenset[str] = frozenset()
STRUCTURED = ("response_format", "tools")
"""Of what is forwarded, the fields whose text a model reads."""
_BODY = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODERS = {name: msgspec.json.Decoder(field.accepts | None) for name, field in REQUEST_TABLE.items()}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request as understood. `messages` are the caller's (see history), without the agent's instructions."""

    messages: Sequence[dict[str, Any]]
    stream: bool
    include_usage: bool
    max_output_tokens: int | None
    temperature: float | None
    forwarded: dict[str, Any]
    images: Sequence[Image] = ()
    """All that stand in the messages."""
    instructions: str | None = None
    """In the place of the agent's; None: those."""

    def told(self, config: AgentConfig) -> str:
        """The instructions that go before the messages."""
        return config.instructions if self.instructions is None else self.instructions

    def texts(self) -> Iterator[str]:
        """All that the model will read of the caller; of an image its name."""
        for message in self.messages:
            for name, value in message.items():
                if isinstance(value, str):
                    yield value
                elif name == "content":
                    yield from (each if isinstance(each, str) else each.name for each in value)
                else:
                    yield msgspec.json.encode(value).decode()
        yield from self.structured()

    def structured(self) -> Iterator[str]:
        """What a model reads beside instructions and messages: definitions of tools, a schema."""
        for name in STRUCTURED:
            if name in self.forwarded:
                yield msgspec.json.encode(self.forwarded[name]).decode()

    @property
    def has_schema(self) -> bool:
        """Whether the answer is to keep to a JSON schema."""
        return bool(self.forwarded.get("response_format", {}).get("type") == "json_schema")

    def image_field(self) -> str:
        """The first message with an image; empty where none has one."""
        having = (at for at, each in enumerate(self.messages) if not isinstance(each["content"], str))
        return next((f"messages[{at}].content" for at in having), "")

    def tool_field(self) -> str:
        """The first field that needs a model which knows tools; empty where none does."""
        if "tools" in self.forwarded:
            return "tools"
        calls = (f"messages[{at}].tool_calls" for at, each in enumerate(self.messages) if "tool_calls" in each)
        return next(calls, "")

    def offered(self) -> frozenset[str]:
        """Names of the tools that a model may ask the caller to use."""
        if self.forwarded.get("tool_choice") == "none":
            return frozenset()
        tools = self.forwarded.get("tools")
        return frozenset(tool["function"]["name"] for tool in tools) if tools else _NO_TOOLS


def parse(body: bytes) -> ChatRequest:
    """Read a body. Raises Refused (400), naming the field; time and memory are linear in the body."""
    values = _understood(_fields(body))
    messages: list[Message] | None = values.pop("messages", None)
    if messages is None:
        raise Refused(MISSING_FIELD, "`messages` is required.", param="messages")
    refuse_duplicates(body)
    _settle_tools(values)
    _settle_format(values)
    for name in STRUCTURED:
        if name in values and too_deep(values[name]):
            raise Refused(INVALID_JSON, f"`{name}` must not nest deeply.", param=name)
    options: StreamOptions = values.pop("stream_options", None) or StreamOptions()
    values.pop("model", None)
    caps = [cap for name in ("max_tokens", "max_completion_tokens") if (cap := values.pop(name, None)) is not None]
    read = history.read(messages)
    return ChatRequest(
        messages=read,
        stream=values.pop("stream", False),
        include_usage=options.include_usage or False,
        max_output_tokens=min(caps, default=None),
        temperature=values.pop("temperature", None),
        forwarded=values,
        images=_images(read),
    )


def _images(messages: Sequence[dict[str, Any]]) -> Sequence[Image]:
    """Raises Refused (400) for more than a request may have."""
    found: list[Any] = []
    for message in messages:
        if type(message["content"]) is not str:
            found += message["content"]
    if not found:
        return ()
    shown = tuple(each for each in found if isinstance(each, Image))
    if len(shown) > MOST_IMAGES:
        raise Refused(INVALID_VALUE, f"`messages` may hold at most {MOST_IMAGES} images.", param="messages")
    return shown


def _settle_format(values: dict[str, Any]) -> None:
    """A response_format as plain JSON. Raises Refused (400) for half of one."""
    asked: ResponseFormat | None = values.get("response_format")
    if asked is None:
        return
    wants, has = asked.type == "json_schema", asked.json_schema is not None
    if wants != has:
        param = "response_format.json_schema"
        words = f"`{param}` is required for that type." if wants else f"`{param}` is for the type json_schema."
        raise Refused(MISSING_FIELD if wants else INVALID_VALUE, words, param=param)
    values["response_format"] = msgspec.to_builtins(asked)


def _settle_tools(values: dict[str, Any]) -> None:
    """Tools as plain JSON, or nothing of them where there are none. Raises Refused (400)."""
    if "tools" not in values and "tool_choice" not in values:
        values.pop("parallel_tool_calls", None)
        return
    tools = msgspec.to_builtins(values.pop("tools", []))
    choice = msgspec.to_builtins(values.pop("tool_choice", None))
    parallel = values.pop("parallel_tool_calls", None)
    names = [tool["function"]["name"] for tool in tools]
    if len(set(names)) < len(names):
        raise Refused(INVALID_VALUE, "`tools`: give each function a name of its own.", param="tools")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise Refused(INVALID_VALUE, "`tool_choice` must name one of `tools`.", param="tool_choice")
    if not tools:
        if choice == "required":
            raise Refused(INVALID_VALUE, "`tool_choice`: required needs `tools`.", param="tool_choice")
        return
    values["tools"] = tools
    if choice not in (None, "auto"):
        values["tool_choice"] = choice
    if parallel is False:
        values["parallel_tool_calls"] = False


def check_instructing(request: ChatRequest, config: AgentConfig) -> None:
    """Raises Refused (400) where the caller instructs the agent and the policy's callers.mayInstruct denies it."""
    if config.policy.callers.may_instruct is Opinion.ALLOW:
        return
    for index, message in enumerate(request.messages):
        if message["role"] in history.INSTRUCTING_ROLES:
            words = f"The policy lets no caller instruct this agent; send messages[{index}] with the role user."
            raise Refused(INSTRUCTIONS_NOT_ALLOWED, words, param=f"messages[{index}].role")


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _BODY.decode(body)
    except msgspec.ValidationError:
        raise Refused(INVALID_VALUE, "The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(INVALID_JSON, "The body must be valid JSON in UTF-8 and not nest deeply.") from None


def _understood(fields: dict[str, msgspec.Raw]) -> dict[str, Any]:
    """Each field that counts, decoded. Raises Refused for one that is unknown, invalid or not offered."""
    values = {}
    for name, raw in fields.items():
        field = REQUEST_TABLE.get(name)
        if field is None:
            short = name[:64]
            raise Refused(UNKNOWN_FIELD, f"`{short}` is not a field of this API; leave it out.", param=short)
        if field.treatment is Treatment.DROPPED:
            continue
        value = _value(name, raw)
        if value is None or (field.neutral and _is_neutral(value, field.neutral)):
            continue
        if field.treatment is Treatment.REFUSED:
            raise Refused(UNSUPPORTED_FIELD, f"`{name}` is not offered here: {field.meaning}", param=name)
        values[name] = value
    return values


def _is_neutral(value: Any, neutral: Sequence[Any]) -> bool:
    return any(type(value) is type(other) and value == other for other in neutral)


def _value(name: str, raw: msgspec.Raw) -> Any:
    try:
        return _DECODERS[name].decode(raw)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$")
        param = name + path.rstrip("`")
        raise Refused(_class_of(words), f"`{param}`: {words[:200]}.", param=param[:128]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(INVALID_JSON, f"`{name}` must be valid JSON in UTF-8 and not nest deeply.", param=name) from None


def _class_of(words: str) -> Any:
    if words.startswith("Object contains unknown field"):
        return UNKNOWN_FIELD
    return MISSING_FIELD if words.startswith("Object missing required field") else INVALID_VALUE
