"""OpenAI's Responses API, as OpenAI and local servers speak it: nothing is stored, no tools but the caller's.

Each request bears the whole history; no answer is referred to by its id. An item of an answer that is neither a
message nor reasoning is something that the provider did and nobody asked for: such an answer is malformed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.route import ProviderType
from regent_runtime.wire import azure, images
from regent_runtime.wire.answer import Chunk, MalformedAnswer, Usage, count, part, put_out
from regent_runtime.wire.format import Outbound, told
from regent_runtime.wire.parameters import output_cap, temperature
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.sse import DONE_DATA
from regent_runtime.wire.tools import Calls, calling, object_text

T = TypeVar("T")

LEAST_OUTPUT_TOKENS = 16
"""OpenAI refuses a smaller `max_output_tokens`."""
_ECHOES = 4
"""Events of a stream that repeat instructions, format and tools: created, queued, in_progress and the last."""
_LONGEST_ESCAPE = 3
"""Bytes of JSON for a byte of UTF-8, where a provider writes ASCII alone."""
_EXPRESSED = {
    "top_p",
    "reasoning_effort",
    "verbosity",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "service_tier",
}
_SAME = ("top_p", "parallel_tool_calls", "service_tier")
_NEUTRAL = {"presence_penalty": 0, "frequency_penalty": 0, "stop": []}
"""Of fields that Responses lacks, the values that ask for nothing."""


class Responses:
    """format.WireFormat."""

    def inexpressible(self, request: ChatRequest, provider: ProviderConfig) -> str | None:
        return next(_unsaid(request, provider), None)

    def outbound(self, request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> Outbound:
        body: dict[str, Any] = {
            "model": provider.upstream_model,
            "instructions": request.told(config),
            "input": [item for message in request.messages for item in _items(message)],
            "max_output_tokens": output_cap(request, config, provider),
            "store": False,
            **_settings(request.forwarded),
        }
        warmth = temperature(request, config, provider)
        if warmth is not None:
            body["temperature"] = warmth
        if request.stream:
            body["stream"] = True
        repeated = msgspec.json.encode([body["instructions"], body.get("text"), body.get("tools")])
        return Outbound(
            azure.endpoint(provider, "/responses"),
            msgspec.json.encode(body),
            echoed=len(repeated) * _ECHOES * _LONGEST_ESCAPE,
        )

    def whole(self, body: bytes) -> Chunk:
        return _answer(_decoded(_RESPONSE, body))

    def stream(self) -> "_Stream":
        return _Stream()


def _unsaid(request: ChatRequest, provider: ProviderConfig) -> Iterator[str]:
    for name, value in request.forwarded.items():
        if name not in _EXPRESSED and (name not in _NEUTRAL or value != _NEUTRAL[name]):
            yield name
    if "response_format" in request.forwarded and _format(request.forwarded["response_format"]) is None:
        yield "response_format"
    yield from (f"messages[{index}].name" for index, message in enumerate(request.messages) if "name" in message)
    asked = request.max_output_tokens
    if asked is not None and asked < LEAST_OUTPUT_TOKENS and provider.type is not ProviderType.LOCAL:
        yield "max_completion_tokens"


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A message, its calls, or the result of one, as items of `input`."""
    if message["role"] == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
        return
    calls = message.get("tool_calls", ())
    if message["content"] or not calls:
        yield {"role": message["role"], "content": _content(message["content"])}
    for call in calls:
        written = object_text(call["arguments"])
        yield {"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": written}


def _content(content: images.Content) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_shown(each) for each in content]


def _shown(part: str | images.Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    return {"type": "input_image", "image_url": part.url, "detail": part.detail}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """`strict` and `parameters` are stated: absent, they mean false and none to a caller, and other things here."""
    nothing = {"type": "object", "properties": {}}
    return {"type": "function", "strict": False, "parameters": nothing, **tool["function"]}


def _settings(forwarded: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of Chat Completions under their names here."""
    settings: dict[str, Any] = {name: forwarded[name] for name in _SAME if name in forwarded}
    if "reasoning_effort" in forwarded:
        settings["reasoning"] = {"effort": forwarded["reasoning_effort"]}
    text = {name: forwarded[name] for name in ("verbosity",) if name in forwarded}
    if "response_format" in forwarded:
        text["format"] = _format(forwarded["response_format"])
    if "tools" in forwarded:
        settings["tools"] = [_tool(tool) for tool in forwarded["tools"]]
    if "tool_choice" in forwarded:
        choice = forwarded["tool_choice"]
        settings["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", **choice["function"]}
    return settings | ({"text": text} if text else {})


def _format(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """`text.format`; None for what has no counterpart. `strict` is stated: absent, it means false to a caller."""
    match asked:
        case {"type": "json_object"}:
            return {"type": "json_object"}
        case {"type": "json_schema", "json_schema": {"schema": _} as stated}:
            return {"type": "json_schema", "strict": False, **stated}
        case _:
            return None


class _Part(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(Struct):
    type: str = ""
    content: list[_Part] | None = None
    name: str | None = None
    arguments: str | None = None


class _Response(Struct):
    status: str | None = None
    error: Any = None
    incomplete_details: Any = None
    output: list[_Item] | None = None
    usage: Any = None


_NOTHING = msgspec.Raw(b"{}")


class _Event(Struct):
    """What is raw is read where the type says that it matters: events that are not known may hold anything."""

    type: Any = ""
    delta: Any = None
    item: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    error: Any = None
    code: Any = None


_RESPONSE = msgspec.json.Decoder(_Response)
_ITEM = msgspec.json.Decoder(_Item)
_EVENT = msgspec.json.Decoder(_Event)
_KNOWN_ITEMS = {"message", "reasoning", "function_call"}
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


class _Stream:
    """format.StreamReader."""

    def __init__(self) -> None:
        self.over = False
        self._spoken = False
        self._done: list[_Item] = []
        """Calls that are whole, for servers whose last event does not repeat them."""

    def read(self, data: bytes) -> Chunk:
        if data == DONE_DATA:
            self.over = True
            return Chunk()
        event = _decoded(_EVENT, data)
        match event.type:
            case "response.output_text.delta":
                return self._said(Chunk(_text(event.delta)))
            case "response.refusal.delta":
                return self._said(Chunk(refusal=_text(event.delta)))
            case "response.output_item.added" | "response.output_item.done":
                return self._noted(_decoded(_ITEM, event.item), done=event.type.endswith("done"))
            case "response.function_call_arguments.delta":
                return Chunk(working=True)
            case "response.completed" | "response.incomplete" | "response.failed":
                response = _decoded(_RESPONSE, event.response)
                if event.type == "response.failed" and response.error is None:
                    return Chunk()  # Azure says why in an event behind it
                self.over = True
                return self._ended(_answer(response))
            case "error" | "":
                self._report(event)
            case str(name) if name.startswith("response.reasoning"):
                return Chunk(working=name.endswith(".delta"))
        return Chunk()

    def _report(self, event: _Event) -> None:
        if event.type or event.error is not None:
            raise told(event.error or {"code": event.code})

    def _noted(self, item: _Item, *, done: bool) -> Chunk:
        _check([item])
        is_call = item.type == "function_call"
        if done and is_call:
            self._done.append(item)
        return Chunk(working=is_call)

    def _said(self, chunk: Chunk) -> Chunk:
        self._spoken = self._spoken or bool(chunk)
        return chunk

    def _ended(self, answer: Chunk) -> Chunk:
        """The last event repeats the whole answer: it is taken where none of it has come as deltas."""
        if answer.finish_reason is None:
            return Chunk()
        if not answer.tool_calls:
            answer = calling(answer, _calls(self._done))
        return msgspec.structs.replace(answer, content="", refusal="") if self._spoken else answer


def _text(delta: Any) -> str:
    if not isinstance(delta, str):
        raise MalformedAnswer
    return delta


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer from None


def _answer(response: _Response) -> Chunk:
    """The whole of an answer; without a finish reason where it has not come to an end that we know."""
    if response.error is not None or response.status == "failed":
        raise told(response.error)
    items = response.output or []
    _check(items)
    calls = _calls(item for item in items if item.type == "function_call")
    parts = [each for item in items if item.type == "message" for each in item.content or []]
    chunk = Chunk(
        "".join(each.text or "" for each in parts if each.type == "output_text"),
        "".join(each.refusal or "" for each in parts if each.type == "refusal"),
        _finish_reason(response),
        _usage(response.usage),
    )
    return calling(chunk, calls)


def _calls(items: Iterable[_Item]) -> Calls:
    calls = Calls()
    for number, item in enumerate(items):
        calls.add(number, None, item.name, item.arguments)
    return calls


def _check(items: Iterable[_Item]) -> None:
    if any(item.type not in _KNOWN_ITEMS for item in items):
        raise MalformedAnswer


def _finish_reason(response: _Response) -> str | None:
    if response.status == "completed":
        return "stop"
    details = response.incomplete_details
    if response.status != "incomplete" or not isinstance(details, dict):
        return None
    return _INCOMPLETE.get(str(details.get("reason")))


def _usage(reported: Any) -> Usage | None:
    """What a provider says it counted. None for what cannot be read: no answer is lost for its figures."""
    if not isinstance(reported, dict):
        return None
    prompt, completion = count(reported.get("input_tokens")), count(reported.get("output_tokens"))
    if prompt is None or completion is None:
        return None
    completion, total = put_out(prompt, completion, count(reported.get("total_tokens")))
    read = reported.get("input_tokens_details")
    return Usage(
        prompt,
        completion,
        total,
        cached_tokens=part(read, "cached_tokens", prompt),
        cache_write_tokens=part(read, "cache_write_tokens", prompt),
        reasoning_tokens=part(reported.get("output_tokens_details"), "reasoning_tokens", completion),
    )
