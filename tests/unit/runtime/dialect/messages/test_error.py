import pytest

from regent_runtime import refusals
from regent_runtime.dialect.messages.error import error_object
from regent_runtime.refusals import Refused

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}


@pytest.mark.parametrize("row", list(refusals.table()), ids=lambda row: row.code)
def test_a_refusal_is_anthropics_error_object(row: refusals.Refusal) -> None:
    assert error_object(Refused(row, "Words.", param="p", details={"more": 1}), "t1") == {
        "type": "error",
        "error": {"type": TYPES[row.status], "message": "Words.", "code": row.code, "param": "p", "more": 1},
        "request_id": "t1",
    }
