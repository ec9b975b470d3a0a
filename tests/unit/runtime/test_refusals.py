from pathlib import Path

import pytest

from regent_runtime import refusals
from regent_runtime.dialect.chat_completions.error import error_object
from regent_runtime.refusals import Refused
from regent_runtime.serve.errors import error_headers

ROWS = list(refusals.table())


def test_codes_are_unique() -> None:
    assert len({row.code for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_the_reference_has_every_row(row: refusals.Refusal) -> None:
    line = f"| {row.status} | `{row.code}` | `{row.type}` | {row.meaning} | {'yes' if row.retry else 'no'} | `{row.anthropic_type}` |"
    assert line in refusals.reference()


def test_the_committed_reference_is_the_tables() -> None:
    assert Path("docs/reference/errors.md").read_text() == refusals.reference()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_refusal_is_openais_error_object(row: refusals.Refusal) -> None:
    found = error_object(Refused(row, "Words.", param="p"))
    assert found == {"error": {"message": "Words.", "type": row.type, "param": "p", "code": row.code}}


def test_headers_say_whether_and_when_to_come_again() -> None:
    assert error_headers(Refused(refusals.DRAINING, "", retry_after=0.2)) == [
        (b"x-should-retry", b"true"),
        (b"retry-after", b"1"),
    ]
    assert error_headers(Refused(refusals.AGENT_SUSPENDED, "")) == [(b"x-should-retry", b"false")]


def test_a_401_says_how_to_authenticate() -> None:
    assert (b"www-authenticate", b'Bearer realm="regent"') in error_headers(Refused(refusals.TOKEN_MISSING, ""))
    assert (b"www-authenticate", b'Bearer realm="regent", error="invalid_token"') in error_headers(
        Refused(refusals.TOKEN_INVALID, "")
    )
