"""A Chat Completions provider that answers with the types of the official `openai` package, serialised."""

import asyncio
from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from openai.types.completion_usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

from tests.fakes.provider import Behaviour, Received, send_json, send_stream

USAGE = CompletionUsage(
    prompt_tokens=11,
    completion_tokens=7,
    total_tokens=18,
    prompt_tokens_details=PromptTokensDetails(audio_tokens=0, cached_tokens=4, cache_write_tokens=2),
    completion_tokens_details=CompletionTokensDetails(
        accepted_prediction_tokens=0, audio_tokens=0, reasoning_tokens=5, rejected_prediction_tokens=0
    ),
)
_BASE: dict[str, Any] = {"id": "chatcmpl-1", "created": 1, "model": "what-the-provider-says"}


def said(
    text: str | None, finish_reason: Any = "stop", *, refusal: str | None = None, usage: CompletionUsage = USAGE
) -> ChatCompletion:
    message = ChatCompletionMessage(role="assistant", content=text, refusal=refusal, annotations=[])
    choice = Choice(index=0, message=message, finish_reason=finish_reason)
    return ChatCompletion(object="chat.completion", choices=[choice], usage=usage, service_tier="default", **_BASE)


def chunks(answer: ChatCompletion) -> Iterable[ChatCompletionChunk]:
    """The stream that comes to this answer, its words in two pieces."""
    (choice,) = answer.choices
    deltas = [ChoiceDelta(role="assistant", content="", refusal=None)]
    for name in ("content", "refusal"):
        words = getattr(choice.message, name) or ""
        deltas += [ChoiceDelta.model_validate({name: piece}) for piece in (words[:2], words[2:]) if piece]
    choices = [ChunkChoice(index=0, delta=delta) for delta in deltas]
    for each in [*choices, ChunkChoice(index=0, delta=ChoiceDelta(), finish_reason=choice.finish_reason)]:
        yield ChatCompletionChunk(object="chat.completion.chunk", choices=[each], **_BASE)
    yield ChatCompletionChunk(object="chat.completion.chunk", choices=[], usage=answer.usage, **_BASE)


def answers_with(answer: ChatCompletion) -> Behaviour:
    """Plain or streamed, as it is asked."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.body.get("stream"):
            parts = [f"data: {chunk.to_json(indent=None)}\n\n".encode() for chunk in chunks(answer)]
            await send_stream(writer, [*parts, b"data: [DONE]\n\n"])
        else:
            await send_json(writer, 200, answer.to_dict())

    return behave
