import json
from typing import Any

import pytest

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.refusals import Refused
from regent_runtime.wire.request import check_instructing
from tests.enforces import enforces
from tests.fakes import configs


def request(**more: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "Hi"}], **more}
    return parse(json.dumps(body).encode())


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


SCHEMA = {"name": "place", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    "stated",
    [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "place"}},
        {"type": "json_schema", "json_schema": {**SCHEMA, "description": "Where.", "strict": True}},
    ],
)
def test_a_response_format_is_forwarded_as_it_is(stated: dict[str, Any]) -> None:
    assert request(response_format=stated).forwarded == {"response_format": stated}


@pytest.mark.parametrize(
    ("stated", "code", "param"),
    [
        ({"type": "grammar"}, "invalid_value", "response_format.type"),
        ({"type": "json_object", "schema": {}}, "unknown_field", "response_format"),
        ({"type": "json_object", "json_schema": SCHEMA}, "invalid_value", "response_format.json_schema"),
        ({"type": "json_schema"}, "missing_field", "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, "missing_field", "response_format.json_schema"),
        (
            {"type": "json_schema", "json_schema": {**SCHEMA, "grammar": "x"}},
            "unknown_field",
            "response_format.json_schema",
        ),
        (
            {"type": "json_schema", "json_schema": {**SCHEMA, "schema": []}},
            "invalid_value",
            "response_format.json_schema.schema",
        ),
        (
            {"type": "json_schema", "json_schema": {**SCHEMA, "name": "a b"}},
            "invalid_value",
            "response_format.json_schema.name",
        ),
    ],
)
def test_a_response_format_that_is_none_is_refused_by_name(stated: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(Refused) as refused:
        request(response_format=stated)
    assert (refused.value.refusal.code, refused.value.param) == (code, param)
