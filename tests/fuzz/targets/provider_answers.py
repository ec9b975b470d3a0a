"""Answers of providers in every wire format: only the documented errors, and a stream means the same however it is cut."""

from collections.abc import Iterator

from regent_api.route import WireApi
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer
from regent_runtime.wire.chat_completions import ChatCompletions
from regent_runtime.wire.format import WireFormat
from regent_runtime.wire.messages import Messages
from regent_runtime.wire.responses import Responses
from regent_runtime.wire.sse import EventParser, MalformedStream
from tests.fuzz.target import Target

FORMATS: dict[WireApi, WireFormat] = {
    WireApi.CHAT_COMPLETIONS: ChatCompletions(),
    WireApi.RESPONSES: Responses(),
    WireApi.MESSAGES: Messages(),
}


def feed(data: bytes) -> None:
    half = len(data) // 2
    for wire in FORMATS.values():
        _outcome(_whole(wire, data))
        assert _outcome(_streamed(wire, data)) == _outcome(_streamed(wire, data[:half], data[half:]))


def _whole(wire: WireFormat, data: bytes) -> Iterator[Chunk]:
    yield wire.whole(data)


def _streamed(wire: WireFormat, *parts: bytes) -> Iterator[Chunk]:
    reader, parser = wire.stream(), EventParser()
    for part in parts:
        for event in parser.feed(part):
            if reader.over:
                return
            yield reader.read(event)


def _outcome(chunks: Iterator[Chunk]) -> tuple[list[Chunk], str]:
    """What was said, and how it ended."""
    said: list[Chunk] = []
    try:
        said.extend(chunks)
    except (ErrorInAnswer, MalformedAnswer, MalformedStream) as error:
        return said, type(error).__name__
    return said, ""


TARGET = Target(
    feed,
    seeds=(
        (
            b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":'
            b'"{\\"a\\":"}}]}}]}\n\ndata: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":'
            b'"1}"}}]},"finish_reason":"tool_calls"}]}\n\n'
        ),
        (
            b'data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f",'
            b'"input":{}}}\n\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta",'
            b'"partial_json":"{}"}}\n\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}\n\n'
        ),
        (
            b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\ndata: {"choices":[],'
            b'"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
        ),
        b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}',
        (
            b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\ndata: {"type":"response.completed","response":'
            b'{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],'
            b'"usage":{"input_tokens":9,"output_tokens":1,"input_tokens_details":{"cached_tokens":3}}}}\n\n'
        ),
        b'{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"reasoning"}]}',
        b'data: {"type":"error","code":"server_error"}\n\ndata: {"type":"response.failed","response":{"error":{}}}\n\n',
        (
            b'data: {"type":"message_start","message":{"usage":{"input_tokens":9}}}\n\ndata: {"type":"content_block_delta",'
            b'"index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\ndata: {"type":"message_delta","delta":'
            b'{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\ndata: {"type":"message_stop"}\n\n'
        ),
        b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1}}',
    ),
    words=(b"\n\n", b"data: ", b"null", b'"type":', b'"error":', b"[", b"}", b"1e999", b"\\ud800", b"\xff", b"-1"),
    longest=4096,
)
