"""Providers that answer by calling a tool, one for each wire format, in the types of the official packages."""

import asyncio
import json
from typing import Any

from anthropic import types
from anthropic.types.raw_message_delta_event import Delta
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ResponseFunctionToolCall

from tests.fakes import messages, responses
from tests.fakes.provider import Behaviour, Received, send_json, send_stream


def calls(api: str, name: str, arguments: str, words: str = "") -> Behaviour:
    """Plain or streamed, as it is asked; the arguments come in two pieces."""
    return {"ChatCompletions": _chat, "Responses": _responses, "Messages": _messages}[api](name, arguments, words)


def _chat(name: str, arguments: str, words: str) -> Behaviour:
    call = {"id": "provider-1", "type": "function", "function": {"name": name, "arguments": arguments}}
    half = len(arguments) // 2
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": words},
        {"tool_calls": [{"index": 0, **call, "function": {"name": name, "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[:half]}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[half:]}}]},
    ]
    base = {"id": "provider", "created": 1, "model": "m"}

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.body.get("stream"):
            choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
            choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
            chunks = [
                ChatCompletionChunk.model_validate({**base, "object": "chat.completion.chunk", "choices": [choice]})
                for choice in choices
            ]
            parts = [f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n".encode() for chunk in chunks]
            await send_stream(writer, [*parts, b"data: [DONE]\n\n"])
            return
        said = {"role": "assistant", "content": words or None, "tool_calls": [call]}
        choice = {"index": 0, "message": said, "finish_reason": "tool_calls", "logprobs": None}
        whole = ChatCompletion.model_validate({**base, "object": "chat.completion", "choices": [choice]})
        await send_json(writer, 200, whole.model_dump(mode="json"))

    return behave


def _responses(name: str, arguments: str, words: str) -> Behaviour:
    call = ResponseFunctionToolCall(
        id="fc_1", type="function_call", call_id="provider-1", name=name, arguments=arguments, status="completed"
    )
    said = [responses.said(words)] if words else []
    return responses.answers_with(responses.response(*said, call))


def _messages(name: str, arguments: str, words: str) -> Behaviour:
    begun = types.ToolUseBlock(type="tool_use", id="toolu_1", name=name, input={})
    half = len(arguments) // 2

    def piece(text: str) -> bytes:
        delta = types.InputJSONDelta(type="input_json_delta", partial_json=text)
        return messages.event(types.RawContentBlockDeltaEvent(type="content_block_delta", index=2, delta=delta))

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not request.body.get("stream"):
            block = begun.model_copy(update={"input": json.loads(arguments)})
            said = [messages.text(words)] if words else []
            whole = messages.message(*said, block, stop_reason="tool_use")
            await send_json(writer, 200, whole.model_dump(mode="json"))
            return
        start = types.RawContentBlockStartEvent(type="content_block_start", index=2, content_block=begun)
        end = types.RawMessageDeltaEvent(
            type="message_delta",
            delta=Delta(stop_reason="tool_use"),
            usage=types.MessageDeltaUsage(output_tokens=3),
        )
        stop = types.RawMessageStopEvent(type="message_stop")
        pieces = [piece(""), piece(arguments[:half]), piece(arguments[half:])]
        head = messages.begun(*([words] if words else []))
        await send_stream(writer, [*head, messages.event(start), *pieces, messages.event(end), messages.event(stop)])

    return behave
