"""Chat Completions as OpenAI, and many others, speak it."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.route import ProviderType
from regent_runtime.wire import azure, images
from regent_runtime.wire.answer import MOST_TOKENS, Chunk, MalformedAnswer, Usage, count, part, put_out
from regent_runtime.wire.format import Outbound, told
from regent_runtime.wire.parameters import output_cap, temperature
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.sse import DONE_DATA
from regent_runtime.wire.tools import Calls, calling, object_text

OPENAI_HOST = "api.openai.com"
"""Or of a region: `eu.api.openai.com`."""
_REASONING = re.compile(r"(?:ft:)?(?:o[0-9]\b|gpt-[5-9])")
"""OpenAI's, fine-tuned or not, also behind a gateway of somebody else's."""


class ChatCompletions:
    """format.WireFormat."""

    def inexpressible(self, request: ChatRequest, provider: ProviderConfig) -> str | None:
        """Callers speak this format."""
        return azure.unsaid(request, provider)

    def outbound(self, request: ChatRequest, config: AgentConfig, provider: ProviderConfig) -> Outbound:
        body: dict[str, Any] = {
            "model": provider.upstream_model,
            "messages": [{"role": "system", "content": request.told(config)}, *map(_spoken, request.messages)],
            _cap_field(provider): output_cap(request, config, provider),
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


def _cap_field(provider: ProviderConfig) -> str:
    """OpenAI's models that reason take no `max_tokens`; what others speak of the format has it, and may not look at the
    new name, or refuse it (DeepSeek, Mistral). Gateways say before a model's name whose it is (`azure/eu/gpt-5`);
    LiteLLM and OpenRouter know both names for each model, Portkey passes on what it gets.
    """
    is_openai = provider.type is ProviderType.AZURE_OPENAI or f".{provider.host}".endswith(f".{OPENAI_HOST}")
    is_new = is_openai or _REASONING.match(provider.model.rpartition("/")[2]) is not None
    return "max_completion_tokens" if is_new and provider.type is not ProviderType.LOCAL else "max_tokens"


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


class _Piece(Struct):
    """Mistral's models that reason write in pieces, of which those of another type are no part of the answer."""

    type: str = ""
    text: str | None = None


class _Said(Struct):
    content: str | list[_Piece] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


_Count = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]


class _OfPrompt(Struct):
    cached_tokens: _Count = 0
    cache_write_tokens: _Count = 0


class _OfCompletion(Struct):
    reasoning_tokens: _Count = 0


class _Counts(Struct):
    """What a provider counts, where it keeps to the format."""

    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count | None = None
    prompt_tokens_details: _OfPrompt | None = None
    completion_tokens_details: _OfCompletion | None = None


class _Answer(Struct):
    choices: list[_Choice] = []
    usage: _Counts | None = None
    error: Any = None


class _LooseAnswer(Struct):
    """One whose figures do not: no answer is lost for them."""

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
_LOOSE_DECODER = msgspec.json.Decoder(_LooseAnswer)
_SAID_NOTHING = _Said()


def _read(data: bytes, calls: Calls) -> Chunk:
    """A plain answer, or the data of one event of a stream. `calls` of the answer are added to those so far."""
    try:
        answer: _Answer | _LooseAnswer = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = _loosely(data)
    if answer.error is not None:
        raise told(answer.error)
    if not answer.choices:
        return Chunk(usage=_usage(answer.usage))
    choice, *others = answer.choices
    said = choice.delta or choice.message or _SAID_NOTHING
    if others or choice.index != 0 or choice.finish_reason == "function_call":
        raise MalformedAnswer
    if said.tool_calls:
        _add(said.tool_calls, calls, streamed=choice.delta is not None)
    reason = _FINISH_REASONS.get(choice.finish_reason) if choice.finish_reason else None
    usage = _usage(answer.usage) if answer.usage is not None else None
    working = bool(said.tool_calls or said.reasoning_content or said.reasoning)
    content = said.content or ""
    if isinstance(content, list):
        working = working or any(piece.type == "thinking" for piece in content)
        content = "".join(piece.text or "" for piece in content if piece.type == "text")
    chunk = Chunk(content, said.refusal or "", reason, usage, working=working)
    return chunk if reason is None and not said.tool_calls else calling(chunk, calls)


def _loosely(data: bytes) -> _LooseAnswer:
    """Raises MalformedAnswer."""
    try:
        return _LOOSE_DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer from None


def _add(pieces: list[_Call], calls: Calls, *, streamed: bool) -> None:
    for number, call in enumerate(pieces):
        function = call.function or _Function()
        index = number if call.index is None and not streamed else call.index
        calls.add(index, call.id, function.name, function.arguments)


def _usage(counts: Any) -> Usage | None:
    """What a provider says it counted. None for what cannot be read: no answer is lost for its figures."""
    if type(counts) is not _Counts:
        return _loose_usage(counts)
    prompt = counts.prompt_tokens
    completion, total = put_out(prompt, counts.completion_tokens, counts.total_tokens)
    of_prompt, of_completion = counts.prompt_tokens_details, counts.completion_tokens_details
    return Usage(
        prompt,
        completion,
        total,
        cached_tokens=min(of_prompt.cached_tokens, prompt) if of_prompt else 0,
        cache_write_tokens=min(of_prompt.cache_write_tokens, prompt) if of_prompt else 0,
        reasoning_tokens=min(of_completion.reasoning_tokens, completion) if of_completion else 0,
    )


def _loose_usage(reported: Any) -> Usage | None:
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
