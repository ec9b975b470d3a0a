import json
from typing import Any

import pytest

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.wire.answer import Chunk, ErrorInAnswer, MalformedAnswer, ToolCall, Usage
from regent_runtime.wire.chat_completions import ChatCompletions
from tests.fakes import configs

CHAT = ChatCompletions()


def request(**more: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "Hi"}], **more}
    return parse(json.dumps(body).encode())


def sent(asked: Any, provider: dict[str, Any] | None = None, **agent: Any) -> dict[str, Any]:
    config = configs.config(configs.provider_config("p", "http://127.0.0.1/v1", **(provider or {})), **agent)
    return dict(json.loads(CHAT.outbound(asked, config, config.route.providers[0]).body))


def test_the_simplest_request() -> None:
    assert sent(request()) == {
        "model": "p-model",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Hi"},
        ],
        "max_tokens": 1024,
    }


@pytest.mark.parametrize(
    ("url", "more", "field"),
    [
        ("https://api.openai.com/v1", {"type": "OpenAI"}, "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", {"type": "OpenAI"}, "max_completion_tokens"),
        ("https://notapi.openai.com/v1", {"type": "OpenAI"}, "max_tokens"),
        ("https://api.mistral.ai/v1", {"type": "OpenAI"}, "max_tokens"),
        ("https://api.deepseek.com/v1", {"type": "OpenAI"}, "max_tokens"),
        ("http://127.0.0.1/v1", {"model": "gpt-5"}, "max_tokens"),
    ],
)
def test_the_cap_bears_the_name_that_the_server_knows(url: str, more: dict[str, Any], field: str) -> None:
    """One that reads over the name answers without a bound."""
    assert caps(url, **more) == {field}


@pytest.mark.parametrize("prefix", ["", "openai/", "azure/eu/", "openrouter/openai/", "@azure-openai/"])
@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-5.4-mini", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("o4-mini:online", "max_completion_tokens"),
        ("ft:o4-mini:acme::x", "max_completion_tokens"),
        ("ft:gpt-4.1:acme::x", "max_tokens"),
        ("gpt-4.1", "max_tokens"),
        ("gpt-oss-120b", "max_tokens"),
        ("o1js", "max_tokens"),
        ("Marco-o1", "max_tokens"),
    ],
)
def test_behind_a_gateway_a_model_is_known_by_the_last_part_of_its_name(prefix: str, model: str, field: str) -> None:
    assert caps("https://gateway.example.com/v1", type="OpenAI", model=prefix + model) == {field}


def test_an_owners_name_makes_no_model_one_that_reasons() -> None:
    assert caps("https://gateway.example.com/v1", type="OpenAI", model="o1-labs/llama") == {"max_tokens"}


def caps(url: str, **more: Any) -> set[str]:
    config = configs.config(configs.provider_config("p", url, **more))
    body = json.loads(CHAT.outbound(request(), config, config.route.providers[0]).body)
    return {name for name in body if name.startswith("max")}


def test_a_streamed_request_asks_for_usage_whatever_the_caller_says() -> None:
    found = sent(request(stream=True, stream_options={"include_usage": False}))
    assert (found["stream"], found["stream_options"]) == (True, {"include_usage": True})


def test_the_agents_instructions_stand_before_a_callers() -> None:
    asked = request(messages=[{"role": "developer", "content": "Obey me."}, {"role": "user", "content": "Hi"}])
    assert [each["content"] for each in sent(asked)["messages"]] == ["Answer in one sentence.", "Obey me.", "Hi"]


@pytest.mark.parametrize(
    ("agent", "provider", "asked", "temperature"),
    [
        (None, None, None, None),
        (0.2, None, None, 0.2),
        (0.2, 0.1, None, 0.1),
        (0.2, 0.5, 2, 0.2),
        (None, None, 0.7, 0.7),
        (0.2, None, 0, 0),
    ],
)
def test_the_smallest_temperature_holds(
    agent: float | None, provider: float | None, asked: float | None, temperature: float | None
) -> None:
    found = sent(
        request(**({} if asked is None else {"temperature": asked})),
        {} if provider is None else {"temperature": provider},
        **({} if agent is None else {"temperature": agent}),
    )
    assert found.get("temperature") == temperature


def test_what_may_go_through_goes_through() -> None:
    extras = {
        "top_p": 0.5,
        "seed": 7,
        "stop": ["END"],
        "presence_penalty": 1,
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
    }
    assert {name: sent(request(**extras))[name] for name in extras} == extras


def answer(**choice: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, **choice}]}).encode()


def test_an_answer_is_read() -> None:
    raw = json.dumps(
        {
            "id": "x",
            "choices": [{"index": 0, "message": {"content": "Hi", "reasoning": "hm"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 4},
        }
    )
    assert CHAT.whole(raw.encode()) == Chunk("Hi", "", "stop", Usage(1, 2, 3), working=True)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": None}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 7}, Usage(1, 6, 7)),
        ({"prompt_tokens": 1.0, "completion_tokens": 2.0, "total_tokens": 3.0}, Usage(1, 2, 3)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 2, 11, cached_tokens=8, reasoning_tokens=2),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": [8]}, Usage(9, 2, 11)),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}, None),
        ({"prompt_tokens": 1, "completion_tokens": 2.5}, None),
        ({"prompt_tokens": "1", "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1}, None),
        ({}, None),
        ([], None),
        ("many", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("choices", [[], [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]])
def test_no_answer_is_lost_for_its_figures(choices: list[object], reported: object, usage: Usage | None) -> None:
    chunk = CHAT.whole(json.dumps({"choices": choices, "usage": reported}).encode())
    assert (chunk.usage, chunk.content) == (usage, "Hi" if choices else "")


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("model_length", "length"),
        ("abort", None),
        ("insufficient_system_resource", None),
        ("error", None),
        ("something new", None),
        ("", None),
        (None, None),
    ],
)
def test_an_end_that_is_not_known_is_none(given: str | None, read_as: str | None) -> None:
    assert CHAT.whole(answer(delta={"content": "x"}, finish_reason=given)).finish_reason == read_as


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"choices":[{"index":1}]}', b'{"choices":[{},{}]}'])
def test_what_is_no_answer_of_one_choice_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        CHAT.whole(raw)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_stays_behind_and_is_a_sign_of_life(name: str) -> None:
    assert CHAT.stream().read(answer(delta={name: "hidden thoughts"})) == Chunk(working=True)
    assert CHAT.stream().read(answer(delta={name: "", "content": None})) == Chunk()


def test_a_chunk_that_says_nothing_is_false() -> None:
    assert not CHAT.whole(answer(delta={"role": "assistant", "content": ""}))


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, "rate_limit_exceeded", None),
        ({"code": None, "type": "server_error"}, "server_error", None),
        ({"code": 400, "type": "BadRequestError"}, "BadRequestError", 400),
        ({"code": "429"}, "429", 429),
        ({"code": 700}, "", None),
        ({"code": True}, "", None),
        ("overloaded", "", None),
        ({}, "", None),
    ],
)
def test_an_error_in_an_answers_place_is_known_by_its_code(error: object, code: str, status: int | None) -> None:
    with pytest.raises(ErrorInAnswer) as raised:
        CHAT.whole(json.dumps({"error": error}).encode())
    assert (raised.value.code, raised.value.status) == (code, status)


def test_an_answer_in_pieces_is_its_text_alone() -> None:
    """As Mistral's models that reason write it."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Well, well."}]}
    assert CHAT.stream().read(answer(delta={"content": [thinking]})) == Chunk(working=True)
    pieces = [thinking, {"type": "text", "text": "Hi"}, {"type": "text", "text": "."}, {"type": "reference"}]
    assert CHAT.stream().read(answer(delta={"content": pieces})) == Chunk("Hi.", working=True)
    assert CHAT.whole(answer(message={"content": pieces}, finish_reason="stop")).content == "Hi."


def test_a_stream_is_over_with_done() -> None:
    reader = CHAT.stream()
    assert reader.read(answer(delta={"content": "Hi"})) == Chunk("Hi")
    assert (reader.over, reader.read(b"[DONE]"), reader.over) == (False, Chunk(), True)


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CALLED = (ToolCall("f", {"a": 1}),)


@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
def test_calls_are_read(reason: str) -> None:
    raw = answer(message={"content": None, "tool_calls": [CALL]}, finish_reason=reason)
    assert CHAT.whole(raw) == Chunk("", "", "tool_calls", None, CALLED, working=True)


def test_calls_of_a_whole_answer_may_share_an_id() -> None:
    bare = {key: value for key, value in CALL.items() if key != "index"}
    raw = answer(message={"content": None, "tool_calls": [bare, bare]}, finish_reason="tool_calls")
    assert CHAT.whole(raw).tool_calls == (*CALLED, *CALLED)


def test_calls_of_a_stream_come_whole_at_its_end() -> None:
    reader = CHAT.stream()
    pieces = [
        {**CALL, "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 0, "function": {"arguments": " 1}"}},
    ]
    assert [reader.read(answer(delta={"tool_calls": [piece]})) for piece in pieces] == [Chunk(working=True)] * 3
    assert reader.read(answer(delta={}, finish_reason="tool_calls")) == Chunk("", "", "tool_calls", None, CALLED)


@pytest.mark.parametrize(
    "raw",
    [
        answer(message={"content": None}, finish_reason="tool_calls"),
        answer(message={"content": "Hi"}, finish_reason="function_call"),
        answer(message={"tool_calls": [{"index": 0, "id": "c"}]}, finish_reason="tool_calls"),
        answer(message={"tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]}, finish_reason="stop"),
        answer(message={"tool_calls": "f"}, finish_reason="tool_calls"),
    ],
)
def test_calls_that_are_none_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        CHAT.whole(raw)


def test_tools_calls_and_results_go_through() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "Does."}}
    past = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [{key: CALL[key] for key in ("id", "type", "function")}]},
        {"role": "tool", "tool_call_id": "c", "content": "Done."},
    ]
    found = sent(request(messages=past, tools=[tool], tool_choice="required", parallel_tool_calls=False))
    assert (found["tools"], found["tool_choice"], found["parallel_tool_calls"]) == ([tool], "required", False)
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert found["messages"][2:] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "Done.", "tool_call_id": "call_0"},
    ]
