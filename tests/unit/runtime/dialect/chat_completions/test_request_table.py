import pytest
from openai.types.chat import completion_create_params

from regent_api.passthrough import PassedField
from regent_api.route import PASSES
from regent_runtime.dialect.chat_completions import request as wire_request
from regent_runtime.dialect.chat_completions.request_table import REQUEST_TABLE, reference
from regent_runtime.dialect.table import Treatment
from regent_runtime.refusals import Refused

MESSAGES = b'"messages":[{"role":"user","content":"Hi"}]'


def test_every_field_that_openais_client_can_send_has_a_treatment() -> None:
    params = completion_create_params.CompletionCreateParamsStreaming
    assert set(params.__annotations__) | set(
        completion_create_params.CompletionCreateParamsBase.__annotations__
    ) == set(REQUEST_TABLE) - (set(PassedField) - {"service_tier"})


def test_the_fields_that_routes_may_pass_are_those_of_the_contract() -> None:
    passed = {name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.PASSED}
    assert passed == set(PassedField)
    assert passed == {name for names in PASSES.values() for name in names}


@pytest.mark.parametrize("name", sorted(set(REQUEST_TABLE) - {"messages"}))
def test_null_counts_as_absent(name: str) -> None:
    body = b"{" + MESSAGES + f', "{name}": null}}'.encode()
    assert wire_request.parse(body).forwarded == {}


@pytest.mark.parametrize(
    "name", [name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.REFUSED]
)
def test_a_refused_field_is_named(name: str) -> None:
    body = b"{" + MESSAGES + f', "{name}": "surprise"}}'.encode()
    with pytest.raises(Refused) as refused:
        wire_request.parse(body)
    assert (refused.value.refusal.code, refused.value.param) == ("unsupported_field", name)


@pytest.mark.parametrize(
    "name", [name for name, field in REQUEST_TABLE.items() if field.treatment is Treatment.DROPPED]
)
def test_a_dropped_field_goes_nowhere(name: str) -> None:
    body = b"{" + MESSAGES + f', "{name}": "surprise"}}'.encode()
    assert wire_request.parse(body).forwarded == {}


def test_true_is_not_one() -> None:
    with pytest.raises(Refused):
        wire_request.parse(b"{" + MESSAGES + b', "n": true}')


def test_the_reference_names_every_field() -> None:
    assert all(f"| `{name}` |" in reference() for name in REQUEST_TABLE)


NOT_TO_BE_HELD = {
    "invalid UTF-8": b'"\xff"',
    "a lone surrogate": b'"\\ud800"',
    "a number beyond all floats": b"1e99999",
    "one that is negative": b"-1e400",
    "more digits than Python reads": b"9" * 5000,
    "such digits within": b'{"a": [' + b"9" * 5000 + b"]}",
    "depth": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("value", NOT_TO_BE_HELD)
@pytest.mark.parametrize("name", REQUEST_TABLE)
def test_a_value_that_cannot_be_held_is_400_whatever_its_field(name: str, value: str) -> None:
    before = b"{" if name == "messages" else b"{" + MESSAGES + b","
    body = before + f'"{name}": '.encode() + NOT_TO_BE_HELD[value] + b"}"
    with pytest.raises(Refused) as refused:
        wire_request.parse(body)
    assert refused.value.refusal.status == 400
