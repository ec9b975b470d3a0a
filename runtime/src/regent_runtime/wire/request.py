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
from regent_runtime.wire.duplicates import refuse_duplicates
from regent_runtime.wire.request_table import REQUEST_TABLE, Message, StreamOptions, Treatment

INSTRUCTING_ROLES = {"system", "developer"}
_SPEAKING_ROLES = {"user", "assistant"}
_BODY = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODERS = {name: msgspec.json.Decoder(field.accepts | None) for name, field in REQUEST_TABLE.items()}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request as understood. `messages` are the caller's, without the agent's instructions."""

    messages: Sequence[dict[str, str]]
    stream: bool
    include_usage: bool
    max_output_tokens: int | None
    temperature: float | None
    forwarded: dict[str, Any]

    def texts(self) -> Iterator[str]:
        """All that the model will read of the caller."""
        for message in self.messages:
            yield from message.values()
        if "response_format" in self.forwarded:
            yield msgspec.json.encode(self.forwarded["response_format"]).decode()


def parse(body: bytes) -> ChatRequest:
    """Read a body. Raises Refused (400), naming the field; time and memory are linear in the body."""
    values = dict(_understood(_fields(body)))
    messages: list[Message] | None = values.pop("messages", None)
    if messages is None:
        raise Refused(MISSING_FIELD, "`messages` is required.", param="messages")
    refuse_duplicates(body)
    options: StreamOptions = values.pop("stream_options", None) or StreamOptions()
    values.pop("model", None)
    caps = [cap for name in ("max_tokens", "max_completion_tokens") if (cap := values.pop(name, None)) is not None]
    return ChatRequest(
        messages=[_message(index, message) for index, message in enumerate(messages)],
        stream=values.pop("stream", False),
        include_usage=options.include_usage or False,
        max_output_tokens=min(caps, default=None),
        temperature=values.pop("temperature", None),
        forwarded=values,
    )


def check_instructing(request: ChatRequest, config: AgentConfig) -> None:
    """Raises Refused (400) where the caller instructs the agent and the policy's callers.mayInstruct denies it."""
    if config.policy.callers.may_instruct is Opinion.ALLOW:
        return
    for index, message in enumerate(request.messages):
        if message["role"] in INSTRUCTING_ROLES:
            words = f"The policy lets no caller instruct this agent; send messages[{index}] with the role user."
            raise Refused(INSTRUCTIONS_NOT_ALLOWED, words, param=f"messages[{index}].role")


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _BODY.decode(body)
    except msgspec.ValidationError:
        raise Refused(INVALID_VALUE, "The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(INVALID_JSON, "The body must be valid JSON in UTF-8 and not nest deeply.") from None


def _understood(fields: dict[str, msgspec.Raw]) -> Iterator[tuple[str, Any]]:
    """Each field that counts, decoded. Raises Refused for one that is unknown, invalid or not offered."""
    for name, raw in fields.items():
        field = REQUEST_TABLE.get(name)
        if field is None:
            short = name[:64]
            raise Refused(UNKNOWN_FIELD, f"`{short}` is not a field of this API; leave it out.", param=short)
        if field.treatment is Treatment.DROPPED:
            continue
        value = _value(name, raw)
        if value is None or any(type(value) is type(other) and value == other for other in field.neutral):
            continue
        if field.treatment is Treatment.REFUSED:
            raise Refused(UNSUPPORTED_FIELD, f"`{name}` is not offered here: {field.meaning}", param=name)
        yield name, value


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


def _message(index: int, message: Message) -> dict[str, str]:
    """The message as it goes upstream."""
    at = f"messages[{index}]"
    if message.role in {"tool", "function"}:
        raise Refused(UNSUPPORTED_FIELD, f"`{at}.role`: tools are not offered yet.", param=f"{at}.role")
    if message.role not in _SPEAKING_ROLES | INSTRUCTING_ROLES:
        raise Refused(INVALID_VALUE, f"`{at}.role` must be user or assistant.", param=f"{at}.role")
    for name in ("tool_calls", "tool_call_id", "function_call", "audio"):
        if getattr(message, name) not in (None, []):
            raise Refused(UNSUPPORTED_FIELD, f"`{at}.{name}` is not offered here.", param=f"{at}.{name}")
    content = _content(at, message)
    if "\0" in content:
        raise Refused(INVALID_VALUE, f"`{at}.content` must not hold U+0000.", param=f"{at}.content")
    return {"role": message.role, "content": content} | ({"name": message.name} if message.name else {})


def _content(at: str, message: Message) -> str:
    """The text; text parts become lines."""
    if isinstance(message.content, str):
        return message.content
    if message.content is None:
        if message.role == "assistant" and message.refusal:
            return str(message.refusal)
        raise Refused(MISSING_FIELD, f"`{at}.content` is required.", param=f"{at}.content")
    for number, part in enumerate(message.content):
        where = f"{at}.content[{number}]"
        if part.type != "text":
            raise Refused(UNSUPPORTED_FIELD, f"`{where}.type`: only text is offered.", param=f"{where}.type")
        if part.text is None:
            raise Refused(MISSING_FIELD, f"`{where}.text` is required.", param=f"{where}.text")
    if not message.content:
        raise Refused(INVALID_VALUE, f"`{at}.content` must not be empty.", param=f"{at}.content")
    return "\n".join(part.text or "" for part in message.content)
