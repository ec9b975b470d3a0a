import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from regent_runtime.callers import ANONYMOUS, Caller, CallerKind, Callers, tokens
from regent_runtime.callers.signing_keys import signing_keys
from regent_runtime.credentials import Credentials
from regent_runtime.refusals import Refused
from tests.enforces import enforces
from tests.fakes import configs

NOW = 1_800_000_000
CREDENTIALS = Credentials(Path("/nowhere"))
CALLER = Caller(CallerKind.SERVICE_ACCOUNT, "caller", "demo")
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=2047)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


def read(*keys: Any) -> dict[str, Any]:
    """A key set as it comes out of JSON."""
    return dict(json.loads(json.dumps({"keys": keys})))


JWKS = read(jwk(RSA, "rsa", use="sig", alg="RS256"), jwk(P256, "ec"), jwk(WEAK, "weak"), jwk(P384, "p384"))


def agent(*grants: Any, anonymous: str = "Deny", **more: Any) -> Callers:
    lists = [[{"name": "*"}]] if not grants else list(grants)
    config = configs.config(
        policy={"callers": {"serviceAccounts": lists, "anonymous": anonymous}},
        tokens={"jwks": JWKS, "maxLifetimeSeconds": 86_400},
        **more,
    )
    return Callers(config, CREDENTIALS, now=lambda: NOW)


def claims(**more: Any) -> dict[str, Any]:
    return {
        "iss": configs.ISSUER,
        "aud": ["regent.dev/demo/helper"],
        "sub": "system:serviceaccount:demo:caller",
        "iat": NOW - 10,
        "nbf": NOW - 10,
        "exp": NOW + 3600,
        "kubernetes.io": {"namespace": "demo", "serviceaccount": {"name": "caller", "uid": "u"}},
        **more,
    }


def signed(payload: Any = None, key: Any = RSA, algorithm: str = "RS256", **header: Any) -> str:
    return jwt.encode(payload or claims(), key, algorithm=algorithm, headers={"kid": "rsa", **header})


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        action()
    return refused.value.refusal.code


def test_a_good_token_names_its_service_account() -> None:
    assert agent().identify(f"Bearer {signed()}") == CALLER


def test_the_scheme_is_not_case_sensitive() -> None:
    assert agent().identify(f"bearer {signed()}") == CALLER


def test_an_elliptic_key_works_as_well() -> None:
    assert agent().identify("Bearer " + signed(key=P256, algorithm="ES256", kid="ec")) == CALLER


@enforces("callers.anonymous")
def test_without_a_token_the_caller_is_anonymous_only_where_the_policy_allows() -> None:
    assert agent(anonymous="Allow").identify(None) is ANONYMOUS
    assert refusal(lambda: agent().identify(None)) == "token_missing"


def unsigned() -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode()
        for each in ({"alg": "none", "kid": "rsa"}, claims())
    ]
    return ".".join([*parts, ""])


def signed_with_the_public_key() -> str:
    """The classic confusion: HS256 with the published key as the secret."""
    public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header, payload = ({"alg": "HS256", "kid": "rsa"}, claims())
    signing_input = ".".join(
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (header, payload)
    )
    mac = hmac.new(public, signing_input.encode(), hashlib.sha256).digest()
    return signing_input + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in claims().items() if key != name}


def nested(part: int) -> str:
    """A token of which one part (0: header, 1: payload) is JSON that a reader would need a deep stack for."""
    parts = signed().split(".")
    parts[part] = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    return ".".join(parts)


def account(namespace: str | None, name: str | None) -> dict[str, Any]:
    """Claims of a ServiceAccount that lacks something, with the subject that a careless reader would make of them."""
    held = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "u"}}
    return claims(sub=f"system:serviceaccount:{namespace}:{name}", **{"kubernetes.io": held})


def of_length(length: int) -> str:
    """A good token of so many characters."""
    for kid in range(4):
        header = {"pad": "x" * kid}
        room = length - len(signed(**header))
        for size in range(room * 3 // 4 - 16, room * 3 // 4):
            if len(token := signed(claims(pad="x" * size), **header)) == length:
                return token
    raise AssertionError("no token has this length")


BAD = {
    "nonsense": "nonsense",
    "empty parts": "..",
    "not ASCII": "tökén",
    "too long": "a" * (tokens.LONGEST_TOKEN + 1),
    "unsigned": unsigned(),
    "algorithm confusion": signed_with_the_public_key(),
    "another key": signed(key=OTHER),
    "a key that is not published": signed(key=OTHER, kid="other"),
    "no key id": jwt.encode(claims(), RSA, algorithm="RS256"),
    "a hash that is not ours": signed(algorithm="RS512"),
    "a padding that is not ours": signed(algorithm="PS256"),
    "an EC token under the RSA key's id": signed(key=P256, algorithm="ES256", kid="rsa"),
    "a curve that is not ours": signed(key=P384, algorithm="ES384", kid="p384"),
    "another agent's": signed(claims(aud=["regent.dev/demo/other"])),
    "the API server's": signed(claims(aud=["https://kubernetes.default.svc"])),
    "no audience": signed(without("aud")),
    "another issuer": signed(claims(iss="https://elsewhere")),
    "no issuer": signed(without("iss")),
    "expired": signed(claims(exp=NOW - 11, iat=NOW - 3611)),
    "no expiry": signed(without("exp")),
    "no issue time": signed(without("iat")),
    "an expiry that is no number": signed(claims(exp="never")),
    "not valid yet": signed(claims(nbf=NOW + 60)),
    "issued in the future": signed(claims(iat=NOW + 60)),
    "too long a life": signed(claims(exp=NOW + 86_400)),
    "no service account": signed(without("kubernetes.io")),
    "a service account of another type": signed(
        claims(**{"kubernetes.io": {"namespace": "demo", "serviceaccount": "caller"}})
    ),
    "another subject": signed(claims(sub="system:serviceaccount:demo:admin")),
    "yet another subject": signed(claims(sub="system:serviceaccount:demo:zoe")),
    "a service account without a name": signed(account("demo", None)),
    "a service account without a namespace": signed(account(None, "caller")),
    "a service account of no namespace": signed(account("", "caller")),
    "a service account of no name": signed(account("demo", "")),
    "expired a moment ago": signed(claims(exp=NOW - 10, iat=NOW - 3600)),
    "valid in a moment": signed(claims(nbf=NOW + 11)),
    "a second too long a life": signed(claims(exp=NOW - 10 + 86_401)),
    "a life since 1970": signed(claims(iat=1, nbf=1)),
    "times beyond any float": signed(claims(exp=10**400, iat=float(NOW))),
    "a header without end": nested(0),
    "a payload without end": nested(1),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("anonymous", ["Deny", "Allow"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_bad_token_is_refused_and_never_anonymous(name: str, anonymous: str) -> None:
    assert refusal(lambda: agent(anonymous=anonymous).identify(f"Bearer {BAD[name]}")) == "token_invalid"


@pytest.mark.parametrize("edge", [{"exp": NOW - 9, "iat": NOW - 3600}, {"nbf": NOW + 10}, {"exp": NOW - 10 + 86_400}])
def test_a_token_is_good_to_the_last_second_that_is_allowed(edge: dict[str, int]) -> None:
    assert agent().identify("Bearer " + signed(claims(**edge))) == CALLER


def words_about(token: str) -> str:
    with pytest.raises(Refused) as refused:
        agent().identify(f"Bearer {token}")
    return refused.value.message


def test_a_caller_is_told_what_is_wrong_with_its_token() -> None:
    assert "ask for one with the audience regent.dev/demo/helper" in words_about(BAD["another agent's"])
    assert "of another issuer" in words_about(BAD["another issuer"])
    assert "does not publish" in words_about(BAD["a key that is not published"])
    assert "has expired" in words_about(BAD["expired"])
    assert "not valid yet" in words_about(BAD["not valid yet"])
    assert "at most 86400 s" in words_about(BAD["too long a life"])


def test_times_are_judged_by_the_clock_that_the_runtime_holds() -> None:
    """Which a test may set back, and PyJWT's own is not."""
    then = 1_500_000_000
    known = Callers(configs.config(tokens={"jwks": JWKS}), CREDENTIALS, now=lambda: then)
    assert known.identify("Bearer " + signed(claims(iat=then, nbf=then, exp=then + 60))) == CALLER


def test_a_token_may_have_eight_thousand_characters_and_no_more() -> None:
    assert agent().identify("Bearer " + of_length(8192)) == CALLER
    assert refusal(lambda: agent().identify("Bearer " + of_length(8193))) == "token_invalid"


@pytest.mark.parametrize("scheme", ["Apikey", "Token", ""])
def test_a_good_token_in_another_scheme_is_refused(scheme: str) -> None:
    assert refusal(lambda: agent().identify(f"{scheme} {signed()}")) == "token_invalid"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "tokenwithoutscheme"])
def test_another_scheme_is_refused(header: str) -> None:
    assert refusal(lambda: agent(anonymous="Allow").identify(header)) == "token_invalid"


def test_a_weak_key_is_not_used() -> None:
    assert set(signing_keys(JWKS, "tokens.jwks")) == {"rsa", "ec"}


@pytest.mark.parametrize(
    "unusable",
    [
        jwk(RSA, "k", use="enc"),
        jwk(RSA, "k", use="tls"),
        jwk(RSA, "k", alg="RS512"),
        jwk(RSA, "k", alg="ES256"),
        jwk(RSA, ""),
        jwk(P256, "k") | {"crv": "P-192"},
        jwk(P256, "k") | {"crv": "P-521"},
        jwk(RSA, "k", crv="P-256"),
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
        {"kid": "k"},
    ],
)
def test_a_key_that_is_for_something_else_is_passed_over(unusable: dict[str, Any]) -> None:
    assert set(signing_keys(read(unusable, jwk(RSA, "rsa")), "tokens.jwks")) == {"rsa"}


def test_a_longer_key_is_used_as_well() -> None:
    long = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    assert set(signing_keys(read(jwk(long, "long")), "tokens.jwks")) == {"long"}


@pytest.mark.parametrize(
    "entry",
    [
        *("x", 5, None, []),
        *({"kty": ["RSA"]}, {"kty": "RSA", "kid": ["k"]}, {"kty": 5}, {"kty": "EC", "crv": ["P-256"]}),
        *(
            {"kty": "RSA", "kid": "k"},
            {"kty": "RSA", "kid": "k", "n": "!", "e": "AQAB"},
            jwk(P256, "k") | {"x": "AAAA"},
        ),
    ],
)
def test_a_malformed_key_is_a_fault_of_the_config(entry: Any) -> None:
    with pytest.raises(ValueError, match=r"tokens\.jwks"):
        signing_keys({"keys": [entry]}, "tokens.jwks")


def test_a_clock_that_is_a_little_off_is_forgiven() -> None:
    assert agent().identify("Bearer " + signed(claims(exp=NOW - 5, iat=NOW - 3605, nbf=NOW + 5))).name == "caller"


@pytest.mark.parametrize(
    ("grants", "admitted"),
    [
        ([[{"name": "caller"}]], True),
        ([[{"name": "call*"}], [{"name": "*"}]], True),
        ([[{"name": "other"}]], False),
        ([[{"namespace": "elsewhere", "name": "*"}]], False),
        ([[{"name": "*"}], [{"name": "other"}]], False),
    ],
)
@enforces("callers.serviceAccounts.namespace", "callers.serviceAccounts.name")
def test_every_policys_list_must_let_the_caller_in(grants: Any, admitted: bool) -> None:
    known = agent(*grants)
    caller = known.identify(f"Bearer {signed()}")
    if admitted:
        known.admit(caller)
    else:
        assert refusal(lambda: known.admit(caller)) == "caller_not_allowed"


def test_a_name_alone_is_of_the_agents_own_namespace() -> None:
    foreign = claims(
        sub="system:serviceaccount:elsewhere:caller",
        **{"kubernetes.io": {"namespace": "elsewhere", "serviceaccount": {"name": "caller", "uid": "u"}}},
    )
    known = agent([{"name": "caller"}])
    assert refusal(lambda: known.admit(known.identify("Bearer " + signed(foreign)))) == "caller_not_allowed"


def test_no_list_at_all_lets_nobody_in() -> None:
    config = configs.config(policy={"callers": {"serviceAccounts": []}}, tokens={"jwks": JWKS})
    known = Callers(config, CREDENTIALS, now=lambda: NOW)
    assert refusal(lambda: known.admit(known.identify(f"Bearer {signed()}"))) == "caller_not_allowed"


def test_a_verified_token_is_verified_once_and_not_past_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [float(NOW)]
    known = Callers(configs.config(tokens={"jwks": JWKS}), CREDENTIALS, now=lambda: moment[0])
    token = f"Bearer {signed()}"
    known.identify(token)
    with monkeypatch.context() as patch:
        patch.setattr(jwt, "decode", None)
        assert known.identify(token) == CALLER
    moment[0] = NOW + 3600 + tokens.LEEWAY_SECONDS
    assert refusal(lambda: known.identify(token)) == "token_invalid"
