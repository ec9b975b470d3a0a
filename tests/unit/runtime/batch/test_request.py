import json
from typing import Any

import pytest

from regent_runtime.batch.request import MOST_REQUESTS, Part, parts
from regent_runtime.refusals import Refused

HI = {"messages": [{"role": "user", "content": "Hi"}]}


def one(custom_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "body": HI, **more}


def written(*requests: Any, **more: Any) -> bytes:
    return json.dumps({"requests": requests, **more}).encode()


def test_each_request_keeps_its_bytes() -> None:
    body = b'{"requests": [{"custom_id": "a", "body": {"messages" : [] }}, {"custom_id": "b", "body": 7}]}'
    assert parts(body) == [Part("a", b'{"messages" : [] }'), Part("b", b"7")]


def test_a_line_of_openais_batch_file_is_a_request() -> None:
    assert len(parts(written(one(method="POST", url="/v1/chat/completions")))) == 1


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"[]", "invalid_value", None),
        (b"{}", "missing_field", None),
        (written(), "invalid_value", "requests"),
        (written(*(one(str(number)) for number in range(MOST_REQUESTS + 1))), "invalid_value", "requests"),
        (written(one(), one()), "invalid_value", "requests"),
        (written(one(), surprise=1), "unknown_field", None),
        (written(one(priority=1)), "unknown_field", "requests[0]"),
        (written({"custom_id": "a"}), "missing_field", "requests[0]"),
        (written({"body": HI}), "missing_field", "requests[0]"),
        (written(one("")), "invalid_value", "requests[0].custom_id"),
        (written(one("x" * 65)), "invalid_value", "requests[0].custom_id"),
        (written(one(method="GET")), "invalid_value", "requests[0].method"),
        (written(one(url="/v1/embeddings")), "invalid_value", "requests[0].url"),
        (b'{"requests": [{"custom_id": "a", "custom_id": "b", "body": {}}]}', "duplicate_field", None),
    ],
)
def test_what_is_no_batch_is_refused_with_the_field(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(Refused) as refused:
        parts(body)
    assert (refused.value.refusal.status, refused.value.refusal.code, refused.value.param) == (400, code, param)
