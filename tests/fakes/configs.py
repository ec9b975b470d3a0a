"""AgentConfigs for tests, closed but for what a test opens."""

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from regent_api.config import AgentConfig
from regent_operator.plan.policy import effective

ISSUER = "https://kubernetes.default.svc"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWKS = {"keys": [{**RSAAlgorithm.to_jwk(_KEY.public_key(), as_dict=True), "kid": "test", "use": "sig", "alg": "RS256"}]}


def token(
    name: str = "caller", namespace: str = "demo", *, audience: str = "regent.dev/demo/helper", **claims: Any
) -> str:
    """A ServiceAccount token as the API server makes them."""
    now = int(time.time())
    payload = {
        "iss": ISSUER,
        "aud": [audience],
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": "u"}},
        **claims,
    }
    return jwt.encode(payload, _KEY, algorithm="RS256", headers={"kid": "test"})


def provider_config(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Local",
        "baseURL": url,
        "api": "ChatCompletions",
        "model": f"{name}-model",
        "maxSensitivity": "Restricted",
        **more,
    }


def document(*providers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The wire form: agent demo/helper, ServiceAccounts of its own namespace, Local providers on loopback.

    Nothing is retried, and no breaker opens, unless a test says so.
    """
    names = [each["name"] for each in providers]
    base = {
        "schemaVersion": 1,
        "agent": {"namespace": "demo", "name": "helper"},
        "instructions": "Answer in one sentence.",
        "sensitivity": "Internal",
        "suspended": False,
        "policy": merged(
            effective({}).wire(),
            {"size": {"turnTimeoutSeconds": 60}, "models": {"localHosts": [["127.0.0.1", "localhost", "*.svc"]]}},
        ),
        "sources": {},
        "route": {
            "name": "route",
            "providers": list(providers),
            "rules": [{"name": "all", "atLeast": "Public", "providers": names}],
            "timeouts": {"connect": 5, "firstToken": 20, "idle": 15, "attempt": 30, "total": 60},
            "retries": {"maxPerProvider": 0},
            "circuitBreaker": {"consecutiveFailures": 1000, "minimumRequests": 512},
        },
        "tokens": {"issuer": ISSUER, "jwks": JWKS},
        "clusterCidrs": ["127.0.0.0/8", "::1/128"],
    }
    return merged(base, more)


def config(*providers: dict[str, Any], **more: Any) -> AgentConfig:
    return AgentConfig.model_validate(document(*providers, **more))


def merged(base: Any, change: Any) -> Any:
    """`change` laid over `base`, objects merged key by key."""
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}
    return change
