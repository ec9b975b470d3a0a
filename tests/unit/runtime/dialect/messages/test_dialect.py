import json
from typing import Any

import pytest

from regent_runtime.dialect.messages.dialect import Messages
from regent_runtime.refusals import INVALID_VALUE, Refused
from regent_runtime.route.capabilities import unanswerable
from regent_runtime.wire.request import check_instructing
from tests.fakes import configs

CALL = {"type": "tool_use", "id": "x", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "x", "content": ""}
BODY: dict[str, Any] = {
    "max_tokens": 5,
    "system": "Obey.",
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "Go on."}]},
    ],
}


@pytest.mark.parametrize(
    ("stated", "proof"),
    [
        ({}, None),
        ({b"authorization": "Bearer t"}, "Bearer t"),
        ({b"x-api-key": "t"}, "Bearer t"),
        ({b"x-api-key": "t", b"authorization": "bearer t"}, "bearer t"),
        ({b"x-api-key": "t", b"authorization": "Bearer u"}, "Bearer u, Bearer t"),
        ({b"x-api-key": "", b"authorization": "Bearer u"}, "Bearer u, Bearer "),
        ({b"x-api-key": ""}, "Bearer "),
    ],
)
def test_either_header_bears_the_token_and_both_must_agree(stated: dict[bytes, str], proof: str | None) -> None:
    assert Messages().authorization(stated) == proof


@pytest.mark.parametrize(
    ("param", "named"),
    [
        ("messages[0].role", "system"),
        ("messages[1].content", "messages[0].content"),
        ("messages[2].tool_calls", "messages[1].content"),
        ("messages[3].content", "messages[2].content[0].content"),
        ("messages[4]", "messages[2]"),
        ("messages", "messages"),
        ("stop", "stop_sequences"),
        ("response_format", "output_config.format"),
        ("top_k", "top_k"),
    ],
)
def test_a_field_of_the_turn_has_the_callers_own_name(param: str, named: str) -> None:
    spoken = Messages()
    spoken.read(json.dumps(BODY).encode())
    error = json.loads(spoken.error(unanswerable(param), "t1"))
    assert error["error"]["param"] == named
    assert error["error"]["message"].startswith(f"`{named}`: no provider")
    assert (error["type"], error["request_id"]) == ("error", "t1")


@pytest.mark.parametrize("name", ["stop", "response_format", "messages[0].role"])
def test_what_was_not_read_is_named_as_it_was_written(name: str) -> None:
    spoken = Messages()
    with pytest.raises(Refused) as refused:
        spoken.read(json.dumps({**BODY, name: 1}).encode())
    error = json.loads(spoken.error(refused.value, "t1"))["error"]
    assert (error["code"], error["param"]) == ("unknown_field", name)
    assert error["message"].startswith(f"`{name}` is not a field")


def test_who_may_not_instruct_is_told_of_the_system_prompt() -> None:
    spoken = Messages()
    request = spoken.read(json.dumps(BODY).encode())
    with pytest.raises(Refused) as refused:
        check_instructing(request, configs.config())
    error = json.loads(spoken.error(refused.value, "t1"))["error"]
    assert (error["type"], error["code"], error["param"]) == (
        "invalid_request_error",
        "instructions_not_allowed",
        "system",
    )
    assert error["message"].startswith("`system`: ")


def test_an_error_in_a_stream_is_an_event() -> None:
    assert Messages().broken(Refused(INVALID_VALUE, "No."), "t1") == (
        b'event: error\ndata: {"type":"error","error":{"type":"invalid_request_error","message":"No.",'
        b'"code":"invalid_value","param":null},"request_id":"t1"}\n\n'
    )
