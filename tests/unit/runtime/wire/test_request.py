import json
from typing import Any

import pytest

from regent_runtime.refusals import Refused
from regent_runtime.wire.request import check_instructing, parse
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
