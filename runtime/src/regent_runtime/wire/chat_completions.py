"""Chat Completions as OpenAI, and many others, speak it."""

from typing import Any

import msgspec
from msgspec import Struct

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.route import ProviderType
from regent_runtime.wire import azure, images
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer, Usage, count, part, put_out
from regent_runtime.wire.format import Outbound, error_code
from regent_runtime.wire.parameters import output_cap, temperature
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.sse import DONE_DATA
from regent_runtime.wire.tools import Calls, calling, object_text


class ChatCompletions:
    """format.WireFormat."""

    def inexpressible(self, request: ChatRequest, provider: ProviderConfig) -> str | None:
        """Callers speak this format."""
        return azure.unsaid(request, provider)

    def outbound(self, request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> Outbound:
        cap_field = "max_tokens" if provider.type is ProviderType.LOCAL else "max_completion_tokens"
        body: dict[str, Any] = {
            "model": provider.upstream_model,
            "messages": [{"role": "system", "content": request.told(config)}, *map(_spoken, request.messages)],
            cap_field: output_cap(request, config, provider),
            **request.forwarded,
        }
        warmth = temperature(request, config, provider)
        if warmth is not None:
            body["temperature"] = warmth
        if request.stream:
            body["stream"] = True
            if provider.capabilities.stream_usage:
                body["stream_options"] = {"include_usage": True}
        return Outbound(azure.endpoint(provider, "/chat/completions"), msgspec.json.encode(body))

    def whole(self, body: bytes) -> Chunk:
        return _read(body, Calls())

    def stream(self) -> "_Stream":
        return _Stream()


class _Stream:
    """format.StreamReader."""

    def __init__(self) -> None:
        self.over = False
        self._calls = Calls()

    def read(self, data: bytes) -> Chunk:
        if data == DONE_DATA:
            self.over = True
            return Chunk()
        return _read(data, self._calls)


def _spoken(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the history as this format writes it."""
    if "tool_calls" not in message:
        return images.spoken(message)
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": object_text(call["arguments"])},
        }
        for call in message["tool_calls"]
    ]
    return {**message, "content": message["content"] or None, "tool_calls": calls}


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Said(Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Answer(Struct):
    choices: list[_Choice] = []
    usage: Any = None
    error: Any = None


_FINISH_REASONS = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
}
"""OpenAI's, Together's `eos`, TGI's `eos_token` and `stop_sequence`, Mistral's `model_length`. Others are no ends:
`abort` of vLLM and SGLang, `insufficient_system_resource` of DeepSeek, `error` of Mistral and OpenRouter.
"""
_DECODER = msgspec.json.Decoder(_Answer)


def _read(data: bytes, calls: Calls) -> Chunk:
    """A plain answer, or the data of one event of a stream. `calls` of the answer are added to those so far."""
    try:
        answer = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer from None
    if answer.error is not None:
        raise ErrorInAnswer(error_code(answer.error))
    if not answer.choices:
        return Chunk(usage=_usage(answer.usage))
    choice = answer.choices[0]
    said = choice.delta or choice.message or _Said()
    if len(answer.choices) > 1 or choice.index != 0 or choice.finish_reason == "function_call":
        raise MalformedAnswer
    for number, call in enumerate(said.tool_calls or ()):
        function = call.function or _Function()
        index = number if call.index is None and choice.delta is None else call.index
        calls.add(index, call.id, function.name, function.arguments)
    reason = _FINISH_REASONS.get(choice.finish_reason or "")
    working = bool(said.tool_calls or said.reasoning_content or said.reasoning)
    chunk = Chunk(said.content or "", said.refusal or "", reason, _usage(answer.usage), working=working)
    return calling(chunk, calls)


def _usage(reported: Any) -> Usage | None:
    """What a provider says it counted. None for what cannot be read: no answer is lost for its figures."""
    if not isinstance(reported, dict):
        return None
    prompt, completion = count(reported.get("prompt_tokens")), count(reported.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    completion, total = put_out(prompt, completion, count(reported.get("total_tokens")))
    read = reported.get("prompt_tokens_details")
    return Usage(
        prompt,
        completion,
        total,
        cached_tokens=part(read, "cached_tokens", prompt),
        cache_write_tokens=part(read, "cache_write_tokens", prompt),
        reasoning_tokens=part(reported.get("completion_tokens_details"), "reasoning_tokens", completion),
    )
