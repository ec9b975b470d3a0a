"""Which requests share a place: none that differ in anything that an answer depends on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from regent_api.types import Sensitivity
from regent_runtime.access.classes import treatment
from regent_runtime.cache.place import OBSTACLES, Question, obstacle, place
from regent_runtime.callers.caller import Caller, CallerKind
from regent_runtime.dialect.chat_completions import request as wire_request
from tests.fakes import configs
from tests.fakes.pictures import png, shown

ANN, BOB = (Caller(CallerKind.SERVICE_ACCOUNT, "demo", name) for name in ("ann", "bob"))
USER = {"role": "user", "content": "Hi"}


def config(**more: Any) -> Any:
    one, two = (configs.provider_config(name, "http://127.0.0.1:1/v1", temperature=0.2) for name in ("one", "two"))
    return configs.config(one, two, **configs.merged({"policy": {"cache": {"maxSensitivity": "Internal"}}}, more))


CONFIG = config()


def question(body: dict[str, Any] | None = None, **more: Any) -> Question:
    request = wire_request.parse(json.dumps({"messages": [USER], **(body or {})}).encode())
    treated = treatment(CONFIG, Sensitivity.INTERNAL, Sensitivity.INTERNAL)
    asked = Question(ANN, treated, "all", CONFIG.route.providers, request, anonymised=False)
    return replace(asked, **more)


def digest(asked: Question, made: Any = CONFIG, config_digest: str = "sha256:1") -> bytes:
    return place(made, config_digest, asked).digest


def test_equal_requests_share_a_place_however_they_are_written_and_answered() -> None:
    one = question({"top_p": 0.5, "seed": 1, "model": "a", "user": "u"})
    other = question({"seed": 1, "top_p": 0.5, "stream": True, "stream_options": {"include_usage": True}})
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    "other",
    [
        question({"messages": [{"role": "user", "content": "Hi!"}]}),
        question({"messages": [USER, {"role": "assistant", "content": "Hi"}, USER]}),
        question({"messages": [{**USER, "name": "ann"}]}),
        question({"temperature": 0.1}),
        question({"max_tokens": 5}),
        question({"top_p": 0.5}),
        question({"seed": 1}),
        question({"stop": ["."]}),
        question({"response_format": {"type": "json_object"}}),
        question(rule="other"),
        question(providers=CONFIG.route.providers[:1]),
        question(caller=BOB),
        question(treatment=treatment(CONFIG, Sensitivity.PUBLIC, Sensitivity.PUBLIC)),
    ],
)
def test_requests_that_differ_in_anything_have_two_places(other: Question) -> None:
    assert digest(question()) != digest(other)


def test_another_config_is_another_place() -> None:
    assert digest(question()) != digest(question(), config_digest="sha256:2")


def test_the_order_in_which_candidates_are_asked_is_none_of_it() -> None:
    assert digest(question()) == digest(question(providers=CONFIG.route.providers[::-1]))


def test_of_an_agent_all_callers_share_a_place_where_the_policy_says_so() -> None:
    shared = config(policy={"cache": {"scope": "Agent"}})
    assert digest(question(), shared) == digest(question(caller=BOB), shared)
    assert place(shared, "", question()).owner != place(shared, "", question(caller=BOB)).owner


def test_an_answer_is_kept_no_longer_than_policy_and_class_say() -> None:
    assert place(CONFIG, "", question()).seconds == 3600
    assert place(config(policy={"cache": {"ttlSeconds": 60}}), "", question()).seconds == 60
    short = replace(question().treatment, retention_seconds=5.0)
    assert place(CONFIG, "", question(treatment=short)).seconds == 5


TOOL = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (question(), ""),
        (question(treatment=treatment(CONFIG, Sensitivity.CONFIDENTIAL, Sensitivity.PUBLIC)), "sensitivity"),
        (question(anonymised=True), "anonymised"),
        (question({"tools": [TOOL]}), "tools"),
        (question({"messages": [{"role": "user", "content": [shown(png())]}]}), "images"),
        (question({"tools": [TOOL], "tool_choice": "none"}), "tools"),
        (
            question(
                {
                    "messages": [
                        USER,
                        {"role": "assistant", "tool_calls": [CALL]},
                        {"role": "tool", "tool_call_id": "c", "content": "1"},
                    ]
                }
            ),
            "tools",
        ),
    ],
)
def test_what_may_be_kept(asked: Question, why: str) -> None:
    assert obstacle(CONFIG, asked) == why
    assert not why or why in OBSTACLES


@pytest.mark.parametrize(
    ("temperatures", "why"),
    [((0.3, 0.0), ""), ((0.31, 0.0), "temperature"), ((0.0, 1.0), "temperature"), ((0.0, None), "temperature")],
)
def test_no_answer_is_kept_that_is_meant_to_be_another_each_time(temperatures: Any, why: str) -> None:
    providers = [
        provider.model_copy(update={"temperature": warm})
        for provider, warm in zip(CONFIG.route.providers, temperatures, strict=True)
    ]
    assert obstacle(CONFIG, question(providers=providers)) == why


def test_a_policy_that_says_nothing_keeps_nothing() -> None:
    assert obstacle(configs.config(policy={"cache": {"ttlSeconds": 60}}), question()) == "sensitivity"


MEANS = config(policy={"cache": {"semantic": "Allow"}})


def partition(asked: Question, made: Any = MEANS) -> bytes | None:
    meant = place(made, "", asked).meant
    return meant.partition if meant else None


def test_questions_that_differ_in_the_users_last_words_alone_share_a_partition() -> None:
    assert place(CONFIG, "", question()).meant is None, "unless a policy lets answers be found by meaning"
    assert partition(question()) == partition(question({"messages": [{"role": "user", "content": "Hello"}]}))
    history = [USER, {"role": "assistant", "content": "Hi"}]
    one, other = (question({"messages": [*history, {"role": "user", "content": text}]}) for text in ("A?", "B?"))
    assert partition(one) == partition(other)
    assert partition(one) != partition(question())
    assert place(MEANS, "", one).digest != place(MEANS, "", other).digest


@pytest.mark.parametrize(
    "other", [question({"seed": 1}), question(caller=BOB), question(rule="other"), question({"temperature": 0.1})]
)
def test_a_partition_is_all_the_rest(other: Question) -> None:
    assert partition(question()) != partition(other)


def test_words_that_are_not_the_users_last_are_not_compared_by_meaning() -> None:
    assert partition(question({"messages": [USER, {"role": "assistant", "content": "Hi"}]})) is None
