"""What a request asks for beside its messages, brought into the one form that a turn works on."""

from collections.abc import Sequence
from typing import Any

import msgspec

from regent_runtime.refusals import INVALID_JSON, INVALID_VALUE, Refused
from regent_runtime.wire.images import MOST_IMAGES, Image
from regent_runtime.wire.request import STRUCTURED
from regent_runtime.wire.strings import too_deep


def structured(values: dict[str, Any]) -> None:
    """Tools as plain JSON. Raises Refused (400) for what does not fit together, or nests deeply."""
    _settle_tools(values)
    for name in STRUCTURED:
        if name in values and too_deep(values[name]):
            raise Refused(INVALID_JSON, f"`{name}` must not nest deeply.", param=name)


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
            raise Refused(INVALID_VALUE, "`tool_choice` needs `tools`.", param="tool_choice")
        return
    values["tools"] = tools
    if choice not in (None, "auto"):
        values["tool_choice"] = choice
    if parallel is False:
        values["parallel_tool_calls"] = False


def images(messages: Sequence[dict[str, Any]]) -> Sequence[Image]:
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
