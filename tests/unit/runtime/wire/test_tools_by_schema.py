import json
from dataclasses import replace
from typing import Any

import pytest

from regent_api.config import ProviderConfig
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.route.capabilities import lack
from regent_runtime.wire.formats import format_for, format_of
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs

HI = {"role": "user", "content": "How is Rome?"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "Now.", "parameters": CITY, "strict": True},
}
TIME = {"type": "function", "function": {"name": "time"}}
NAMED = {"type": "function", "function": {"name": "time"}}


def asked(*messages: dict[str, Any], **more: Any) -> ChatRequest:
    return parse(json.dumps({"messages": messages or [HI], **more}).encode())


def small(api: str = "ChatCompletions", **more: Any) -> ProviderConfig:
    made = {"capabilities": {"tools": False}, "api": api, **more}
    return ProviderConfig.model_validate(configs.provider_config("small", "http://127.0.0.1/v1", **made))


def sent(request: ChatRequest, provider: ProviderConfig | None = None) -> dict[str, Any]:
    provider = provider or small()
    wire = format_for(request, provider)
    assert wire.inexpressible(request, provider) is None
    return dict(json.loads(wire.outbound(request, configs.config(), provider).body))


def schema_of(request: ChatRequest) -> Any:
    stated = sent(request)["response_format"]
    assert (stated["type"], stated["json_schema"]["strict"]) == ("json_schema", True)
    return stated["json_schema"]["schema"]


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    properties = {"name": {"const": name}, "arguments": arguments}
    return {
        "type": "object",
        "properties": properties,
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def answers(stated: dict[str, Any], name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: stated}, "required": [name], "additionalProperties": False}


def calls(items: dict[str, Any], most: int = 16) -> dict[str, Any]:
    return answers({"type": "array", "items": items, "minItems": 1, "maxItems": most}, "calls")


def test_tools_are_told_behind_the_instructions_that_the_request_has() -> None:
    whole, short = sent(asked(tools=[WEATHER])), sent(replace(asked(tools=[WEATHER]), instructions="Go."))
    beginnings = [each["messages"][0]["content"].partition("\n\n") for each in (whole, short)]
    assert [beginning[0] for beginning in beginnings] == ["Answer in one sentence.", "Go."]
    assert "weather" in beginnings[0][2]
    assert beginnings[0][2] == beginnings[1][2]


def test_only_a_local_model_that_keeps_to_schemas_is_told_of_tools_this_way() -> None:
    request = asked(tools=[WEATHER])
    cloud = ProviderConfig.model_validate(
        configs.provider_config("c", "https://c.example/v1", type="OpenAI", capabilities={"tools": False})
    )
    loose = small(capabilities={"tools": False, "jsonSchema": False})
    assert lack(small(), request, 1) is None
    for other in (cloud, loose):
        missing = lack(other, request, 1)
        assert missing
        assert missing.capability == "capabilities.tools"
    able = small(capabilities={})
    assert format_for(request, able) is format_of(able)
    assert format_for(asked(), small()) is format_of(small())


def test_tools_become_words_and_a_schema() -> None:
    body = sent(asked(tools=[WEATHER]))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()
    system, user = body["messages"]
    assert user == HI
    assert system["content"].startswith("Answer in one sentence.\n\n")
    assert '{"name":"weather","description":"Now.","parameters":' in system["content"]
    assert '{"answer": ...} to answer' in system["content"]
    assert schema_of(asked(tools=[WEATHER])) == {
        "anyOf": [calls(call("weather", CITY)), answers({"type": "string"}, "answer")]
    }


def test_the_choice_of_the_caller_is_the_schemas() -> None:
    nothing = {"type": "object"}
    both = {"anyOf": [call("weather", CITY), call("time", nothing)]}
    tools = [WEATHER, TIME]
    assert schema_of(asked(tools=tools, tool_choice="required")) == calls(both)
    assert schema_of(asked(tools=tools, tool_choice=NAMED)) == calls(call("time", nothing))
    assert schema_of(asked(tools=tools, tool_choice="required", parallel_tool_calls=False)) == calls(both, 1)
    told = sent(asked(tools=tools, tool_choice=NAMED))["messages"][0]["content"]
    assert "weather" not in told
    assert "to answer" not in told


def test_where_no_tool_may_be_called_nothing_is_said_of_any() -> None:
    body = sent(asked(tools=[WEATHER], tool_choice="none"))
    assert body["messages"] == [{"role": "system", "content": "Answer in one sentence."}, HI]
    assert "response_format" not in body


@pytest.mark.parametrize(
    ("stated", "answer"),
    [
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}}, CITY),
    ],
)
def test_a_format_that_the_caller_asks_for_is_that_of_the_answer(stated: Any, answer: Any) -> None:
    assert schema_of(asked(tools=[TIME], response_format=stated))["anyOf"][1] == answers(answer, "answer")


def test_references_within_parameters_are_led_to_where_they_lie() -> None:
    tree = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "all": {"$ref": "#"}}}},
    }
    tool = {"type": "function", "function": {"name": "grow", "parameters": tree}}
    made = schema_of(asked(tools=[tool], tool_choice="required"))
    items = made["properties"]["calls"]["items"]
    assert items["properties"]["arguments"] == {"$ref": "#/$defs/of-grow"}
    moved = made["$defs"]["of-grow"]
    assert moved["properties"]["root"] == {"$ref": "#/$defs/of-grow/$defs/node"}
    node = moved["$defs"]["node"]["properties"]
    assert (node["next"], node["all"]) == ({"$ref": "#/$defs/of-grow/$defs/node"}, {"$ref": "#/$defs/of-grow"})


PAST: list[dict[str, Any]] = [
    HI,
    {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
            {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "b", "content": "Noon."},
    {"role": "tool", "tool_call_id": "a", "content": 'Sun "and" rain.'},
    {"role": "user", "content": "And now?"},
]


def test_past_calls_and_results_are_told_in_the_same_words() -> None:
    said = sent(asked(*PAST, tools=[WEATHER, TIME]))["messages"][1:]
    assert said == [
        HI,
        {
            "role": "assistant",
            "content": 'Let me look.\n{"calls":[{"name":"weather","arguments":{"city":"Rome"}},'
            '{"name":"time","arguments":{}}]}',
        },
        {
            "role": "user",
            "content": '{"results":[{"name":"time","result":"Noon."}]}\n'
            '{"results":[{"name":"weather","result":"Sun \\"and\\" rain."}]}\nAnd now?',
        },
    ]


def test_a_history_with_calls_needs_no_tools() -> None:
    assert "response_format" not in sent(asked(*PAST))


@pytest.mark.parametrize(("api", "where"), [("Responses", "text"), ("Messages", "output_config")])
def test_each_format_says_it_in_its_own_words(api: str, where: str) -> None:
    body = sent(asked(*PAST, tools=[WEATHER]), small(api))
    assert body[where]["format"]["schema"]["anyOf"][1] == answers({"type": "string"}, "answer")
    assert "tools" not in body
    assert "tool_use" not in json.dumps(body)


def test_a_stop_would_cut_the_json() -> None:
    request = asked(tools=[WEATHER], stop="\n")
    assert format_for(request, small()).inexpressible(request, small()) == "stop"
