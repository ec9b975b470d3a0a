"""Tools for a model that was not taught to call any: it is told of them in words, and held to a JSON schema.

The schema knows two answers: `{"answer": TEXT}` and `{"calls": [{"name": ..., "arguments": {...}}]}`. What the model
writes in it is read back into what a caller knows, so nobody else sees the difference. It lies over the wire format
that the provider speaks; what is asked and read of one request stays with that request.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.route import ProviderType
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.format import Outbound, StreamReader, WireFormat
from regent_runtime.wire.reply_by_schema import Reply
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.tools import object_text

MOST_CALLS = 16
"""Of one answer: a small model may repeat itself."""
_ANSWERS = """Write a JSON object: {"answer": ...} to answer, and only where a function is needed first:
"""
_CALLS = """{"calls": [{"name": NAME, "arguments": {...}}]} to call functions; you are then told {"results": ...}."""


def is_needed(request: ChatRequest, provider: ProviderConfig) -> bool:
    """Whether the provider gets the request's tools this way."""
    able = provider.type is ProviderType.LOCAL and provider.capabilities.json_schema
    return able and not provider.capabilities.tools and bool(request.tool_field())


class ToolsBySchema:
    """format.WireFormat, for one request."""

    def __init__(self, spoken: WireFormat, request: ChatRequest) -> None:
        self._spoken = spoken
        self._must_call = must_call(request)
        self._offers = bool(request.offered())
        self._of_words = "response_format" not in request.forwarded
        self._most_calls = most_calls(request)

    def inexpressible(self, request: ChatRequest, provider: ProviderConfig) -> str | None:
        """A `stop` would cut the JSON and not the text."""
        if self._offers and request.forwarded.get("stop"):
            return "stop"
        return self._spoken.inexpressible(translated(request), provider)

    def outbound(self, request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> Outbound:
        instructions = request.told(config)
        if self._offers:
            instructions = "\n\n".join(filter(None, (instructions, told(request))))
        asked = translated(request)
        told_in_turns = replace(asked, messages=_in_turns(asked.messages), instructions=instructions)
        return self._spoken.outbound(told_in_turns, config, provider)

    def whole(self, body: bytes) -> Chunk:
        chunk = self._spoken.whole(body)
        return self._reply().read(chunk) if self._offers else chunk

    def stream(self) -> StreamReader:
        stream = self._spoken.stream()
        return _Stream(stream, self._reply()) if self._offers else stream

    def _reply(self) -> Reply:
        return Reply(must_call=self._must_call, of_words=self._of_words, most_calls=self._most_calls)


class _Stream:
    """format.StreamReader."""

    def __init__(self, stream: StreamReader, reply: Reply) -> None:
        self._stream = stream
        self._reply = reply

    @property
    def over(self) -> bool:
        return self._stream.over

    @over.setter
    def over(self, value: bool) -> None:
        self._stream.over = value

    def read(self, data: bytes) -> Chunk:
        return self._reply.read(self._stream.read(data))


def must_call(request: ChatRequest) -> bool:
    choice = request.forwarded.get("tool_choice")
    return isinstance(choice, dict) or choice == "required"


def most_calls(request: ChatRequest) -> int:
    return 1 if request.forwarded.get("parallel_tool_calls") is False else MOST_CALLS


def translated(request: ChatRequest) -> ChatRequest:
    """The request without a word of tools; each message stays at its place."""
    about_tools = {"tools", "tool_choice", "parallel_tool_calls"}
    forwarded = {name: value for name, value in request.forwarded.items() if name not in about_tools}
    if request.offered():
        stated = {"name": "reply", "strict": True, "schema": schema(request)}
        forwarded["response_format"] = {"type": "json_schema", "json_schema": stated}
    return replace(request, messages=list(_history(request.messages)), forwarded=forwarded)


def told(request: ChatRequest) -> str:
    """What the model is told of the functions that it may call."""
    words = f"Write {_CALLS}" if must_call(request) else f"{_ANSWERS}{_CALLS}"
    described = (
        object_text({name: value for name, value in function.items() if name != "strict"})
        for function in _functions(request)
    )
    return "\n".join((words, "Functions:", *described))


def schema(request: ChatRequest) -> dict[str, Any]:
    """What the model may write. Definitions that parameters refer to move to its root."""
    roots: dict[str, Any] = {}
    calls = [_call(function, roots) for function in _functions(request)]
    items = calls[0] if len(calls) == 1 else {"anyOf": calls}
    many = {"type": "array", "items": items, "minItems": 1, "maxItems": most_calls(request)}
    calling = _object(calls=many)
    made = calling if must_call(request) else {"anyOf": [calling, _object(answer=_answer(request, roots))]}
    return {**made, "$defs": roots} if roots else made


def _functions(request: ChatRequest) -> list[dict[str, Any]]:
    """Those that may be called."""
    choice = request.forwarded.get("tool_choice")
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    functions = (tool["function"] for tool in request.forwarded["tools"])
    return [function for function in functions if named in {None, function["name"]}]


def _call(function: dict[str, Any], roots: dict[str, Any]) -> dict[str, Any]:
    parameters = function.get("parameters") or {"type": "object"}
    return _object(name={"const": function["name"]}, arguments=_placed(parameters, function["name"], roots))


def _answer(request: ChatRequest, roots: dict[str, Any]) -> dict[str, Any]:
    """A text, or what the caller's own response_format asks for."""
    asked = request.forwarded.get("response_format")
    if asked is None:
        return {"type": "string"}
    stated = asked.get("json_schema", {}).get("schema", {"type": "object"})
    return _placed(stated, "", roots)  # no function has an empty name


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _placed(stated: dict[str, Any], name: str, roots: dict[str, Any]) -> dict[str, Any]:
    """The schema, or, where it refers to parts of itself, a reference to where it then lies."""
    if not any(_references(stated)):
        return stated
    place = f"of-{name}"
    roots[place] = _rooted(stated, f"#/$defs/{place}")
    return {"$ref": f"#/$defs/{place}"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _rooted(value: Any, root: str) -> Any:
    """With references to its own root led to where that lies now."""
    if isinstance(value, list):
        return [_rooted(each, root) for each in value]
    if not isinstance(value, dict):
        return value
    moved = {name: _rooted(each, root) for name, each in value.items()}
    reference = value.get("$ref")
    return {**moved, "$ref": root + reference[1:]} if isinstance(reference, str) and reference[:1] == "#" else moved


def _history(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Past calls and their results in the words that the model uses now."""
    names: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            result = {"name": names[message["tool_call_id"]], "result": message["content"]}
            yield {"role": "user", "content": object_text({"results": [result]})}
        elif "tool_calls" in message:
            names |= {call["id"]: call["name"] for call in message["tool_calls"]}
            calls = [{"name": call["name"], "arguments": call["arguments"]} for call in message["tool_calls"]]
            parts = filter(None, (message["content"], object_text({"calls": calls})))
            plain = {name: value for name, value in message.items() if name != "tool_calls"}
            yield {**plain, "content": "\n".join(parts)}
        else:
            yield message


def _in_turns(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role as one message: templates of small models want turns. Images and names keep theirs."""
    turns: list[dict[str, Any]] = []
    for (role, plain), neighbours in groupby(messages, key=lambda each: (each["role"], each.keys() == _PLAIN)):
        group = list(neighbours)
        if plain and role in {"user", "assistant"} and all(isinstance(each["content"], str) for each in group):
            group = [{"role": role, "content": "\n".join(each["content"] for each in group)}]
        turns += group
    return turns


_PLAIN = {"role", "content"}
