"""The two dialects: what is said in both is one request, and one answer comes back in both."""

import json
from typing import Any

import anthropic
import anthropic.lib.streaming._messages as accumulating
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from regent_runtime.dialect.chat_completions.dialect import ChatCompletions
from regent_runtime.dialect.messages.dialect import Messages
from regent_runtime.refusals import Refused
from regent_runtime.wire.answer import Chunk, ToolCall, Usage
from tests.fakes.pictures import data_url, png

PICTURES = [data_url(png(width)).partition(",")[2] for width in (1, 2)]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ARGUMENTS = st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, max_size=2)
TOOLS = [("look", "It looks.", {"type": "object"}), ("go", None, {"type": "object", "properties": {}})]
Said = tuple[list[dict[str, Any]], dict[str, Any]]
"""The same in Chat Completions, and as one message of Messages."""


def spoken(role: str) -> st.SearchStrategy[Said]:
    return TEXT.map(lambda text: ([{"role": role, "content": text}], {"role": role, "content": text}))


def parts(chat: list[Any], blocks: list[Any]) -> Said:
    return [{"role": "user", "content": chat}], {"role": "user", "content": blocks}


def seen(picture: str) -> tuple[Any, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": picture}
    return (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        {"type": "image", "source": source},
    )


PART = st.sampled_from(PICTURES).map(seen) | TEXT.map(lambda text: ({"type": "text", "text": text},) * 2)
LOOKING = st.lists(PART, min_size=1, max_size=4).map(lambda told: parts([c for c, _ in told], [m for _, m in told]))


@st.composite
def called(draw: st.DrawFn) -> list[Said]:
    """Calls of an assistant, and the message that brings their results."""
    text = draw(TEXT.filter(bool))
    asked = draw(st.lists(st.tuples(st.sampled_from(["look", "go"]), ARGUMENTS), min_size=1, max_size=3))
    results = draw(st.permutations([(f"id{at}", draw(TEXT)) for at in range(len(asked))]))
    behind = draw(st.none() | TEXT)
    calls = [
        {"id": f"id{at}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for at, (name, arguments) in enumerate(asked)
    ]
    blocks = [
        {"type": "tool_use", "id": f"id{at}", "name": name, "input": arguments}
        for at, (name, arguments) in enumerate(asked)
    ]
    told = [{"type": "tool_result", "tool_use_id": identity, "content": words} for identity, words in results]
    chat = [{"role": "tool", "tool_call_id": identity, "content": words} for identity, words in results]
    if behind is not None:
        told.append({"type": "text", "text": behind})
        chat.append({"role": "user", "content": behind})
    return [
        (
            [{"role": "assistant", "content": text, "tool_calls": calls}],
            {"role": "assistant", "content": [{"type": "text", "text": text}, *blocks]},
        ),
        (chat, {"role": "user", "content": told}),
    ]


HISTORY = st.lists(
    spoken("user").map(lambda said: [said])
    | spoken("assistant").map(lambda said: [said])
    | LOOKING.map(lambda said: [said])
    | called(),
    max_size=5,
)


@st.composite
def asked(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    turns = [said for several in draw(HISTORY) for said in several] + [draw(spoken("user"))]
    chat: dict[str, Any] = {"messages": [message for said, _ in turns for message in said]}
    messages: dict[str, Any] = {"messages": [message for _, message in turns]}
    chat["max_tokens"] = messages["max_tokens"] = draw(st.integers(1, 9))
    if system := draw(TEXT):
        chat["messages"].insert(0, {"role": "system", "content": system})
        messages["system"] = system
    for name, values in {
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 9),
        "stream": st.booleans(),
        "model": TEXT,
    }.items():
        if draw(st.booleans()):
            chat[name] = messages[name] = draw(values)
    if stop := draw(st.lists(TEXT.filter(bool), max_size=4)):
        chat["stop"] = messages["stop_sequences"] = stop
    if draw(st.booleans()):
        schema = {"name": "answer", "schema": {"type": "object"}, "strict": True}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
        messages["output_config"] = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    if draw(st.booleans()):
        choose(chat, messages, draw(st.sampled_from(["auto", "any", "none", "tool"])), alone=draw(st.booleans()))
    return chat, messages


def choose(chat: dict[str, Any], messages: dict[str, Any], choice: str, *, alone: bool) -> None:
    described = [({"description": words} if words else {}, name, schema) for name, words, schema in TOOLS]
    messages["tools"] = [{"name": name, "input_schema": schema, **more} for more, name, schema in described]
    chat["tools"] = [
        {"type": "function", "function": {"name": name, "parameters": schema, **more}}
        for more, name, schema in described
    ]
    messages["tool_choice"] = {"type": choice, "disable_parallel_tool_use": alone}
    if choice == "tool":
        messages["tool_choice"]["name"] = "look"
    named = {"type": "function", "function": {"name": "look"}}
    chat["tool_choice"] = {"any": "required", "tool": named}.get(choice, choice)
    chat["parallel_tool_calls"] = not alone


@given(asked())
def test_what_is_said_in_both_is_one_request(said: tuple[dict[str, Any], dict[str, Any]]) -> None:
    chat, messages = (json.dumps(each).encode() for each in said)
    assert Messages().read(messages) == ChatCompletions().read(chat)


SHARED = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "assistant", "system", "tool"]),
                    "content": TEXT | st.lists(TEXT.map(lambda text: {"type": "text", "text": text}), max_size=2),
                }
            ),
            max_size=3,
        ),
        "max_tokens": st.integers(-1, 3),
    },
    optional={
        "temperature": st.floats(-1, 3),
        "stream": st.booleans(),
        "service_tier": st.sampled_from(["auto", "flex", "default"]),
        "tools": st.just([]),
        "tool_choice": st.sampled_from(["auto", {"type": "auto"}, None]),
        "metadata": st.just({"user_id": "ann"}),
        "top_k": st.integers(0, 3),
        "stop": st.just("END"),
        "stop_sequences": st.just(["END"]),
    },
)


@given(SHARED)
def test_bytes_that_both_take_mean_the_same_in_both(said: dict[str, Any]) -> None:
    """So that an approval of some bytes is one of what was approved, whatever path they come by again."""
    body = json.dumps(said).encode()
    try:
        found = Messages().read(body), ChatCompletions().read(body)
    except Refused:
        return
    assert found[0] == found[1]


REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}
CALLS = st.builds(ToolCall, st.sampled_from(["look", "go"]), ARGUMENTS)
COUNTS = st.integers(0, 99)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, fresh, completion = (draw(COUNTS) for _ in range(4))
    prompt = cached + written + fresh
    return Usage(prompt, completion, prompt + completion, cached, written)


@st.composite
def answered(draw: st.DrawFn) -> tuple[list[str], Chunk]:
    """Pieces of a text, and the end."""
    calls = tuple(draw(st.lists(CALLS, max_size=3)))
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    return draw(st.lists(TEXT.filter(bool), max_size=4)), Chunk(finish_reason=reason, tool_calls=calls)


Told = tuple[str, list[tuple[str, Any]], str | None, tuple[int, int, int]]
"""Text, calls, finish reason in the words of Messages, and tokens of input, of those cached, and of output."""


def by_openai(answer: Any) -> Told:
    choice, usage = answer.choices[0], answer.usage
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]
    counts = usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens
    return choice.message.content or "", calls, REASONS[choice.finish_reason], counts


def by_anthropic(answer: Any) -> Told:
    usage = answer.usage
    prompt = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    return (
        "".join(block.text for block in answer.content if block.type == "text"),
        [(block.name, block.input) for block in answer.content if block.type == "tool_use"],
        answer.stop_reason,
        (prompt, usage.cache_read_input_tokens, usage.output_tokens),
    )


REQUEST = b'{"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}'
EVENT: Any = TypeAdapter(RawMessageStreamEvent)


def streamed(dialect: Any, pieces: list[str], end: Chunk, usage: Usage, body: bytes) -> list[bytes]:
    """The data of the events."""
    writer = dialect.writer(dialect.read(body), "t1", 5)
    chunks = [*map(Chunk, pieces), end]
    said = b"".join(writer.event("m", chunk, first=not at) for at, chunk in enumerate(chunks))
    lines = (said + writer.end("m", usage)).split(b"\n")
    return [line[6:] for line in lines if line.startswith(b"data: ")]


def put_together(events: list[bytes]) -> Any:
    """As Anthropic's client does."""
    message, buffers = None, {}
    for data in events:
        event = EVENT.validate_json(data)
        message = accumulating.accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    return message


@given(answered(), usages())
def test_one_answer_comes_back_in_both(said: tuple[list[str], Chunk], usage: Usage) -> None:
    pieces, end = said
    whole = Chunk("".join(pieces), "", end.finish_reason, usage, end.tool_calls)
    chat, messages = ChatCompletions(), Messages()
    told = by_openai(
        ChatCompletion.model_validate_json(chat.writer(chat.read(REQUEST), "t1", 5).completion("m", whole))
    )
    parsed = anthropic_message(messages.writer(messages.read(REQUEST), "t1", 5).completion("m", whole))
    assert by_anthropic(parsed) == told
    assert by_anthropic(put_together(streamed(messages, pieces, end, usage, REQUEST))) == told
    counted = REQUEST[:-1] + b', "stream": true, "stream_options": {"include_usage": true}}'
    *chunks, figures, done = streamed(chat, pieces, end, usage, counted)
    assert done == b"[DONE]"
    deltas = [ChatCompletionChunk.model_validate_json(data).choices[0].delta.content or "" for data in chunks]
    assert "".join(deltas) == told[0]
    last: Any = ChatCompletionChunk.model_validate_json(figures).usage
    assert (last.prompt_tokens, last.prompt_tokens_details.cached_tokens, last.completion_tokens) == told[3]


def anthropic_message(data: bytes) -> Any:
    return anthropic.types.Message.model_validate_json(data)
