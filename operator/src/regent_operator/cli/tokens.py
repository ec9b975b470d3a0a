"""A key pair and the callers' tokens of one `regent dev`: what a cluster's API server does for ServiceAccounts.

The private key lives in this process alone and ends with it, and with it every token that it signed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from regent_api.config import AgentIdentity

ISSUER = "https://regent.dev/dev"
KEY_ID = "regent-dev"
LIFETIME_SECONDS = 8 * 3600


@dataclass(frozen=True)
class ServiceAccount:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class TokenIssuer:
    """Signs ES256 tokens of the shape that Kubernetes gives to ServiceAccounts (TokenRequest)."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    def jwks(self) -> dict[str, Any]:
        """The public half, as RFC 7517 key set."""
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "ES256"}]}

    def token(self, caller: ServiceAccount, agent: AgentIdentity, clock: Callable[[], float]) -> str:
        """For one caller and one agent, good for LIFETIME_SECONDS. `clock` gives seconds since the epoch."""
        now = int(clock())
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{caller.namespace}:{caller.name}",
            "aud": [agent.audience],
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "kubernetes.io": {"namespace": caller.namespace, "serviceaccount": {"name": caller.name, "uid": "dev"}},
        }
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": KEY_ID})
