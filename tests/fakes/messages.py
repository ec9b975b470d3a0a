"""A provider that speaks Messages in the types of Anthropic's own package."""

import asyncio
from collections.abc import Iterator
from typing import Any

from anthropic import types
from anthropic.types.raw_message_delta_event import Delta
from pydantic import BaseModel

from tests.fakes import configs
from tests.fakes.provider import Behaviour, Received, send_json, send_stream

USAGE = types.Usage(input_tokens=7, cache_read_input_tokens=3, cache_creation_input_tokens=1, output_tokens=3)


def message(*blocks: types.ContentBlock, stop_reason: types.StopReason | None = "end_turn") -> types.Message:
    return types.Message(
        id="msg_provider",
        type="message",
        role="assistant",
        model="what-the-provider-says",
        content=list(blocks),
        stop_reason=stop_reason,
        usage=USAGE,
    )


def text(words: str) -> types.TextBlock:
    return types.TextBlock(type="text", text=words)


def thinking(words: str) -> types.ThinkingBlock:
    return types.ThinkingBlock(type="thinking", thinking=words, signature="signed")


def event(said: BaseModel) -> bytes:
    return f"event: {said.model_dump()['type']}\ndata: {said.model_dump_json()}\n\n".encode()


def begun(*words: str) -> Iterator[bytes]:
    """A stream up to these words: it has thought before."""
    yield event(types.RawMessageStartEvent(type="message_start", message=message(stop_reason=None)))
    yield b'event: ping\ndata: {"type": "ping"}\n\n'
    yield event(types.RawContentBlockStartEvent(type="content_block_start", index=0, content_block=thinking("")))
    thought = types.ThinkingDelta(type="thinking_delta", thinking="hidden thoughts")
    yield event(types.RawContentBlockDeltaEvent(type="content_block_delta", index=0, delta=thought))
    yield event(types.RawContentBlockStopEvent(type="content_block_stop", index=0))
    yield event(types.RawContentBlockStartEvent(type="content_block_start", index=1, content_block=text("")))
    for word in words:
        said = types.TextDelta(type="text_delta", text=word)
        yield event(types.RawContentBlockDeltaEvent(type="content_block_delta", index=1, delta=said))


def ended(stop_reason: types.StopReason = "end_turn") -> Iterator[bytes]:
    usage = types.MessageDeltaUsage(output_tokens=3)
    yield event(types.RawContentBlockStopEvent(type="content_block_stop", index=1))
    yield event(types.RawMessageDeltaEvent(type="message_delta", delta=Delta(stop_reason=stop_reason), usage=usage))
    yield event(types.RawMessageStopEvent(type="message_stop"))


def error(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "the provider's own words, sk-leak"}}


def speaks(*words: str, stop_reason: types.StopReason = "end_turn") -> Behaviour:
    """A well-behaved provider: plain or streamed, as it is asked."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.body.get("stream"):
            await send_stream(writer, [*begun(*words), *ended(stop_reason)])
        else:
            said = message(thinking("hidden thoughts"), *map(text, words), stop_reason=stop_reason)
            await send_json(writer, 200, said.model_dump(mode="json"))

    return behave


def claude(url: str, name: str = "claude", **more: Any) -> dict[str, Any]:
    """A config of one that is Local, so that it may be on loopback."""
    return configs.provider_config(name, url, api="Messages", **more)
