import json

import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta

from regent_runtime.dialect.messages.request import parse
from regent_runtime.dialect.messages.request_table import REQUEST_TABLE, reference
from regent_runtime.dialect.table import Treatment
from regent_runtime.refusals import Refused

BODY = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
ONCE_SENT = {"temperature", "top_p", "top_k"}
"""Anthropic's client sends them no more; servers that speak the format take them."""
PASSED = {name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.PASSED}


def body(name: str, value: object) -> bytes:
    return json.dumps({**BODY, name: value}).encode()


def test_every_field_that_anthropics_client_can_send_has_a_treatment() -> None:
    sent = {"stream"} | ONCE_SENT
    for params in (message_create_params.MessageCreateParamsBase, beta.MessageCreateParamsBase):
        sent |= set(params.__annotations__)
    assert sent - {"betas"} == set(REQUEST_TABLE) - (PASSED - ONCE_SENT)


@pytest.mark.parametrize("name", sorted(set(REQUEST_TABLE) - set(BODY)))
def test_null_counts_as_absent(name: str) -> None:
    assert parse(body(name, None)).request.forwarded == {}


@pytest.mark.parametrize(
    "name", [name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.REFUSED]
)
def test_a_refused_field_is_named(name: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(body(name, "surprise"))
    assert (refused.value.refusal.code, refused.value.param) == ("unsupported_field", name)


@pytest.mark.parametrize(
    "name", [name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.DROPPED]
)
def test_a_dropped_field_goes_nowhere(name: str) -> None:
    assert parse(body(name, {"surprise": 1})).request == parse(json.dumps(BODY).encode()).request


def test_the_reference_names_every_field() -> None:
    assert all(f"| `{name}` |" in reference() for name in REQUEST_TABLE)


NOT_TO_BE_HELD = {
    "invalid UTF-8": b'"\xff"',
    "a lone surrogate": b'"\\ud800"',
    "a number beyond all floats": b"1e99999",
    "more digits than Python reads": b"9" * 5000,
    "depth": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("value", NOT_TO_BE_HELD)
@pytest.mark.parametrize("name", REQUEST_TABLE)
def test_a_value_that_cannot_be_held_is_400_whatever_its_field(name: str, value: str) -> None:
    rest = {key: stated for key, stated in BODY.items() if key != name}
    sent = json.dumps(rest)[:-1].encode() + f', "{name}": '.encode() + NOT_TO_BE_HELD[value] + b"}"
    with pytest.raises(Refused) as refused:
        parse(sent)
    assert refused.value.refusal.status == 400
