import jwt
import pytest

from regent_api.config import AgentIdentity
from regent_operator.cli.tokens import ISSUER, LIFETIME_SECONDS, ServiceAccount, TokenIssuer

AGENT = AgentIdentity(namespace="shop", name="helper")
NOW = 1_800_000_000


def decoded(token: str, issuer: TokenIssuer) -> dict[str, object]:
    key = jwt.PyJWKSet.from_dict(issuer.jwks())[jwt.get_unverified_header(token)["kid"]]
    never = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    return jwt.decode(token, key, algorithms=["ES256"], audience=AGENT.audience, options=never)


def test_a_token_has_the_claims_of_a_service_accounts_and_verifies_with_the_key_set() -> None:
    issuer = TokenIssuer()

    assert decoded(issuer.token(ServiceAccount("shop", "visitor"), AGENT, lambda: NOW), issuer) == {
        "iss": ISSUER,
        "sub": "system:serviceaccount:shop:visitor",
        "aud": ["regent.dev/shop/helper"],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + LIFETIME_SECONDS,
        "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "visitor", "uid": "dev"}},
    }


def test_another_session_does_not_verify_it() -> None:
    token = TokenIssuer().token(ServiceAccount("shop", "visitor"), AGENT, lambda: NOW)

    with pytest.raises(jwt.InvalidSignatureError):
        decoded(token, TokenIssuer())


def test_the_key_set_and_the_words_for_an_issuer_hold_no_private_part() -> None:
    issuer = TokenIssuer()

    assert set(issuer.jwks()["keys"][0]) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert "rivate" not in repr(issuer)
