"""The messages of a request, read: what each says, and which result of a tool belongs to which call."""

from collections.abc import Sequence
from typing import Any

import msgspec

from regent_runtime.dialect.chat_completions.request_table import AskedCall, Message, Part
from regent_runtime.dialect.table import required
from regent_runtime.dialect.told import OpenCalls, check_text, joined
from regent_runtime.refusals import INVALID_VALUE, UNSUPPORTED_FIELD, Refused
from regent_runtime.wire import images
from regent_runtime.wire.request import INSTRUCTING_ROLES
from regent_runtime.wire.strings import too_deep

_SPEAKING_ROLES = {"user", "assistant", "tool"}
_ARGUMENTS = msgspec.json.Decoder(dict[str, Any])


def read(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Raises Refused (400), naming the field."""
    open_calls = OpenCalls()
    read_messages = [_message(index, message, open_calls) for index, message in enumerate(messages)]
    open_calls.check(f"messages[{len(messages) - 1}]")
    return read_messages


def _message(index: int, message: Message, open_calls: OpenCalls) -> dict[str, Any]:
    at = f"messages[{index}]"
    if message.role not in _SPEAKING_ROLES | INSTRUCTING_ROLES:
        raise Refused(INVALID_VALUE, f"`{at}.role` must be user, assistant or tool.", param=f"{at}.role")
    for name, value in (("function_call", message.function_call), ("audio", message.audio)):
        if value is not None:
            raise Refused(UNSUPPORTED_FIELD, f"`{at}.{name}` is not offered here.", param=f"{at}.{name}")
    of_roles = ("tool_calls", message.tool_calls, "assistant"), ("tool_call_id", message.tool_call_id, "tool")
    for name, value, role in of_roles:
        if value not in (None, []) and message.role != role:
            raise Refused(INVALID_VALUE, f"`{at}.{name}` is for the role {role}.", param=f"{at}.{name}")
    content = _content(at, message)
    check_text(f"{at}.content", content)
    read_message: dict[str, Any] = {"role": message.role, "content": content} | (
        {"name": message.name} if message.name else {}
    )
    if message.role == "tool":
        return {**read_message, "tool_call_id": open_calls.close(f"{at}.tool_call_id", message.tool_call_id)}
    open_calls.check(at)
    if message.tool_calls:
        read_message["tool_calls"] = [
            _call(f"{at}.tool_calls[{number}]", call, open_calls) for number, call in enumerate(message.tool_calls)
        ]
    return read_message


def _call(at: str, call: AskedCall, open_calls: OpenCalls) -> dict[str, Any]:
    arguments: dict[str, Any] | None
    try:
        arguments = _ARGUMENTS.decode(call.function.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if arguments is None or too_deep(arguments):
        param = f"{at}.function.arguments"
        raise Refused(INVALID_VALUE, f"`{param}` must be a JSON object that does not nest deeply.", param=param)
    return {"id": open_calls.add(f"{at}.id", call.id), "name": call.function.name, "arguments": arguments}


def _content(at: str, message: Message) -> images.Content:
    """The text; text parts become lines. With images: the lines before, between and after them."""
    if isinstance(message.content, str):
        return message.content
    if message.content is None:
        if message.role == "assistant" and (message.refusal or message.tool_calls):
            return message.refusal or ""
        raise required(f"{at}.content")
    if not message.content:
        raise Refused(INVALID_VALUE, f"`{at}.content` must not be empty.", param=f"{at}.content")
    read_parts = [_part(f"{at}.content[{number}]", part, message.role) for number, part in enumerate(message.content)]
    return joined(read_parts)


def _part(at: str, part: Part, role: str) -> str | images.Image:
    if part.type == "image_url":
        if role != "user":
            raise Refused(UNSUPPORTED_FIELD, f"`{at}.type`: images are the user's alone.", param=f"{at}.type")
        if part.image_url is None:
            raise required(f"{at}.image_url")
        return images.read(at, part.image_url)
    if part.type != "text":
        raise Refused(UNSUPPORTED_FIELD, f"`{at}.type`: only text and image_url are offered.", param=f"{at}.type")
    if part.text is None:
        raise required(f"{at}.text")
    return part.text
