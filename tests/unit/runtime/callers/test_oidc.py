import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from regent_runtime.access.membership import subject
from regent_runtime.callers import CallerKind, Callers
from regent_runtime.credentials import Credentials
from regent_runtime.refusals import Refused
from tests.enforces import enforces
from tests.fakes import configs

NOW = 1_800_000_000
ISSUER = "https://id.example.com"
AUDIENCE = "helper"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NEXT = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def key_set(**keys: Any) -> dict[str, str]:
    def public(key: Any) -> dict[str, Any]:
        algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return dict(algorithm.to_jwk(key.public_key(), as_dict=True))

    return {"inline": json.dumps({"keys": [{**public(key), "kid": kid} for kid, key in keys.items()]})}


def grant(**more: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "audience": AUDIENCE, "jwks": key_set(one=RSA, ec=EC), **more}


def callers(*lists: list[dict[str, Any]], now: Callable[[], float] = lambda: NOW) -> Callers:
    document = configs.config(policy={"callers": {"oidc": list(lists)}})
    return Callers(document, Credentials(Path("/nowhere")), now)


def claims(**more: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "u-1", "iat": NOW - 10, "exp": NOW + 600, **more}


def bearer(payload: dict[str, Any] | None = None, key: Any = RSA, kid: str = "one", algorithm: str = "RS256") -> str:
    """Signed as it is, also what an encoder of tokens would refuse."""
    signed = jwt.PyJWS().encode(json.dumps(payload or claims()).encode(), key, algorithm, headers={"kid": kid})
    return f"Bearer {signed}"


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        action()
    return refused.value.refusal.code


@enforces("callers.oidc.issuer", "callers.oidc.jwks.inline")
def test_a_good_token_names_its_subject() -> None:
    caller = callers([grant()]).identify(bearer())
    assert (caller.kind, caller.issuer, caller.name, caller.groups) == (CallerKind.OIDC, ISSUER, "u-1", frozenset())
    assert caller.admitted
    assert caller.identity == f"oidc:{ISSUER}#u-1"


@pytest.mark.parametrize("issuer", ["https://a.example.com", "https://zoe.example.com"])
def test_any_issuer_that_a_policy_names_is_asked(issuer: str) -> None:
    assert callers([grant(issuer=issuer)]).identify(bearer(claims(iss=issuer))).issuer == issuer


@pytest.mark.parametrize("subject", ["u", "a" * 255])
def test_a_subject_has_one_to_255_characters(subject: str) -> None:
    assert callers([grant()]).identify(bearer(claims(sub=subject))).name == subject


def test_an_elliptic_key_works_as_well() -> None:
    assert callers([grant()]).identify(bearer(key=EC, kid="ec", algorithm="ES256")).admitted


@enforces("callers.oidc.issuer")
def test_where_no_policy_says_so_nobody_comes_in_by_oidc() -> None:
    assert refusal(lambda: callers().identify(bearer())) == "token_invalid"


@pytest.mark.parametrize(
    "header",
    [
        bearer(claims(aud="another-agent")),
        bearer(claims(aud="regent.dev/demo/helper")),
        bearer(claims(iss="https://elsewhere.example.com")),
        bearer(claims(iss=ISSUER + "/")),
        bearer(claims(iss=None)),
        bearer(claims(iss=[ISSUER])),
        bearer(claims(exp=NOW - 11, iat=NOW - 600)),
        bearer(claims(nbf=NOW + 60)),
        bearer(claims(exp=NOW + 86_400)),
        bearer(claims(exp=math.nan)),
        bearer(claims(exp=math.inf)),
        bearer(claims(iat=math.nan)),
        bearer(claims(nbf=math.nan)),
        bearer(claims(exp=True)),
        bearer(claims(exp=10**400)),
        bearer(claims(sub="")),
        bearer(claims(sub="a" * 256)),
        bearer(claims(sub="a\nb")),
        bearer(claims(sub="system:serviceaccount:demo:caller")),
        bearer(claims(sub="apikey:ci")),
        bearer(key=NEXT),
        bearer(key=NEXT, kid="unknown"),
        bearer(algorithm="RS512"),
        bearer(algorithm="PS256"),
        "Bearer " + jwt.encode(claims(), None, algorithm="none", headers={"kid": "one"}),
    ],
)
@enforces("callers.oidc.issuer", "callers.oidc.audience")
def test_any_other_token_is_refused(header: str) -> None:
    assert refusal(lambda: callers([grant()]).identify(header)) == "token_invalid"


@pytest.mark.parametrize(
    ("more", "said", "admitted"),
    [
        ({"subjects": ["u-1"]}, {}, True),
        ({"subjects": ["u-2"]}, {}, False),
        ({"groupsClaim": "groups", "groups": ["staff"]}, {"groups": ["staff", "other"]}, True),
        ({"groupsClaim": "groups", "groups": ["staff"]}, {"groups": "staff"}, True),
        ({"groupsClaim": "groups", "groups": ["staff"]}, {"groups": ["other"]}, False),
        ({"groupsClaim": "groups", "groups": ["staff"]}, {"roles": ["staff"]}, False),
        ({"groupsClaim": "groups", "groups": ["staff"]}, {"groups": {"staff": True}}, False),
        ({"groupsClaim": "groups", "groups": ["staff"]}, {"groups": [["staff"], 5, None]}, False),
        ({"groupsClaim": "groups", "groups": ["system:masters"]}, {"groups": ["system:masters"]}, False),
        ({"groupsClaim": "groups", "groups": ["staff"], "subjects": ["u-1"]}, {}, True),
    ],
)
@enforces("callers.oidc.subjects", "callers.oidc.groups", "callers.oidc.groupsClaim")
def test_subjects_and_groups_say_who_is_let_in(more: Any, said: Any, admitted: bool) -> None:
    known = callers([grant(**more)])
    caller = known.identify(bearer(claims(**said)))
    assert caller.admitted is admitted
    if not admitted:
        assert refusal(lambda: known.admit(caller)) == "caller_not_allowed"


def test_every_policys_list_must_let_the_caller_in() -> None:
    mine, another = grant(subjects=["u-1"]), grant(subjects=["u-2"])
    assert callers([mine], [grant()]).identify(bearer()).admitted
    assert callers([another, mine], [grant()]).identify(bearer()).admitted
    assert not callers([mine], [another]).identify(bearer()).admitted


def test_one_policy_vouches_for_no_other() -> None:
    """Keys that a namespace's policy brings open nothing that the floor's keys do not."""
    forged = grant(jwks=key_set(one=NEXT))
    assert callers([grant()], [grant()]).identify(bearer()).admitted
    caller = callers([grant()], [forged]).identify(bearer(key=NEXT))
    assert not caller.admitted
    assert not callers([grant(audience="other")], [grant()]).identify(bearer()).admitted


def test_groups_are_those_on_which_every_policy_agrees() -> None:
    roles, groups = grant(groupsClaim="roles"), grant(groupsClaim="groups")
    said = claims(roles=["a", "b", "system:x"], groups=["b", "c"])
    assert callers([roles], [groups]).identify(bearer(said)).groups == {"b"}
    assert callers([roles, groups]).identify(bearer(said)).groups == {"a", "b", "c"}
    assert callers([roles], [grant()]).identify(bearer(said)).groups == frozenset()
    assert callers([groups]).identify(bearer(claims(groups=["b", ""]))).groups == {"b"}


def test_the_cluster_s_own_issuer_stays_a_service_account_s() -> None:
    """A grant for it would let in tokens that were made for other audiences."""
    known = callers([grant(issuer=configs.ISSUER)])
    assert refusal(lambda: known.identify(bearer(claims(iss=configs.ISSUER)))) == "token_invalid"
    assert known.identify("Bearer " + jwt_of_the_cluster()).kind is CallerKind.SERVICE_ACCOUNT


def jwt_of_the_cluster() -> str:
    return configs.token(iat=NOW, nbf=NOW, exp=NOW + 600)


def test_a_rotated_key_is_followed_with_the_config() -> None:
    both, after = callers([grant(jwks=key_set(one=RSA, two=NEXT))]), callers([grant(jwks=key_set(two=NEXT))])
    old, new = bearer(), bearer(key=NEXT, kid="two")
    assert both.identify(old).admitted
    assert both.identify(new).admitted
    assert after.identify(new).admitted
    assert refusal(lambda: after.identify(old)) == "token_invalid"


@pytest.mark.parametrize("inline", ["no", "[]", '{"keys": 5}', '{"keys": [{"kty": "RSA", "kid": "x", "n": 5}]}'])
def test_a_key_set_that_cannot_be_read_is_a_fault_of_the_config(inline: str) -> None:
    with pytest.raises(ValueError, match=r"callers\.oidc"):
        callers([grant(jwks={"inline": inline})])


def test_a_verified_token_is_not_good_past_its_expiry() -> None:
    moment = [float(NOW)]
    known = callers([grant()], now=lambda: moment[0])
    assert known.identify(bearer()).admitted
    moment[0] = NOW + 611
    assert refusal(lambda: known.identify(bearer())) == "token_invalid"


@enforces("callers.oidc.issuer", "callers.oidc.jwks.inline", "approvals.approvers.subjects")
def test_an_issuer_of_one_policy_names_no_approver_of_another() -> None:
    """Whoever may write a policy has keys of his own; the floor's list is not of callers that he makes up."""
    floor, added = grant(subjects=["u-1"]), grant(issuer="https://evil.example.com", jwks=key_set(two=NEXT))
    both = callers([floor], [added])
    forged = both.identify(bearer(claims(iss="https://evil.example.com"), NEXT, "two"))
    assert (forged.name, forged.vouched, subject(forged)) == ("u-1", False, None)
    assert subject(both.identify(bearer())) is None, "the added policy would not know it either: adding only cuts"
    assert subject(callers([floor], [grant()]).identify(bearer())) == "u-1"
    other = callers([floor], [grant()]).identify(bearer(claims(sub="u-2")))
    assert (other.admitted, subject(other)) == (False, "u-2"), "an approver need not be let in as a caller"
