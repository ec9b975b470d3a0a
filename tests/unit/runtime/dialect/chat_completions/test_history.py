import json
from typing import Any

import pytest

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.refusals import Refused

TOOL = {"type": "function", "function": {"name": "weather"}}
USER = {"role": "user", "content": "Hi"}


def calls(*identities: str, **more: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"city": "R\\u006fme"}'}
    made = [{"id": identity, "type": "function", "function": function} for identity in identities]
    return {"role": "assistant", "content": None, "tool_calls": made, **more}


def result(identity: str, content: Any = "Sun.") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def read(*messages: dict[str, Any], **more: Any) -> Any:
    return parse(json.dumps({"messages": list(messages), **more}).encode())


def refused(*messages: dict[str, Any], **more: Any) -> tuple[str, str | None]:
    with pytest.raises(Refused) as raised:
        read(*messages, **more)
    return raised.value.refusal.code, raised.value.param


def test_calls_and_results_are_read_with_ids_of_ours() -> None:
    parts = [{"type": "text", "text": "Sun"}, {"type": "text", "text": "and wind."}]
    asked = read(USER, calls("x", "y"), result("y"), result("x", parts), calls("x", content="Wait."), result("x"))
    rome = {"name": "weather", "arguments": {"city": "Rome"}}
    assert asked.messages[1:] == [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_0", **rome}, {"id": "call_1", **rome}]},
        {"role": "tool", "content": "Sun.", "tool_call_id": "call_1"},
        {"role": "tool", "content": "Sun\nand wind.", "tool_call_id": "call_0"},
        {"role": "assistant", "content": "Wait.", "tool_calls": [{"id": "call_2", **rome}]},
        {"role": "tool", "content": "Sun.", "tool_call_id": "call_2"},
    ]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([USER, result("x")], "messages[1].tool_call_id"),
        ([USER, calls("x"), result("y")], "messages[2].tool_call_id"),
        ([USER, calls("x"), result("x"), result("x")], "messages[3].tool_call_id"),
        ([USER, calls("x"), {"role": "tool", "content": "Sun."}], "messages[2].tool_call_id"),
        ([USER, calls("x"), USER], "messages[2]"),
        ([USER, calls("x", "y"), result("x"), calls("z")], "messages[3]"),
        ([USER, calls("x")], "messages[1]"),
        ([USER, calls("x", "x"), result("x")], "messages[1].tool_calls[1].id"),
        ([{**USER, "tool_calls": calls("x")["tool_calls"]}], "messages[0].tool_calls"),
        ([{**USER, "tool_call_id": "x"}], "messages[0].tool_call_id"),
        ([{**USER, "role": "function"}], "messages[0].role"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "[]"}}]}],
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            [{"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "not a name"}}]}],
            "messages[0].tool_calls[0].function.name",
        ),
    ],
)
def test_what_does_not_fit_is_named(messages: list[dict[str, Any]], param: str) -> None:
    assert refused(*messages) == ("invalid_value", param)


def test_what_nests_deeply_is_refused() -> None:
    deep = '{"a":' * 64 + "1" + "}" * 64
    call = {"id": "x", "function": {"name": "f", "arguments": deep}}
    past = [USER, {"role": "assistant", "tool_calls": [call]}, result("x")]
    assert refused(*past) == ("invalid_value", "messages[1].tool_calls[0].function.arguments")
    tool = {"type": "function", "function": {"name": "f", "parameters": json.loads(deep)}}
    assert refused(USER, tools=[tool]) == ("invalid_json", "tools")
    stated = {"type": "json_schema", "json_schema": {"name": "f", "schema": json.loads(deep)}}
    assert refused(USER, response_format=stated) == ("invalid_json", "response_format")
    call["function"]["arguments"] = deep[5:-1]  # type: ignore[index]
    assert len(read(*past).messages) == 3


def test_old_function_calls_are_not_offered() -> None:
    old = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    assert refused(USER, old) == ("unsupported_field", "messages[1].function_call")


def test_tools_are_forwarded_as_they_were_understood() -> None:
    asked = read(USER, tools=[TOOL], tool_choice="required", parallel_tool_calls=False)
    assert asked.forwarded == {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}
    assert asked.offered() == {"weather"}


@pytest.mark.parametrize(
    "asked", [{}, {"tools": []}, {"tool_choice": "none"}, {"tool_choice": "auto"}, {"parallel_tool_calls": False}]
)
def test_without_tools_nothing_is_said_of_them(asked: dict[str, Any]) -> None:
    assert (read(USER, **asked).forwarded, read(USER, **asked).offered()) == ({}, frozenset())


def test_who_chooses_none_offers_none() -> None:
    assert read(USER, tools=[TOOL], tool_choice="none").offered() == frozenset()


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "time"}}}, "tool_choice"),
    ],
)
def test_tools_that_nobody_could_offer_are_named(asked: dict[str, Any], param: str) -> None:
    code, named = refused(USER, **asked)
    assert code in {"invalid_value", "unknown_field", "missing_field"}
    assert (named or "").startswith(param)


def test_a_model_reads_the_calls_and_the_tools() -> None:
    texts = "".join(read(USER, calls("x"), result("x", "Snow."), tools=[TOOL]).texts())
    assert all(word in texts for word in ("Rome", "Snow.", "weather"))
