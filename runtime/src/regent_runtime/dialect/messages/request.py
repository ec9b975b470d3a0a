"""Reading a caller's Messages request, into the words of Chat Completions that a turn works on."""

from dataclasses import dataclass
from typing import Any

import msgspec

from regent_runtime.dialect import settle
from regent_runtime.dialect.messages import history
from regent_runtime.dialect.messages.request_table import TABLE, Choice, Message, OutputConfig, Tool
from regent_runtime.dialect.table import required
from regent_runtime.refusals import INVALID_JSON, INVALID_VALUE, MISSING_FIELD, Refused
from regent_runtime.wire.duplicates import refuse_duplicates
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.strings import too_deep


@dataclass(frozen=True)
class Read:
    """A request, and the place of each of its messages in what the caller wrote."""

    request: ChatRequest
    places: tuple[str, ...]


def parse(body: bytes) -> Read:
    """Raises Refused (400), naming the field; time and memory are linear in the body."""
    values = TABLE.understood(body)
    messages: list[Message] | None = values.pop("messages", None)
    if messages is None:
        raise required("messages")
    if "max_tokens" not in values:
        raise required("max_tokens")
    refuse_duplicates(body)
    _translate_tools(values)
    _translate_output(values)
    settle.structured(values)
    if "stop_sequences" in values:
        values["stop"] = values.pop("stop_sequences")
    values.pop("model", None)
    placed = history.read(values.pop("system", None), messages)
    read = [message for _, message in placed]
    request = ChatRequest(
        messages=read,
        stream=values.pop("stream", False),
        include_usage=False,
        max_output_tokens=values.pop("max_tokens"),
        temperature=values.pop("temperature", None),
        forwarded=values,
        images=settle.images(read),
    )
    return Read(request, tuple(place for place, _ in placed))


def _translate_tools(values: dict[str, Any]) -> None:
    tools: list[Tool] = values.pop("tools", [])
    choice: Choice | None = values.pop("tool_choice", None)
    if tools:
        values["tools"] = [_tool(tool) for tool in tools]
    if choice is None:
        return
    if (choice.type == "tool") != (choice.name is not None):
        wanted = choice.type == "tool"
        words = (
            "`tool_choice.name` is required for that type." if wanted else "`tool_choice.name` is for the type tool."
        )
        raise Refused(MISSING_FIELD if wanted else INVALID_VALUE, words, param="tool_choice.name")
    named = {"type": "function", "function": {"name": choice.name}}
    values["tool_choice"] = {"any": "required", "tool": named}.get(choice.type, choice.type)
    if choice.disable_parallel_tool_use:
        values["parallel_tool_calls"] = False


def _tool(tool: Tool) -> dict[str, Any]:
    _check_depth("tools", tool.input_schema)
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        "strict": tool.strict,
    }
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}


def _translate_output(values: dict[str, Any]) -> None:
    asked: OutputConfig = values.pop("output_config", None) or OutputConfig()
    if asked.effort is not None:
        values["reasoning_effort"] = asked.effort
    if asked.format is not None:
        if too_deep(asked.format.schema):
            param = "output_config.format"
            raise Refused(INVALID_JSON, f"`{param}` must not nest deeply.", param=param)
        schema = {"name": "answer", "schema": msgspec.to_builtins(asked.format.schema), "strict": True}
        values["response_format"] = {"type": "json_schema", "json_schema": schema}
        _check_depth("output_config.format", values["response_format"])


def _check_depth(param: str, value: dict[str, Any]) -> None:
    if too_deep(value):
        raise Refused(INVALID_JSON, f"`{param}` must not nest deeply.", param=param)
