import json
from typing import Any

import pytest

from regent_runtime.dialect.messages.request import parse
from regent_runtime.refusals import Refused
from regent_runtime.wire.strings import DEEPEST

BODY: dict[str, Any] = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
SCHEMA: dict[str, Any] = {"type": "object"}
TOOL: dict[str, Any] = {"name": "f", "description": "It does.", "input_schema": SCHEMA, "strict": True}
FUNCTION = {"name": "f", "description": "It does.", "parameters": SCHEMA, "strict": True}


def read(**more: Any) -> Any:
    return parse(json.dumps({**BODY, **more}).encode()).request


def refused(body: Any) -> tuple[str, str | None]:
    with pytest.raises(Refused) as raised:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode())
    return raised.value.refusal.code, raised.value.param


def test_parameters_are_those_of_chat_completions() -> None:
    found = read(stop_sequences=["END"], temperature=0.5, top_p=0.9, top_k=3, stream=True, model="any")
    assert (found.max_output_tokens, found.temperature, found.stream) == (5, 0.5, True)
    assert found.forwarded == {"top_p": 0.9, "top_k": 3, "stop": ["END"]}


@pytest.mark.parametrize("kind", [{}, {"type": "custom"}, {"cache_control": {"type": "ephemeral"}}])
def test_tools_are_functions(kind: dict[str, Any]) -> None:
    assert read(tools=[{**TOOL, **kind}]).forwarded == {"tools": [{"type": "function", "function": FUNCTION}]}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, {}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"parallel_tool_calls": False}),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
    ],
)
def test_a_choice_of_tools_is_said_in_chat_completions_words(choice: Any, said: dict[str, Any]) -> None:
    found = read(tools=[TOOL], tool_choice=choice).forwarded
    del found["tools"]
    assert found == said


def test_the_form_of_an_answer_is_a_schema_that_is_held_to() -> None:
    config = {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}
    assert read(output_config=config).forwarded == {
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
    }


UNFIT: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": None}, "missing_field", "max_tokens"),
    ({"max_tokens": 0}, "invalid_value", "max_tokens"),
    ({"max_tokens": True}, "invalid_value", "max_tokens"),
    ({"messages": None}, "missing_field", "messages"),
    ({"messages": []}, "invalid_value", "messages"),
    ({"temperature": 1.5}, "invalid_value", "temperature"),
    ({"stop_sequences": ["a"] * 5}, "invalid_value", "stop_sequences"),
    ({"stop_sequences": "END"}, "invalid_value", "stop_sequences"),
    ({"stop": ["END"]}, "unknown_field", "stop"),
    ({"n": 1}, "unknown_field", "n"),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "invalid_value", "tools[0].type"),
    ({"tools": [{**TOOL, "type": "web_search_20250305"}]}, "invalid_value", "tools[0].type"),
    ({"tools": [{**TOOL, "input_schema": True}]}, "invalid_value", "tools[0].input_schema"),
    ({"tools": [TOOL, TOOL]}, "invalid_value", "tools"),
    ({"tool_choice": {"type": "any"}}, "invalid_value", "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "invalid_value", "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "missing_field", "tool_choice.name"),
    ({"tools": [TOOL], "tool_choice": {"type": "any", "name": "f"}}, "invalid_value", "tool_choice.name"),
    ({"output_config": {"effort": "max"}}, "invalid_value", "output_config.effort"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "missing_field", "output_config.format"),
]


@pytest.mark.parametrize(("asked", "code", "param"), UNFIT)
def test_what_does_not_fit_is_named(asked: dict[str, Any], code: str, param: str) -> None:
    assert refused({**BODY, **asked}) == (code, param)


@pytest.mark.parametrize("where", ["tools", "output_config.format"])
def test_a_schema_that_nests_deeply_is_refused(where: str) -> None:
    deep: Any = {}
    for _ in range(70):
        deep = {"a": deep}
    config = {"format": {"type": "json_schema", "schema": deep}}
    asked = {"tools": [{**TOOL, "input_schema": deep}]} if where == "tools" else {"output_config": config}
    assert refused({**BODY, **asked}) == ("invalid_json", where)


@pytest.mark.parametrize("depth", [*range(55, 70), *range(900, 1100)])
def test_no_depth_is_a_fault(depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    tool = f'{{"name": "f", "input_schema": {deep}}}'
    form = f'{{"format": {{"type": "json_schema", "schema": {deep}}}}}'
    for more in (f'"tools": [{tool}]', f'"output_config": {form}'):
        body = f"{json.dumps(BODY)[:-1]}, {more}}}".encode()
        if depth < DEEPEST - 5:
            parse(body)
        elif depth > DEEPEST:
            code, param = refused(body)
            assert code == "invalid_json"
            assert (param or "").split(".")[0] in more


def test_a_key_twice_is_refused() -> None:
    assert refused(json.dumps(BODY)[:-1].encode() + b', "top_p": 1, "top_p": 0}')[0] == "duplicate_field"
    assert refused(b'{"max_tokens": 5, "messages": [{"role": "user", "role": "user", "content": "Hi"}]}') == (
        "duplicate_field",
        None,
    )
