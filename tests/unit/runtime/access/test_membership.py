from dataclasses import replace

import pytest

from regent_runtime.access.membership import groups, subject
from regent_runtime.callers import ANONYMOUS, Caller, CallerKind

ACCOUNT = Caller(CallerKind.SERVICE_ACCOUNT, "lead", "acme")
KEY = Caller(CallerKind.API_KEY, "batch", "acme", groups=frozenset({"ops"}), vouched=True)
PERSON = Caller(
    CallerKind.OIDC,
    "ann",
    issuer="https://issuer.example",
    groups=frozenset({"leads", "system:masters"}),
    vouched=True,
)


def test_names_are_those_of_kubernetes() -> None:
    assert subject(ACCOUNT) == "system:serviceaccount:acme:lead"
    assert groups(ACCOUNT) == {"system:serviceaccounts", "system:serviceaccounts:acme"}
    assert subject(KEY) == "apikey:batch"
    assert groups(KEY) == {"ops"}
    assert subject(PERSON) == "ann"


def test_nobody_has_no_name() -> None:
    assert subject(ANONYMOUS) is None
    assert groups(ANONYMOUS) == frozenset()


@pytest.mark.parametrize("name", ["system:serviceaccount:acme:lead", "apikey:batch", "system:"])
def test_an_issuer_cannot_name_somebody_else(name: str) -> None:
    assert subject(Caller(CallerKind.OIDC, name, issuer="https://issuer.example", vouched=True)) is None


@pytest.mark.parametrize("caller", [KEY, PERSON])
def test_whom_only_some_policies_would_know_has_no_name(caller: Caller) -> None:
    assert subject(replace(caller, vouched=False)) is None


def test_no_issuer_and_no_key_gives_the_clusters_groups() -> None:
    assert groups(PERSON) == {"leads"}
    forged = Caller(CallerKind.API_KEY, "batch", groups=frozenset({"system:serviceaccounts:acme"}))
    assert groups(forged) == frozenset()
