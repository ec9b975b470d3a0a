import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from regent_operator.plan.keysets import MOST_KEYS, KeySetError, public_key_set
from regent_runtime.callers.signing_keys import signing_keys

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
RSA_JWK = {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "r", "use": "sig", "alg": "RS256"}
EC_JWK = {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "e"}
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
WEAK_JWK = {**RSAAlgorithm.to_jwk(WEAK.public_key(), as_dict=True), "kid": "w"}
ED_JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "o"}


def text(*keys: Any) -> str:
    return json.dumps({"keys": list(keys)})


def kids(made: str) -> list[str]:
    return [key["kid"] for key in json.loads(made)["keys"]]


def test_only_what_verifies_a_token_is_kept() -> None:
    made = public_key_set(text({**RSA_JWK, "x5c": ["MIIC" * 500], "x5t": "t"}, EC_JWK))
    assert json.loads(made)["keys"] == [
        {name: EC_JWK[name] for name in ("crv", "kid", "kty", "x", "y")},
        {name: RSA_JWK[name] for name in ("e", "kid", "kty", "n")},
    ]


def test_equal_keys_give_an_equal_text() -> None:
    assert public_key_set(text(RSA_JWK, EC_JWK)) == public_key_set(text(EC_JWK, {"x5t": "t", **RSA_JWK}))


@pytest.mark.parametrize(
    "key",
    [
        WEAK_JWK,
        ED_JWK,
        {**RSA_JWK, "use": "enc"},
        {**RSA_JWK, "alg": "RS512"},
        {**EC_JWK, "crv": "P-384"},
        {name: value for name, value in RSA_JWK.items() if name != "kid"},
    ],
)
def test_a_key_of_another_kind_is_left_out(key: Any) -> None:
    assert kids(public_key_set(text(key, EC_JWK))) == ["e"]


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_runtime_can_use_what_is_kept(name: str) -> None:
    key = {"rsa": RSA_JWK, "ec": EC_JWK}[name]
    assert len(signing_keys(json.loads(public_key_set(text(key))), "x")) == 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("no", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no key set"),
        ('{"keys": {}}', "is no key set"),
        ('{"keys": ["x"]}', "is no key set"),
        ('{"keys": []}', "has no key that can be used"),
        (text(WEAK_JWK), "has no key that can be used"),
        (text({**RSA_JWK, "n": "!!"}), "not base64url|damaged"),
        (text({**RSA_JWK, "e": "Ag"}), "damaged"),
        (text({**EC_JWK, "y": EC_JWK["x"]}), "damaged"),
        (text(*({**EC_JWK, "kid": str(n)} for n in range(MOST_KEYS + 1))), "more than"),
        (text(RSAAlgorithm.to_jwk(RSA, as_dict=True)), "private or shared key"),
        (text({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}), "private or shared key"),
    ],
)
def test_what_cannot_be_used_is_refused_without_quoting_it(broken: str, words: str) -> None:
    with pytest.raises(KeySetError, match=words) as error:
        public_key_set(broken)
    assert "c2VjcmV0" not in str(error.value)
