import pytest

from regent_api.audit.subjects import parse_subject
from regent_runtime.callers import Caller, CallerKind

CALLERS = [
    Caller(CallerKind.SERVICE_ACCOUNT, "lead", "classes"),
    Caller(CallerKind.API_KEY, "key-1", "classes"),
    Caller(CallerKind.OIDC, "a#b@corp.test\n", issuer="https://id.test:8443/tenant"),
    Caller(CallerKind.ANONYMOUS),
]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.kind.value)
def test_every_callers_identity_is_a_subject(caller: Caller) -> None:
    assert parse_subject(caller.identity) == caller.identity


def test_the_name_that_an_approval_shows_is_the_same_subject() -> None:
    assert parse_subject("system:serviceaccount:classes:lead") == "serviceaccount:classes/lead"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lead",
        "classes/lead",
        "serviceaccount:lead",
        "serviceaccount:classes/lead ",
        "serviceaccount:classes:lead",
        "serviceaccount:Classes/lead",
        "system:serviceaccount:classes/lead",
        "apikey:lead",
        "oidc:lead",
        "oidc:https://id.test",
        "Anonymous",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="write serviceaccount:NAMESPACE/NAME"):
        parse_subject(text)
