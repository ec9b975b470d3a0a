"""An OIDC issuer of the tests: a key, the key set that it would publish, and tokens."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

URL = "https://id.example.com"


class Issuer:
    """At `URL`, with a key of its own called `kid`."""

    def __init__(self, kid: str) -> None:
        self._kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, Any]:
        return {**ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True), "kid": self._kid, "use": "sig"}

    def token(self, subject: str, *groups: str, audience: str) -> str:
        """Good for ten minutes."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 600}
        claims = {"iss": URL, "aud": audience, "sub": subject, "groups": list(groups), **times}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})


def key_set(*issuers: Issuer) -> str:
    """What they publish together."""
    return json.dumps({"keys": [issuer.jwk() for issuer in issuers]})
