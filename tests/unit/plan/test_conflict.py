from typing import Any

import pytest

from regent_operator.plan.conflict import LISTS, conflicts
from regent_operator.plan.lattice import fields, meet_all, opinions_of
from tests.unit.plan.samples import policy


def found(*specs: dict[str, Any]) -> tuple[str, ...]:
    stated = [
        opinions_of(policy("x", **spec).spec, f"acme/{name}") for name, spec in zip("abcdef", specs, strict=False)
    ]
    return conflicts(meet_all(stated), "acme")


def accounts(**grant: str) -> dict[str, Any]:
    return {"callers": {"serviceAccounts": [grant]}}


def oidc(host: str, **more: Any) -> dict[str, Any]:
    grant = {"issuer": f"https://{host}.test", "audience": "helper", "jwks": {"inline": '{"keys": []}'}, **more}
    return {"callers": {"oidc": [grant]}}


def api_key(name: str, key: str = "k") -> dict[str, Any]:
    return {"callers": {"apiKeys": [{"name": name, "secretKeyRef": {"name": "keys", "key": key}}]}}


def approvers(**named: list[str]) -> dict[str, Any]:
    return {"approvals": {"approvers": named}}


def readers(*groups: str) -> dict[str, Any]:
    return {"data": {"personalData": {"readers": list(groups)}}}


def links(*hosts: str) -> dict[str, Any]:
    return {"guardrails": {"output": {"links": {"allow": list(hosts)}}}}


LEAD = "system:serviceaccount:acme:lead"
ACME = "system:serviceaccounts:acme"


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("callers.serviceAccounts", accounts(name="front"), accounts(name="back")),
        ("callers.serviceAccounts", accounts(name="a*"), accounts(name="b*")),
        ("callers.serviceAccounts", accounts(name="*"), accounts(name="*", namespace="blue")),
        ("callers.oidc", oidc("one"), oidc("two")),
        ("callers.oidc", oidc("one", subjects=["a"]), oidc("one", subjects=["b"])),
        ("callers.apiKeys", api_key("ci"), api_key("ops")),
        (
            "models.allow",
            {"models": {"allow": [{"host": "api.openai.com", "models": ["gpt-*"]}]}},
            {"models": {"allow": [{"host": "*.openai.com", "models": ["o*"]}]}},
        ),
        ("models.localHosts", {"models": {"localHosts": ["*.svc"]}}, {"models": {"localHosts": ["gpu.test"]}}),
        ("guardrails.output.links.allow", links("*.a.test"), links("a.test", "b.test")),
        ("egress.hosts", {"egress": {"hosts": ["*.test"]}}, {"egress": {"hosts": ["api.openai.com"]}}),
        ("egress.cidrs", {"egress": {"cidrs": ["10.0.0.0/8"]}}, {"egress": {"cidrs": ["11.0.0.0/8", "fd00::/8"]}}),
        ("approvals.approvers", approvers(subjects=["ann"]), approvers(subjects=["bob"])),
        ("approvals.approvers", approvers(subjects=[LEAD]), approvers(subjects=["ann"], groups=["leads"])),
        ("approvals.approvers", approvers(subjects=[LEAD]), approvers(groups=["system:serviceaccounts:blue"])),
        ("approvals.approvers", approvers(groups=["leads"]), approvers(groups=["system:serviceaccounts"])),
        ("data.personalData.readers", readers(ACME), readers("system:serviceaccounts:blue")),
        ("data.personalData.readers", readers(ACME), readers("staff")),
    ],
)
def test_lists_with_nothing_in_common_are_a_conflict_that_names_the_policies(
    path: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert found(one, other) == (f"{path}: the lists of acme/a, acme/b have nothing in common",)
    assert found(one) == ()
    assert found(other) == ()


def test_lists_with_something_in_common_are_no_conflict() -> None:
    assert (
        found(accounts(name="front*"), accounts(name="*", namespace="*"), accounts(name="*-end", namespace="acme"))
        == ()
    )


def test_three_lists_may_only_conflict_together() -> None:
    one = {"egress": {"hosts": ["a.test", "b.test"]}}
    two = {"egress": {"hosts": ["b.test", "c.test"]}}
    three = {"egress": {"hosts": ["a.test", "c.test"]}}
    assert found(one, two) == found(two, three) == found(one, three) == ()
    assert len(found(one, two, three)) == 1


def test_anonymous_callers_are_something_that_is_left() -> None:
    anonymous = {"callers": {"serviceAccounts": [{"name": "front"}], "anonymous": "Allow"}}
    assert found(anonymous, {"callers": {"serviceAccounts": [{"name": "back"}]}}) == ()


def test_callers_of_another_kind_are_something_that_is_left() -> None:
    assert found(accounts(name="front"), accounts(name="back"), api_key("ci")) == ()
    assert found(accounts(name="front"), accounts(name="back"), oidc("one")) == ()


def test_what_one_token_or_key_may_satisfy_is_no_conflict() -> None:
    groups = {"groupsClaim": "groups", "groups": ["staff"]}
    assert found(oidc("one", subjects=["a"]), oidc("one", **groups), oidc("one", audience="other")) == ()
    assert found(api_key("ci"), api_key("ci", key="other")) == (), "both files may hold the same value"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (approvers(groups=["leads"]), approvers(groups=["auditors"])),
        (approvers(subjects=["ann"]), approvers(groups=["auditors"])),
        (approvers(subjects=["ann", "bob"]), approvers(subjects=["bob", "eve"])),
        (approvers(subjects=[LEAD]), approvers(groups=[ACME])),
        (approvers(groups=["leads", ACME]), approvers(groups=["auditors", "system:serviceaccounts"])),
        (readers("staff"), readers("support")),
        (readers(ACME, "staff"), readers("system:serviceaccounts")),
        (readers(ACME, "staff"), readers("system:serviceaccounts:blue", "support")),
    ],
)
def test_whom_every_list_may_name_by_another_group_is_no_conflict(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert found(one, other) == ()


def test_what_one_policy_states_alone_is_no_conflict() -> None:
    """Whoever has one link to allow, one local host or one approver has said so on purpose."""
    alone = (
        {"models": {"localHosts": ["none.invalid"]}},
        links("none.invalid"),
        approvers(subjects=[LEAD]),
        readers(ACME),
    )
    assert found(*alone) == ()


def test_every_list_of_the_api_is_looked_at() -> None:
    elsewhere = {"callers.ingressFrom"}
    assert {field.path for field in fields() if field.is_list} == elsewhere | LISTS


def test_lists_too_large_to_intersect_are_presumed_to_overlap() -> None:
    heads = {"callers": {"serviceAccounts": [{"name": f"a{n}*"} for n in range(64)]}}
    tails = {"callers": {"serviceAccounts": [{"name": f"*b{n}"} for n in range(64)]}}
    assert found(heads, tails, accounts(name="c")) == ()
