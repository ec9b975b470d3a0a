"""Whom the aggregator's certificate and headers speak for."""

import json
from typing import Any

import pytest

from regent_operator.metrics_api.frontproxy import FrontProxy, Identity, NoFrontProxyError

DATA = {
    "requestheader-client-ca-file": "PEM",
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}


def proxy(**changes: str) -> FrontProxy:
    return FrontProxy.of({"data": {**DATA, **changes}})


def certificate(*names: str) -> dict[str, Any]:
    return {"subject": tuple((("commonName", name),) for name in names)}


def test_only_a_certificate_of_an_allowed_name_speaks_for_others() -> None:
    assert proxy().admits(certificate("front-proxy-client"))
    assert not proxy().admits(certificate("kubelet"))
    assert not proxy().admits({"subject": ((("organizationName", "front-proxy-client"),),)})
    assert not proxy().admits(None)
    assert not proxy().admits({})


def test_without_names_any_certificate_of_the_authority_does() -> None:
    anyone = proxy(**{"requestheader-allowed-names": "[]"})
    assert anyone.admits(certificate("whoever"))
    assert not anyone.admits(None)


def test_the_user_with_its_groups_and_extras() -> None:
    headers = [
        ("X-Remote-User", "ann"),
        ("x-remote-group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-Scopes", "s"),
        ("Authorization", "Bearer x"),
    ]
    assert proxy().identity(headers) == Identity("ann", ("a", "b", "system:authenticated"), (("scopes", ("s",)),))
    assert proxy().identity([("X-Remote-Group", "system:masters")]) is None
    assert proxy().identity([("X-Remote-User", "")]) is None


def test_headers_count_in_the_order_in_which_the_cluster_names_them() -> None:
    """As the API server reads them itself, or a second name would be a way past the first."""
    several = proxy(**{"requestheader-username-headers": '["X-Remote-User", "X-Other-User"]'})
    headers = [("X-Other-User", "mallory"), ("X-Remote-User", "ann")]
    assert several.identity(headers) == Identity("ann", ("system:authenticated",))


def test_names_of_extras_are_unescaped_and_the_uid_is_passed_on() -> None:
    told = proxy(**{"requestheader-uid-headers": '["X-Remote-Uid"]'})
    headers = [("X-Remote-User", "ann"), ("X-Remote-Uid", "u-1"), ("X-Remote-Extra-Example.com%2fscope", "s")]
    extra = (("example.com/scope", ("s",)),)
    assert told.identity(headers) == Identity("ann", ("system:authenticated",), extra, "u-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"requestheader-client-ca-file": ""},
        {"requestheader-username-headers": "[]"},
        {"requestheader-allowed-names": "front-proxy-client"},
        {"requestheader-allowed-names": '{"a": 1}'},
        {"requestheader-group-headers": json.dumps([1])},
    ],
)
def test_what_does_not_say_who_the_aggregator_is_serves_nobody(changes: dict[str, str]) -> None:
    with pytest.raises(NoFrontProxyError):
        proxy(**changes)


@pytest.mark.parametrize("found", [None, {}, {"data": None}])
def test_neither_does_what_is_not_there(found: dict[str, Any] | None) -> None:
    with pytest.raises(NoFrontProxyError):
        FrontProxy.of(found)


@pytest.mark.parametrize(
    ("user", "groups", "seen"),
    [
        ("system:kube-aggregator", (), ("system:authenticated",)),
        ("ann", ("system:authenticated",), ("system:authenticated",)),
        ("system:anonymous", ("system:unauthenticated",), ("system:unauthenticated",)),
        ("system:anonymous", (), ()),
    ],
)
def test_whom_the_aggregator_authenticated_is_of_the_group_that_says_so(
    user: str, groups: tuple[str, ...], seen: tuple[str, ...]
) -> None:
    headers = [("X-Remote-User", user), *(("X-Remote-Group", group) for group in groups)]
    assert proxy().identity(headers) == Identity(user, seen)
