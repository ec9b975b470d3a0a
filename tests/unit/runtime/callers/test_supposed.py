from pathlib import Path
from typing import Any

import pytest

from regent_runtime.callers import ANONYMOUS, Caller
from regent_runtime.callers.supposed import Suppose, SupposedCallers
from regent_runtime.credentials import Credentials
from regent_runtime.refusals import Refused
from tests.fakes import configs
from tests.unit.runtime.callers.test_oidc import ISSUER, grant

KEYS = [[{"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}, "groups": ["robots"]}]]


def supposed(who: str, *groups: str, **callers: Any) -> Caller:
    config = configs.config(policy={"callers": callers})
    return SupposedCallers(config, Credentials(Path("/nowhere")), Suppose(who, frozenset(groups))).identify("Bearer x")


def test_a_caller_of_each_kind_is_what_a_good_proof_would_make_it() -> None:
    account = supposed("demo/caller")
    assert (account.identity, account.admitted) == ("serviceaccount:demo/caller", True)
    key = supposed("apikey:ci", apiKeys=KEYS)
    assert (key.identity, key.groups, key.admitted) == ("apikey:demo/ci", {"robots"}, True)
    oidc = supposed(f"oidc:{ISSUER}#u-1", "staff", oidc=[[grant(groupsClaim="groups", groups=["staff"])]])
    assert (oidc.identity, oidc.groups, oidc.admitted) == (f"oidc:{ISSUER}#u-1", {"staff"}, True)
    assert supposed(f"oidc:{ISSUER}#a#b").identity == f"oidc:{ISSUER}#a#b"
    assert supposed("apikey:a/b:c").identity == "apikey:demo/a/b:c"
    assert supposed("anonymous", anonymous="Allow") is ANONYMOUS


def test_the_policies_judge_it_as_they_would_a_real_one() -> None:
    assert not supposed("elsewhere/caller").admitted
    assert not supposed("apikey:other", apiKeys=KEYS).admitted
    assert not supposed(f"oidc:{ISSUER}#u-1", oidc=[[grant(subjects=["u-2"])]]).admitted
    assert not supposed("oidc:https://elsewhere#u-1", oidc=[[grant()]]).admitted
    assert not supposed("oidc:https://zoe#u-1", oidc=[[grant()]]).admitted
    with pytest.raises(Refused):
        supposed("anonymous")


@pytest.mark.parametrize(
    "who",
    [
        "",
        "caller",
        "a/b/c",
        "/caller",
        "demo/",
        "apikey:",
        "oidc:x",
        "oidc:#",
        "oidc:x#",
        "oidc:#x",
        "user:a/b",
        "a:b#c",
    ],
)
def test_a_caller_of_no_known_form_is_told(who: str) -> None:
    with pytest.raises(ValueError, match="is no caller; write NAMESPACE/NAME"):
        supposed(who)
