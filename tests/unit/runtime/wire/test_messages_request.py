import json
from typing import Any, get_args

import pytest

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.dialect.chat_completions.request_table import REQUEST_TABLE
from regent_runtime.dialect.table import Treatment
from regent_runtime.wire.messages import VERSION, Messages
from tests.fakes import configs

MESSAGES = Messages()
CONFIG = configs.config(configs.provider_config("p", "https://api.example/v1", type="Anthropic", api="Messages"))
CLAUDE = CONFIG.route.providers[0]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCHEMA_ASKED = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}


PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Now.", "parameters": PARAMETERS}}
NAMED = {"type": "function", "function": {"name": "weather"}}


def user(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: str, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": text}


def blocks(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


def request(*messages: dict[str, Any], **more: Any) -> Any:
    return parse(json.dumps({"messages": list(messages) or [user("Hi")], **more}).encode())


def unsaid(asked: Any) -> str | None:
    return MESSAGES.inexpressible(asked, CLAUDE)


def sent(asked: Any, provider: dict[str, Any] | None = None, **agent: Any) -> dict[str, Any]:
    assert unsaid(asked) is None
    made = configs.provider_config("p", "https://api.example/v1", type="Anthropic", api="Messages", **(provider or {}))
    config = configs.config(made, **agent)
    return dict(json.loads(MESSAGES.outbound(asked, config, config.route.providers[0]).body))


def test_the_simplest_request() -> None:
    outbound = MESSAGES.outbound(request(), CONFIG, CLAUDE)
    assert (outbound.path, outbound.headers) == ("/messages", {"anthropic-version": VERSION})
    assert json.loads(outbound.body) == {
        "model": "p-model",
        "max_tokens": 1024,
        "system": blocks("Answer in one sentence."),
        "messages": [{"role": "user", "content": blocks("Hi")}],
    }


def test_a_stream_is_asked_for() -> None:
    assert sent(request(stream=True))["stream"] is True


def test_the_agents_instructions_stand_before_a_callers() -> None:
    asked = request(system("Be kind."), system("Be brief.", "developer"), user("Hi"))
    assert sent(asked)["system"] == blocks("Answer in one sentence.", "Be kind.", "Be brief.")


def test_instructions_of_nothing_are_not_sent() -> None:
    assert "system" not in sent(request(), instructions=" \n")
    assert sent(request(system("Be kind."), user("Hi")), instructions=" ")["system"] == blocks("Be kind.")


def test_neighbours_of_one_role_become_one_turn() -> None:
    asked = request(user("a"), user("b"), assistant("c"), assistant("d"), user("e"))
    assert sent(asked)["messages"] == [
        {"role": "user", "content": blocks("a", "b")},
        {"role": "assistant", "content": blocks("c", "d")},
        {"role": "user", "content": blocks("e")},
    ]


def test_the_smallest_output_cap_holds() -> None:
    assert sent(request(max_tokens=7), {"maxOutputTokens": 9})["max_tokens"] == 7
    assert sent(request(max_tokens=70), {"maxOutputTokens": 9})["max_tokens"] == 9


@pytest.mark.parametrize(("asked", "temperature"), [(0, 0), (0.7, 0.7), (1, 1), (2, 1)])
def test_a_temperature_is_at_most_1(asked: float, temperature: float) -> None:
    assert sent(request(temperature=asked))["temperature"] == temperature


def test_without_a_temperature_none_is_sent() -> None:
    assert "temperature" not in sent(request())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop": []}, {}),
        ({"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
        ({"reasoning_effort": "xhigh"}, {"output_config": {"effort": "xhigh"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"verbosity": "medium"}, {}),
        ({"presence_penalty": 0, "frequency_penalty": 0.0}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": SCHEMA_ASKED}, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        (
            {"response_format": SCHEMA_ASKED, "reasoning_effort": "high"},
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "high"}},
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "place", "description": "A place.", "schema": SCHEMA},
                }
            },
            {"output_config": {"format": {"type": "json_schema", "schema": {"description": "A place.", **SCHEMA}}}},
        ),
    ],
)
def test_what_has_words_is_said(asked: dict[str, Any], said: dict[str, Any]) -> None:
    plain = sent(request())
    assert sent(request(**asked)) == {**plain, **said}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"seed": 7}, "seed"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": -1}, "frequency_penalty"),
        ({"verbosity": "low"}, "verbosity"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort"),
        ({"stop": "\n\n"}, "stop"),
        ({"stop": ["END", " "]}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, "response_format"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "description": "one", "schema": {**SCHEMA, "description": "two"}},
                }
            },
            "response_format",
        ),
    ],
)
def test_a_field_without_words_is_named(asked: dict[str, Any], param: str) -> None:
    assert unsaid(request(**asked)) == param


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user("Hi"), system("Now obey me."), user("Go.")], "messages[1].role"),
        ([user("Hi"), system("Now obey me.", "developer")], "messages[1].role"),
        ([system("Be kind.")], "messages[0].role"),
        ([user("Hi"), assistant("The answer is (")], "messages[1].role"),
        ([user("Hi", name="bob")], "messages[0].name"),
        ([user("Hi"), assistant(""), user("Go on.")], "messages[1].content"),
        ([user(" \n")], "messages[0].content"),
    ],
)
def test_a_history_without_words_is_named(messages: list[dict[str, Any]], param: str) -> None:
    assert unsaid(request(*messages)) == param


def call(identity: str, arguments: str = "{}", content: str | None = None) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"id": identity, "type": "function", "function": function}],
    }


def result(identity: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def test_tools_are_offered() -> None:
    bare = {"type": "function", "function": {"name": "time", "strict": True}}
    assert sent(request(tools=[TOOL, bare]))["tools"] == [
        {"name": "weather", "description": "Now.", "input_schema": PARAMETERS},
        {"name": "time", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto", "parallel_tool_calls": True}, None),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": NAMED}, {"type": "tool", "name": "weather"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": False, "tool_choice": "required"}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_the_choice_among_them(asked: dict[str, Any], choice: dict[str, Any] | None) -> None:
    assert sent(request(tools=[TOOL], **asked)).get("tool_choice") == choice


def test_calls_and_results_of_the_past() -> None:
    asked = request(
        user("Hi"),
        call("a", '{"city": "Rome"}', "Wait."),
        result("a", "Sun."),
        user("And now?"),
        call("a"),
        result("a", ""),
        tools=[TOOL],
    )
    assert sent(asked)["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                *blocks("Wait."),
                {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_0", "content": blocks("Sun.")},
                *blocks("And now?"),
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": []}]},
    ]


def test_calls_of_the_past_need_their_tools() -> None:
    assert unsaid(request(user("Hi"), call("a"), result("a", "Sun."))) == "tools"


def test_no_field_is_forwarded_that_messages_has_not_been_taught() -> None:
    """A field that enters the table for another format is no silent loss here."""
    asked = request()
    asked.forwarded["brand_new"] = 1
    assert unsaid(asked) == "brand_new"


_VALUES: dict[str, Any] = {
    "top_p": 0.5,
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "seed": 7,
    "stop": ["END"],
    "reasoning_effort": get_args(REQUEST_TABLE["reasoning_effort"].accepts),
    "verbosity": get_args(REQUEST_TABLE["verbosity"].accepts),
    "response_format": SCHEMA_ASKED,
    "tools": [TOOL],
    "tool_choice": ("none", "required", NAMED),
    "parallel_tool_calls": False,
}


@pytest.mark.parametrize(
    "name", [name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.FORWARDED]
)
def test_every_forwarded_field_is_said_or_named(name: str) -> None:
    values = _VALUES[name]
    for value in values if isinstance(values, tuple) else (values,):
        asked = request(**{"tools": [TOOL], name: value})
        neutral = (name, value) == ("verbosity", "medium")
        plain = request() if name == "tools" else request(tools=[TOOL])
        assert unsaid(asked) == name or neutral or sent(asked) != sent(plain)
