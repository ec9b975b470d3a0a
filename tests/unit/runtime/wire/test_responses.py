import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer, ToolCall, Usage
from regent_runtime.wire.responses import Responses
from tests.fakes import configs

RESPONSES = Responses()
SCHEMA = {"name": "point", "schema": {"type": "object", "properties": {"x": {"type": "number"}}}}


def request(**more: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "Hi"}], **more}
    return parse(json.dumps(body).encode())


def config_of(provider: dict[str, Any] | None = None, **agent: Any) -> Any:
    more = {"api": "Responses", **(provider or {})}
    return configs.config(configs.provider_config("p", "http://127.0.0.1/v1", **more), **agent)


def sent(asked: Any, provider: dict[str, Any] | None = None, **agent: Any) -> dict[str, Any]:
    config = config_of(provider, **agent)
    outbound = RESPONSES.outbound(asked, config, config.route.providers[0])
    assert outbound.path == "/responses"
    return dict(json.loads(outbound.body))


def lacking(asked: Any, **provider: Any) -> str | None:
    return RESPONSES.inexpressible(asked, config_of(provider).route.providers[0])


def test_the_simplest_request() -> None:
    assert sent(request()) == {
        "model": "p-model",
        "instructions": "Answer in one sentence.",
        "input": [{"role": "user", "content": "Hi"}],
        "max_output_tokens": 1024,
        "store": False,
    }


def test_the_history_becomes_input_items() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "content": "Please."},
    ]
    assert sent(request(messages=messages))["input"] == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi\nthere"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Please."},
    ]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"temperature": 0.5, "top_p": 0.25}, {"temperature": 0.5, "top_p": 0.25}),
        ({"presence_penalty": 0, "frequency_penalty": 0.0, "stop": []}, {}),
        ({"max_tokens": 20, "max_completion_tokens": 30}, {"max_output_tokens": 20}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        ({"verbosity": "high"}, {"text": {"verbosity": "high"}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"verbosity": "low", "response_format": {"type": "json_schema", "json_schema": {**SCHEMA, "strict": True}}},
            {"text": {"verbosity": "low", "format": {"type": "json_schema", **SCHEMA, "strict": True}}},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {**SCHEMA, "strict": None}}},
            {"text": {"format": {"type": "json_schema", **SCHEMA, "strict": False}}},
        ),
    ],
)
def test_fields_stand_under_their_names_there(asked: dict[str, Any], told: dict[str, Any]) -> None:
    assert lacking(request(**asked)) is None
    assert sent(request(**asked)) == sent(request()) | told


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"seed": 7}, "seed"),
        ({"stop": "END"}, "stop"),
        ({"presence_penalty": 0, "frequency_penalty": 1}, "frequency_penalty"),
        ({"messages": [{"role": "user", "content": "Hi", "name": "ada"}]}, "messages[0].name"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format"),
    ],
)
def test_what_has_no_place_is_told(asked: dict[str, Any], field: str) -> None:
    assert lacking(request(**asked)) == field


def test_openai_takes_no_cap_under_16_and_none_is_raised_to_it() -> None:
    cloud = {"type": "OpenAI"}
    assert lacking(request(max_tokens=15), **cloud) == "max_completion_tokens"
    assert lacking(request(max_tokens=16), **cloud) is None
    assert lacking(request(max_tokens=15), type="Local") is None


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": list(parts)}


def text(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hidden thoughts"}]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
COUNTED = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 1},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": "completed", "output": list(output), **more}


def whole(answer: Any) -> Chunk:
    return RESPONSES.whole(json.dumps(answer).encode())


def test_an_answer_is_read_and_the_reasoning_stays_behind() -> None:
    answer = response(THOUGHT, message(text("Hi "), text("you")), message(text(".")), usage=COUNTED)
    assert whole(answer) == Chunk("Hi you.", "", "stop", Usage(9, 5, 14, 8, 1, 2))


def test_a_refusal_is_one() -> None:
    assert whole(response(message({"type": "refusal", "refusal": "No."}))) == Chunk("", "No.", "stop")


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, None),
        ({"status": "incomplete", "incomplete_details": None}, None),
        ({"status": "incomplete", "incomplete_details": {"reason": ["content_filter"]}}, None),
        ({"status": "in_progress"}, None),
        ({"status": "cancelled"}, None),
        ({"status": None}, None),
    ],
)
def test_only_an_end_that_is_known_ends_an_answer(ending: dict[str, Any], reason: str | None) -> None:
    assert whole(response(message(text("Hi")), **ending)).finish_reason == reason


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}, "rate_limit_exceeded"),
        ({"status": "failed", "error": None}, ""),
        ({"status": "completed", "error": {"type": "server_error"}}, "server_error"),
    ],
)
def test_a_failed_answer_is_an_error_known_by_its_code(failure: dict[str, Any], code: str) -> None:
    with pytest.raises(ErrorInAnswer) as raised:
        whole(response(message(text("Hi")), **failure))
    assert raised.value.code == code
    if failure["error"]:
        with pytest.raises(ErrorInAnswer) as raised:
            read({"type": "response.failed", "response": response(**failure)})
        assert raised.value.code == code


def encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def test_why_an_answer_failed_may_stand_in_the_event_behind() -> None:
    """As Azure's content filter does."""
    stream = RESPONSES.stream()
    assert stream.read(encoded({"type": "response.created", "response": response(status="in_progress")})) == Chunk()
    assert stream.read(encoded({"type": "response.failed", "response": response(status="failed")})) == Chunk()
    assert not stream.over
    with pytest.raises(ErrorInAnswer) as raised:
        stream.read(encoded({"type": "error", "error": {"code": "content_policy_violation", "message": "m"}}))
    assert raised.value.code == "content_policy_violation"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"status": 1}',
        b'{"output": {}}',
        b'{"output": [1]}',
        b'{"output": [{"type": "message", "content": "Hi"}]}',
        json.dumps(response({**CALL, "name": None})).encode(),
        json.dumps(response({**CALL, "arguments": "{"})).encode(),
        json.dumps(response(message(text("Hi")), {"type": "web_search_call", "id": "ws_1"})).encode(),
        json.dumps(response({"content": []})).encode(),
    ],
)
def test_what_is_no_answer_of_text_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        RESPONSES.whole(raw)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (COUNTED, Usage(9, 5, 14, 8, 1, 2)),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2, 3)),
        ({"input_tokens": 1.0, "output_tokens": 2, "total_tokens": None}, Usage(1, 2, 3)),
        (
            {"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 7}},
            Usage(1, 2, 3, cached_tokens=1),
        ),
        ({"input_tokens": 1, "output_tokens": 2, "output_tokens_details": [9]}, Usage(1, 2, 3)),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "total_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(1, 6, 7, reasoning_tokens=4),
        ),
        ({"input_tokens": "1", "output_tokens": 2}, None),
        ({"input_tokens": 1}, None),
        ([], None),
        (None, None),
    ],
)
def test_no_answer_is_lost_for_its_figures(reported: object, usage: Usage | None) -> None:
    assert whole(response(message(text("Hi")), usage=reported)) == Chunk("Hi", "", "stop", usage)


def read(*events: Any) -> list[Chunk]:
    """The chunks that say something, up to the end of the stream."""
    reader, chunks = RESPONSES.stream(), []
    for event in events:
        if chunk := reader.read(event if isinstance(event, bytes) else json.dumps(event).encode()):
            chunks.append(chunk)
        if reader.over:
            break
    return chunks


def delta(words: str, kind: str = "output_text") -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": words}


def ended(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": response(*output, status=status, **more)}


def test_a_stream_is_read() -> None:
    assert read(
        {"type": "response.created", "response": response(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": THOUGHT},
        delta("hidden thoughts", "reasoning_summary_text"),
        {"type": "response.output_item.added", "output_index": 1, "item": message()},
        delta("Hel"),
        delta("lo."),
        {"type": "response.output_text.done", "text": "Hello."},
        {"type": "response.output_item.done", "output_index": 1, "item": message(text("Hello."))},
        ended(THOUGHT, message(text("Hello.")), usage=COUNTED),
        delta("behind the end"),
    ) == [Chunk("Hel"), Chunk("lo."), Chunk(finish_reason="stop", usage=Usage(9, 5, 14, 8, 1, 2))]


@pytest.mark.parametrize("kind", ["reasoning_text", "reasoning_summary_text"])
def test_reasoning_is_a_sign_of_life(kind: str) -> None:
    reader = RESPONSES.stream()
    done = {"type": f"response.{kind}.done", "text": "hidden thoughts"}
    events = [delta("hidden thoughts", kind), done]
    assert [reader.read(json.dumps(event).encode()).working for event in events] == [True, False]


def test_a_streamed_refusal() -> None:
    refused = message({"type": "refusal", "refusal": "No."})
    assert read(delta("No.", "refusal"), ended(refused)) == [Chunk(refusal="No."), Chunk(finish_reason="stop")]


def test_text_that_came_without_deltas_is_not_lost() -> None:
    assert read(ended(message(text("Hello.")))) == [Chunk("Hello.", "", "stop")]


def test_a_stream_that_is_cut_short_says_so() -> None:
    cut = ended(message(text("Hel")), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert read(delta("Hel"), cut) == [Chunk("Hel"), Chunk(finish_reason="length")]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.surprise", "delta": {"a": 1}, "item": "x", "response": 7, "error": {"code": "x"}},
        {"type": ["response.completed"]},
        {"type": "response.reasoning_text.delta", "delta": "hm"},
        {"type": "keepalive", "sequence_number": 3},
        {},
    ],
)
def test_an_unknown_event_is_ignored(event: Any) -> None:
    assert read(event, delta("Hi")) == [Chunk("Hi")]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (
            {"type": "error", "code": "server_error", "message": "m", "param": None, "sequence_number": 1},
            "server_error",
        ),
        ({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded"}}, "rate_limit_exceeded"),
        ({"type": "error", "code": None}, ""),
        ({"error": {"code": "insufficient_quota"}}, "insufficient_quota"),
    ],
)
def test_an_error_event_is_known_by_its_code(event: Any, code: str) -> None:
    with pytest.raises(ErrorInAnswer) as raised:
        read(delta("Hel"), event)
    assert raised.value.code == code


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"oops",
        b"[]",
        {"type": "response.output_text.delta", "delta": {"text": "Hi"}},
        {"type": "response.output_text.delta"},
        {"type": "response.output_item.added", "item": {**CALL, "type": "web_search_call"}},
        {"type": "response.output_item.done", "item": {**CALL, "type": "mcp_call"}},
        {"type": "response.output_item.added"},
        {"type": "response.completed", "response": "Hi"},
        ended(message(text("Hi")), {**CALL, "type": "mcp_call"}),
    ],
)
def test_a_stream_of_something_else_is_malformed(event: Any) -> None:
    with pytest.raises(MalformedAnswer):
        read(event)


@pytest.mark.parametrize(
    "last",
    [b"[DONE]", {"type": "response.completed"}, ended(message(text("Hello.")), status="incomplete", usage=COUNTED)],
)
def test_an_end_for_no_known_reason_is_no_end_of_an_answer(last: Any) -> None:
    assert read(delta("Hel"), last, delta("lo.")) == [Chunk("Hel")]


@given(st.lists(st.text(max_size=5), max_size=8))
def test_the_text_is_the_same_however_it_is_cut(words: list[str]) -> None:
    said = "".join(words)
    last = ended(message(text(said)))
    streamed = read(*(delta(each) for each in words), last)
    plain = whole(last["response"])
    assert "".join(each.content for each in streamed) == said == plain.content
    assert streamed[-1].finish_reason == plain.finish_reason == "stop"


CALLED = (ToolCall("f", {}),)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}


def test_calls_are_read() -> None:
    assert whole(response(message(text("Hi")), CALL)) == Chunk("Hi", "", "tool_calls", None, CALLED)


@pytest.mark.parametrize("last", [ended(CALL), ended()])
def test_calls_of_a_stream_come_whole_at_its_end(last: Any) -> None:
    added = {"type": "response.output_item.added", "item": {**CALL, "arguments": ""}}
    piece = {"type": "response.function_call_arguments.delta", "delta": "{}"}
    said = read(added, piece, {"type": "response.output_item.done", "item": CALL}, last)
    assert [chunk for chunk in said if chunk] == [Chunk("", "", "tool_calls", None, CALLED)]


def test_an_answer_that_was_cut_calls_nothing() -> None:
    cut = response(CALL, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert whole(cut) == Chunk("", "", "length")


def test_tools_are_offered_and_what_is_not_stated_is_stated() -> None:
    bare = {"type": "function", "function": {"name": "g"}}
    named = {"type": "function", "function": {"name": "g"}}
    asked = sent(request(tools=[TOOL, bare], tool_choice=named, parallel_tool_calls=False))
    assert asked["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ({"type": "function", "name": "g"}, False)
    assert sent(request(tools=[TOOL], tool_choice="required"))["tool_choice"] == "required"


def test_calls_and_results_of_the_past_are_items() -> None:
    function = {"name": "f", "arguments": '{"a": 1}'}
    asked = request(
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Wait.", "tool_calls": [{"id": "x", "function": function}]},
            {"role": "tool", "tool_call_id": "x", "content": "Done."},
            {"role": "assistant", "tool_calls": [{"id": "x", "function": function}]},
            {"role": "tool", "tool_call_id": "x", "content": ""},
        ]
    )
    call = {"type": "function_call", "name": "f", "arguments": '{"a":1}'}
    assert sent(asked)["input"][1:] == [
        {"role": "assistant", "content": "Wait."},
        {**call, "call_id": "call_0"},
        {"type": "function_call_output", "call_id": "call_0", "output": "Done."},
        {**call, "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": ""},
    ]
