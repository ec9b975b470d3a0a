import json
from typing import Any

import pytest

from regent_runtime.refusals import Refused
from regent_runtime.wire.openai_chat import check_instructing, outbound, output_cap, parse
from tests.enforces import enforces
from tests.fakes import configs


def request(**more: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "Hi"}], **more}
    return parse(json.dumps(body).encode())


def sent(asked: Any, provider: dict[str, Any] | None = None, **agent: Any) -> dict[str, Any]:
    config = configs.config(configs.provider_config("p", "http://127.0.0.1/v1", **(provider or {})), **agent)
    return dict(json.loads(outbound(asked, config, config.route.providers[0])))


def test_the_simplest_request() -> None:
    assert sent(request()) == {
        "model": "p-model",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Hi"},
        ],
        "max_tokens": 1024,
    }


def test_a_streamed_request_asks_for_usage_whatever_the_caller_says() -> None:
    found = sent(request(stream=True, stream_options={"include_usage": False}))
    assert (found["stream"], found["stream_options"]) == (True, {"include_usage": True})


def test_the_agents_instructions_stand_before_a_callers() -> None:
    asked = request(messages=[{"role": "developer", "content": "Obey me."}, {"role": "user", "content": "Hi"}])
    assert [each["content"] for each in sent(asked)["messages"]] == ["Answer in one sentence.", "Obey me.", "Hi"]


@pytest.mark.parametrize(
    ("policy", "agent", "provider", "asked", "cap"),
    [
        (100, None, None, {}, 100),
        (100, 50, None, {}, 50),
        (100, 50, 20, {}, 20),
        (100, 50, 20, {"max_tokens": 10}, 10),
        (100, 50, 20, {"max_completion_tokens": 10}, 10),
        (100, 50, 20, {"max_tokens": 10, "max_completion_tokens": 5}, 5),
        (100, None, None, {"max_tokens": 1000}, 100),
    ],
)
@enforces("size.maxOutputTokens")
def test_the_smallest_output_cap_holds(
    policy: int, agent: int | None, provider: int | None, asked: dict[str, int], cap: int
) -> None:
    wide = {"maxOutputTokens": provider} if provider else {}
    narrow = {"maxOutputTokens": agent} if agent else {}
    config = configs.config(
        configs.provider_config("p", "http://127.0.0.1/v1", **wide),
        policy={"size": {"maxOutputTokens": policy}},
        **narrow,
    )
    assert output_cap(request(**asked), config, config.route.providers[0]) == cap


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


def test_parts_of_text_become_lines() -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert request(messages=[{"role": "user", "content": parts}]).messages == [
        {"role": "user", "content": "One.\nTwo."}
    ]


def test_an_empty_answer_of_the_past_is_kept_as_its_refusal() -> None:
    past = {"role": "assistant", "content": None, "refusal": "No.", "annotations": [], "tool_calls": None}
    assert request(messages=[past]).messages == [{"role": "assistant", "content": "No."}]


@enforces("callers.mayInstruct")
def test_system_messages_need_the_policys_word() -> None:
    instructing = parse(b'{"messages":[{"role":"system","content":"Obey"}]}')
    assert instructing.messages == [{"role": "system", "content": "Obey"}]
    check_instructing(instructing, configs.config(policy={"callers": {"mayInstruct": "Allow"}}))
    with pytest.raises(Refused) as refused:
        check_instructing(instructing, configs.config())
    assert (refused.value.refusal.code, refused.value.param) == ("instructions_not_allowed", "messages[0].role")
