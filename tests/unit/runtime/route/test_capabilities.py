import json
from typing import Any

import pytest

from regent_api.config import ProviderConfig
from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.refusals import Refused
from regent_runtime.route.candidates import abilities, able
from regent_runtime.route.capabilities import lack
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs

HI = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather"}}
CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
PAST = [HI, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "a", "content": "Sun."}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object"}}}
COUNTED = {"stream": True, "stream_options": {"include_usage": True}}


def provider(name: str = "one", *, api: str = "ChatCompletions", **capabilities: Any) -> ProviderConfig:
    made = configs.provider_config(name, "https://one.example/v1", type="OpenAI", api=api, capabilities=capabilities)
    return ProviderConfig.model_validate(made)


def asked(**more: Any) -> ChatRequest:
    return parse(json.dumps({"messages": [HI], **more}).encode())


def missing(able: ProviderConfig, request: ChatRequest, input_tokens: int = 10) -> tuple[str, str, str | None] | None:
    found = lack(able, request, input_tokens)
    return (found.capability, found.refused.refusal.code, found.refused.param) if found else None


@pytest.mark.parametrize("request_", [asked(), asked(tools=[TOOL]), asked(response_format=SCHEMA), asked(**COUNTED)])
def test_a_model_of_which_nothing_is_said_can_do_all(request_: ChatRequest) -> None:
    assert missing(provider(), request_, 10**9) is None


@pytest.mark.parametrize(
    ("stated", "request_", "param"),
    [
        ({"tools": False}, asked(tools=[TOOL]), "tools"),
        ({"tools": False}, asked(messages=PAST), "messages[1].tool_calls"),
        ({"jsonSchema": False}, asked(response_format=SCHEMA), "response_format"),
        ({"streamUsage": False}, asked(**COUNTED), "stream_options"),
    ],
)
def test_what_a_model_cannot_do_is_told_by_the_capability_and_by_the_field(
    stated: dict[str, Any], request_: ChatRequest, param: str
) -> None:
    assert missing(provider(**stated), request_) == (f"capabilities.{next(iter(stated))}", "unsupported_field", param)


@pytest.mark.parametrize(
    ("stated", "request_"),
    [
        ({"tools": False}, asked(tools=[])),
        ({"jsonSchema": False}, asked(response_format={"type": "json_object"})),
        ({"streamUsage": False}, asked(stream=True)),
        ({"streamUsage": False}, asked(stream_options={"include_usage": True})),
    ],
)
def test_what_is_not_asked_for_is_not_missed(stated: dict[str, Any], request_: ChatRequest) -> None:
    assert missing(provider(**stated), request_) is None


def test_formats_whose_streams_always_count_need_not_be_asked_to() -> None:
    assert missing(provider(api="Responses", streamUsage=False), asked(**COUNTED)) is None


@pytest.mark.parametrize(("tokens", "fits"), [(100, True), (101, False)])
def test_an_input_goes_to_no_window_that_it_does_not_fit_into(tokens: int, fits: bool) -> None:
    lacking = None if fits else ("capabilities.contextWindow", "context_too_long", "messages")
    assert missing(provider(contextWindow=100), asked(), tokens) == lacking


def test_who_can_is_asked_and_why_the_others_are_not_is_known() -> None:
    judged = abilities(configs.config(), asked(tools=[TOOL]), [provider("small", tools=False), provider("large")], 10)
    assert [each.field for each in judged] == ["capabilities.tools", ""]
    assert [each.name for each in able(judged)] == ["large"]


def test_where_nobody_can_the_first_reason_is_told() -> None:
    both = [provider("narrow", contextWindow=5), provider("small", tools=False)]
    with pytest.raises(Refused) as refused:
        able(abilities(configs.config(), asked(tools=[TOOL]), both, 10))
    assert refused.value.refusal.code == "context_too_long"
