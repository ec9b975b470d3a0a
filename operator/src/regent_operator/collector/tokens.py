"""Who sends a log: the pod that a projected ServiceAccount token is bound to.

The origin of a log is what the token's claims say, never what a body says. Tokens are verified with the cluster's
public keys, without a call to the API server for each; a token that is bound to no pod is refused, since it would name
no log.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import jwt

AUDIENCE = "regent-collector"
LONGEST_TOKEN = 4096
"""Characters; ServiceAccount tokens have around 1,000."""
LONGEST_LIFETIME_SECONDS = 86_400
LEEWAY_SECONDS = 10
_ALGORITHM_OF_KEY = {"RSA": "RS256", "EC": "ES256"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_UID = re.compile(r"[a-z0-9][-a-z0-9]{0,62}")


class TokenRefused(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The text says why, and quotes nothing of the token."""


class UnknownKey(TokenRefused):
    """Signed by a key that is not known yet: the cluster may have rotated its own."""


@dataclass(frozen=True, order=True)
class Origin:
    """A pod of an agent. Every part is a DNS label or a UID, so each is a safe name of a folder."""

    namespace: str
    agent: str
    pod: str

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.namespace, self.agent, self.pod)

    def __str__(self) -> str:
        return str(self.path)


class Verifier:
    """Verifies bound tokens (KEP-1205) under one set of keys."""

    def __init__(self, issuer: str, jwks: Mapping[str, Any], now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._keys = signing_keys(jwks)
        self._now = now

    def origin(self, token: str) -> Origin:
        """The pod behind a token. Raises TokenRefused; UnknownKey where newer keys may help."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise TokenRefused("the token is too long, or not ASCII")
        claims = self._claims(token)
        self._check_times(claims)
        return _pod(claims)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise UnknownKey("the token is signed by a key that the cluster does not publish")
            return jwt.decode(
                token,
                key.key,
                algorithms=[_ALGORITHM_OF_KEY[key.key_type or ""]],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError:
            raise TokenRefused(f"the token is for another audience than {AUDIENCE}") from None
        except jwt.InvalidIssuerError:
            raise TokenRefused("the token is of another issuer") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenRefused("the token is malformed or its signature is not valid") from None

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """PyJWT's own checks read the wall clock; these read the clock that a test may hold."""
        issued, expires = claims["iat"], claims["exp"]
        begins = claims.get("nbf", issued)
        if not all(isinstance(moment, int | float) for moment in (issued, begins, expires)):
            raise TokenRefused("the token's times are not numbers")
        now = self._now()
        if now >= expires + LEEWAY_SECONDS:
            raise TokenRefused("the token has expired")
        if max(issued, begins) > now + LEEWAY_SECONDS:
            raise TokenRefused("the token is not valid yet")
        if expires - issued > LONGEST_LIFETIME_SECONDS:
            raise TokenRefused("the token lives too long")


def signing_keys(jwks: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The usable keys by id: RSA of 2048 bits or more, and EC on P-256; others are passed over."""
    keys: dict[str, jwt.PyJWK] = {}
    for entry in jwks.get("keys", []):
        algorithm = _ALGORITHM_OF_KEY.get(entry.get("kty", ""))
        usable = entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm
        if algorithm is None or not usable or not entry.get("kid"):
            continue
        if entry["kty"] == "EC" and entry.get("crv") != "P-256":
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        if getattr(key.key, "key_size", 0) >= (2048 if algorithm == "RS256" else 256):
            keys[entry["kid"]] = key
    return keys


def _pod(claims: Mapping[str, Any]) -> Origin:
    kubernetes = claims.get("kubernetes.io")
    bound = kubernetes if isinstance(kubernetes, dict) else {}
    namespace, agent, pod = bound.get("namespace"), _of(bound, "serviceaccount", "name"), _of(bound, "pod", "uid")
    if not (isinstance(namespace, str) and isinstance(agent, str) and isinstance(pod, str)):
        raise TokenRefused("the token is not of a ServiceAccount, or bound to no pod")
    if claims["sub"] != f"system:serviceaccount:{namespace}:{agent}":
        raise TokenRefused("the token's subject and its ServiceAccount differ")
    if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(agent) and _UID.fullmatch(pod)):
        raise TokenRefused("the token's ServiceAccount cannot be an agent's")
    return Origin(namespace, agent, pod)


def _of(bound: Mapping[str, Any], what: str, name: str) -> Any:
    part = bound.get(what)
    return part.get(name) if isinstance(part, dict) else None
