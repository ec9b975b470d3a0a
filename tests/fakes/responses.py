"""A Responses provider that answers with the types of the official `openai` package, serialised."""

import asyncio
from collections.abc import Iterable
from typing import Any

from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseError,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseInProgressEvent,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseRefusalDeltaEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)
from openai.types.responses.response import IncompleteDetails
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from tests.fakes.provider import Behaviour, Received, send_json, send_stream

USAGE = ResponseUsage(
    input_tokens=11,
    input_tokens_details=InputTokensDetails(cached_tokens=4, cache_write_tokens=2),
    output_tokens=7,
    output_tokens_details=OutputTokensDetails(reasoning_tokens=5),
    total_tokens=18,
)
THOUGHT = ResponseReasoningItem(
    id="rs_1", type="reasoning", summary=[Summary(type="summary_text", text="hidden thoughts")]
)
CALL = ResponseFunctionToolCall(
    id="fc_1", type="function_call", call_id="call_1", name="send_money", arguments="{}", status="completed"
)


def said(*words: str) -> ResponseOutputMessage:
    parts = [ResponseOutputText(type="output_text", text=each, annotations=[], logprobs=[]) for each in words]
    return ResponseOutputMessage(id="msg_1", type="message", role="assistant", status="completed", content=[*parts])


def refused(words: str) -> ResponseOutputMessage:
    part = ResponseOutputRefusal(type="refusal", refusal=words)
    return ResponseOutputMessage(id="msg_1", type="message", role="assistant", status="completed", content=[part])


def response(*output: ResponseOutputItem, status: Any = "completed", **more: Any) -> Response:
    return Response(
        id="resp_1",
        object="response",
        created_at=1,
        model="what-the-provider-says",
        status=status,
        output=list(output),
        parallel_tool_calls=True,
        tool_choice="auto",
        tools=[],
        **{"usage": USAGE if status in {"completed", "incomplete"} else None, **more},
    )


def cut_short(reason: Any, *output: ResponseOutputItem) -> Response:
    return response(*output, status="incomplete", incomplete_details=IncompleteDetails(reason=reason))


def failed(code: Any) -> Response:
    return response(status="failed", error=ResponseError(code=code, message="the provider's own words, sk-leak"))


ENDINGS: dict[str, Any] = {
    "completed": ResponseCompletedEvent,
    "incomplete": ResponseIncompleteEvent,
    "failed": ResponseFailedEvent,
}


def events(answer: Response, *, repeated: str | None = None) -> Iterable[BaseModel]:
    """The stream that comes to this answer; each text part in two deltas. `repeated`: the instructions."""
    begun = response(status="in_progress", instructions=repeated)
    yield ResponseCreatedEvent(type="response.created", response=begun, sequence_number=0)
    yield ResponseInProgressEvent(type="response.in_progress", response=begun, sequence_number=1)
    for index, item in enumerate(answer.output):
        yield ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=_empty(item), output_index=index, sequence_number=2
        )
        yield from _deltas(index, item)
        yield ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=item, output_index=index, sequence_number=8
        )
    if answer.status in ENDINGS:
        kind = ENDINGS[answer.status]
        yield kind(type=f"response.{answer.status}", response=answer, sequence_number=9)


def error_event(code: str | None) -> ResponseErrorEvent:
    return ResponseErrorEvent(type="error", code=code, message="the provider's own words", sequence_number=3)


def sse(*sent: BaseModel) -> list[bytes]:
    return [f"event: {each.type}\ndata: {each.to_json(indent=None)}\n\n".encode() for each in sent]  # type: ignore[attr-defined]


def answers_with(answer: Response) -> Behaviour:
    """Plain or streamed, as it is asked."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.body.get("stream"):
            await send_stream(writer, sse(*events(answer)))
        else:
            await send_json(writer, 200, answer.to_dict())

    return behave


def begins(*words: str, then: BaseModel | None = None) -> Behaviour:
    """Streams the start of an answer that never comes to its end."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = sse(*events(response(said(*words), status="in_progress")), *([then] if then else []))
        await send_stream(writer, parts)

    return behave


def _empty(item: Any) -> Any:
    return item.model_copy(update={"content": []}) if isinstance(item, ResponseOutputMessage) else item


def _deltas(index: int, item: Any) -> Iterable[BaseModel]:
    if isinstance(item, ResponseReasoningItem):
        yield ResponseReasoningSummaryTextDeltaEvent(
            type="response.reasoning_summary_text.delta",
            item_id=item.id,
            output_index=index,
            summary_index=0,
            delta=item.summary[0].text,
            sequence_number=3,
        )
    if not isinstance(item, ResponseOutputMessage):
        return
    for number, part in enumerate(item.content):
        at: Any = {"item_id": item.id, "output_index": index, "content_index": number, "sequence_number": 4}
        yield ResponseContentPartAddedEvent(type="response.content_part.added", part=part, **at)
        if isinstance(part, ResponseOutputRefusal):
            yield ResponseRefusalDeltaEvent(type="response.refusal.delta", delta=part.refusal, **at)
        else:
            for piece in (part.text[:2], part.text[2:]):
                yield ResponseTextDeltaEvent(type="response.output_text.delta", delta=piece, logprobs=[], **at)
            yield ResponseTextDoneEvent(type="response.output_text.done", text=part.text, logprobs=[], **at)
        yield ResponseContentPartDoneEvent(type="response.content_part.done", part=part, **at)
