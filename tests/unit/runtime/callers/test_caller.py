from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.callers import ANONYMOUS, Caller, CallerKind

NAMES = st.text("abc-", min_size=1, max_size=8)
CALLERS = st.one_of(
    st.builds(Caller, st.just(CallerKind.SERVICE_ACCOUNT), NAMES, NAMES),
    st.builds(Caller, st.just(CallerKind.API_KEY), NAMES, NAMES),
    st.builds(
        Caller, st.just(CallerKind.OIDC), st.text("ab#/:", max_size=8), issuer=NAMES.map(lambda name: f"https://{name}")
    ),
    st.just(ANONYMOUS),
)


def test_identities_say_what_the_caller_is() -> None:
    assert Caller(CallerKind.SERVICE_ACCOUNT, "chat", "acme").identity == "serviceaccount:acme/chat"
    assert Caller(CallerKind.API_KEY, "ci", "acme").identity == "apikey:acme/ci"
    assert Caller(CallerKind.OIDC, "u-1", issuer="https://id.example.com").identity == "oidc:https://id.example.com#u-1"
    assert ANONYMOUS.identity == "anonymous"


@given(CALLERS, CALLERS)
def test_two_callers_never_share_an_identity(one: Caller, other: Caller) -> None:
    assert (one.identity == other.identity) == (one == other)


def test_groups_change_nothing_about_who_it_is() -> None:
    before, after = (
        Caller(CallerKind.OIDC, "u-1", issuer="https://i", groups=frozenset(groups)) for groups in ((), ("staff",))
    )
    assert before.identity == after.identity


def test_nobody_is_let_in_by_default_or_afterwards() -> None:
    caller = Caller(CallerKind.SERVICE_ACCOUNT, "chat", "acme")
    assert not caller.admitted
    with pytest.raises(FrozenInstanceError):
        caller.admitted = True  # type: ignore[misc]
