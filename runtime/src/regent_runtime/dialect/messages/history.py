"""The messages of a request, read: what each says, and which result of a tool belongs to which call.

A turn's messages are Chat Completions' own: each result of a tool is one, and so are the instructions.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from regent_runtime.dialect.messages.request_table import Block, Message, Picture, Source, Text, ToolResult, ToolUse
from regent_runtime.dialect.table import required
from regent_runtime.dialect.told import MOST_MESSAGES, MOST_TOOLS, OpenCalls, check_text, joined
from regent_runtime.refusals import INVALID_VALUE, UNSUPPORTED_FIELD, Refused
from regent_runtime.wire import images
from regent_runtime.wire.strings import too_deep

SYSTEM = "system"
Placed = tuple[str, dict[str, Any]]
"""A message, and the place in the request where it stands."""


def read(system: str | list[Text] | None, messages: Sequence[Message]) -> list[Placed]:
    """Raises Refused (400), naming the field."""
    found: list[Placed] = []
    if system is not None:
        content = system if isinstance(system, str) else joined(block.text for block in system)
        check_text(SYSTEM, content)
        found.append((SYSTEM, {"role": "system", "content": content}))
    open_calls = OpenCalls()
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        for placed in _said(at, message, open_calls):
            found.append(placed)
            if len(found) > MOST_MESSAGES:
                words = f"`messages` may come to at most {MOST_MESSAGES}, each result of a tool counted as one."
                raise Refused(INVALID_VALUE, words, param="messages")
    last = f"messages[{len(messages) - 1}]"
    open_calls.check(last)
    if messages[-1].role != "user":
        words = f"`{last}.role`: the last message must be the user's; nobody begins the answer for the model."
        raise Refused(UNSUPPORTED_FIELD, words, param=f"{last}.role")
    return found


def _said(at: str, message: Message, open_calls: OpenCalls) -> Iterator[Placed]:
    """A message; results of tools in front, each as its own."""
    if isinstance(message.content, str) or message.role == "assistant":
        open_calls.check(at)
    if isinstance(message.content, str):
        check_text(f"{at}.content", message.content)
        yield at, {"role": message.role, "content": message.content}
        return
    if not message.content:
        raise Refused(INVALID_VALUE, f"`{at}.content` must not be empty.", param=f"{at}.content")
    told: list[str | images.Image] = []
    calls: list[dict[str, Any]] = []
    for number, block in enumerate(message.content):
        place = f"{at}.content[{number}]"
        _check_role(place, block, message.role)
        _check_order(place, block, is_speaking=bool(told), is_calling=bool(calls))
        if isinstance(block, ToolResult):
            yield place, _result(place, block, open_calls)
        elif isinstance(block, ToolUse):
            calls.append(_call(place, block, open_calls))
            if len(calls) > MOST_TOOLS:
                raise Refused(INVALID_VALUE, f"`{place}`: a message calls at most {MOST_TOOLS} tools.", param=place)
        else:
            told.append(_shown(place, block))
    if message.role == "user":
        if not told:
            return
        open_calls.check(at)
    content = joined(told) if told else ""
    check_text(f"{at}.content", content)
    yield at, {"role": message.role, "content": content} | ({"tool_calls": calls} if calls else {})


_SPEAKERS = {Picture: "user", ToolResult: "user", ToolUse: "assistant"}


def _check_role(at: str, block: Block, role: str) -> None:
    speaker = _SPEAKERS.get(type(block), role)
    if speaker != role:
        raise Refused(INVALID_VALUE, f"`{at}.type` is for the role {speaker}.", param=f"{at}.type")


def _check_order(at: str, block: Block, *, is_speaking: bool, is_calling: bool) -> None:
    """A turn's messages have no other: results are messages before it, calls stand beside its text."""
    if is_speaking and isinstance(block, ToolResult):
        raise Refused(INVALID_VALUE, f"`{at}`: results of tools come first.", param=at)
    if is_calling and not isinstance(block, ToolUse):
        raise Refused(INVALID_VALUE, f"`{at}`: calls of tools come last.", param=at)


def _shown(at: str, block: Text | Picture) -> str | images.Image:
    if isinstance(block, Text):
        if block.citations:
            raise Refused(UNSUPPORTED_FIELD, f"`{at}.citations` is not offered here.", param=f"{at}.citations")
        return block.text
    if block.transformations:
        param = f"{at}.transformations"
        raise Refused(UNSUPPORTED_FIELD, f"`{param}` is not offered here.", param=param)
    return _image(f"{at}.source", block.source)


def _image(at: str, source: Source) -> images.Image:
    if source.type != "base64":
        words = f"`{at}.type`: only base64 is offered; nothing is fetched, by nobody."
        raise Refused(UNSUPPORTED_FIELD, words, param=f"{at}.type")
    for name, value in (("media_type", source.media_type), ("data", source.data)):
        if value is None:
            raise required(f"{at}.{name}")
    return images.image(f"{at}.data", source.media_type or "", source.data or "")


def _result(at: str, block: ToolResult, open_calls: OpenCalls) -> dict[str, Any]:
    """Only text: a picture that a tool took is nobody's whom the policy lets show pictures."""
    parts = [block.content or ""] if not isinstance(block.content, list) else []
    for number, part in enumerate(block.content if isinstance(block.content, list) else ()):
        place = f"{at}.content[{number}]"
        if isinstance(part, Picture):
            raise Refused(UNSUPPORTED_FIELD, f"`{place}.type`: images are the user's alone.", param=f"{place}.type")
        parts.append(str(_shown(place, part)))
    _check_toolset(at, block)
    text = "\n".join(parts)
    check_text(f"{at}.content", text)
    return {
        "role": "tool",
        "content": f"Error: {text}" if block.is_error else text,
        "tool_call_id": open_calls.close(f"{at}.tool_use_id", block.tool_use_id),
    }


def _call(at: str, block: ToolUse, open_calls: OpenCalls) -> dict[str, Any]:
    if block.caller not in (None, {"type": "direct"}):
        raise Refused(UNSUPPORTED_FIELD, f"`{at}.caller`: only direct is offered.", param=f"{at}.caller")
    _check_toolset(at, block)
    if too_deep(block.input):
        raise Refused(INVALID_VALUE, f"`{at}.input` must not nest deeply.", param=f"{at}.input")
    return {"id": open_calls.add(f"{at}.id", block.id), "name": block.name, "arguments": block.input}


def _check_toolset(at: str, block: ToolUse | ToolResult) -> None:
    if block.toolset_name is not None:
        raise Refused(UNSUPPORTED_FIELD, f"`{at}.toolset_name` is not offered here.", param=f"{at}.toolset_name")
