"""Who is calling: a ServiceAccount proved by its token, or nobody where the policy lets nobody in particular talk.

Tokens are verified with the keys of the config and no call to the API server, so a token cannot be revoked before it
expires; that is why the lifetime is capped. A token for another agent, of another issuer or signed in any other way
than RS256 or ES256 by a known key is never an anonymous caller: it is refused.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from regent_api.config import AgentConfig, EffectiveCallers, TokenTrust
from regent_api.types import Opinion
from regent_runtime.refusals import CALLER_NOT_ALLOWED, TOKEN_INVALID, TOKEN_MISSING, Refused

LONGEST_TOKEN = 8192
"""Characters; ServiceAccount tokens have around 1,000."""
LEEWAY_SECONDS = 10
MOST_VERIFIED = 4096
"""Tokens whose verification is remembered, by hash."""
_ALGORITHM_OF_KEY = {"RSA": "RS256", "EC": "ES256"}


@dataclass(frozen=True)
class Caller:
    """A ServiceAccount, or the anonymous caller (both fields empty)."""

    namespace: str = ""
    name: str = ""

    @property
    def kind(self) -> str:
        return "ServiceAccount" if self.name else "Anonymous"


ANONYMOUS = Caller()


class Callers:
    """Identifies and admits callers under one config; a new config starts with nothing remembered."""

    def __init__(self, config: AgentConfig, now: Callable[[], float] = time.time) -> None:
        self._agent_namespace = config.agent.namespace
        self._policy = config.policy.callers
        self._tokens = VerifiedTokens(Verifier(config.tokens, config.agent.audience, now), now)

    def identify(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization header. Raises Refused (401)."""
        if authorization is None:
            if self._policy.anonymous is Opinion.ALLOW:
                return ANONYMOUS
            raise Refused(TOKEN_MISSING, "Send a ServiceAccount token of this agent's audience as a bearer token.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(TOKEN_INVALID, "The Authorization header must be `Bearer TOKEN`.")
        return self._tokens.caller(token.strip())

    def admit(self, caller: Caller) -> None:
        """Raises Refused (403) for a caller that some policy's list does not hold."""
        if caller is not ANONYMOUS and not admits(self._policy, caller, self._agent_namespace):
            raise Refused(CALLER_NOT_ALLOWED, "The policy of this agent does not let this ServiceAccount in.")


def admits(policy: EffectiveCallers, caller: Caller, agent_namespace: str) -> bool:
    return policy.admits(caller.namespace, caller.name, agent_namespace=agent_namespace)


class VerifiedTokens:
    """Remembers verified tokens by SHA-256 until they expire; at most MOST_VERIFIED, the oldest go first."""

    def __init__(self, verifier: "Verifier", now: Callable[[], float]) -> None:
        self._verifier = verifier
        self._now = now
        self._verified: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    def caller(self, token: str) -> Caller:
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise Refused(TOKEN_INVALID, "The token is too long, or not ASCII.")
        key = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(key)
        if known and self._now() < known[1]:
            return known[0]
        self._verified.pop(key, None)
        caller, expires = self._verifier.verify(token)
        self._verified[key] = (caller, expires)
        if len(self._verified) > MOST_VERIFIED:
            self._verified.popitem(last=False)
        return caller


class Verifier:
    """Verifies ServiceAccount tokens: RFC 7519 with the claims of Kubernetes' bound tokens (KEP-1205)."""

    def __init__(self, trust: TokenTrust, audience: str, now: Callable[[], float]) -> None:
        self._trust = trust
        self._audience = audience
        self._now = now
        self._keys = signing_keys(trust.jwks)

    def verify(self, token: str) -> tuple[Caller, float]:
        """The caller and when the token expires (Unix time). Raises Refused (401)."""
        claims = self._claims(token)
        issued, expires = claims["iat"], claims["exp"]
        self._check_times(issued, claims.get("nbf", issued), expires)
        return _service_account(claims), float(expires)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(header.get("kid", ""))
            if key is None:
                raise Refused(TOKEN_INVALID, "The token is signed by a key that the cluster does not publish.")
            return jwt.decode(
                token,
                key.key,
                algorithms=[_ALGORITHM_OF_KEY[key.key_type or ""]],
                audience=self._audience,
                issuer=self._trust.issuer,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError:
            words = f"The token is for another audience; ask for one with the audience {self._audience}."
            raise Refused(TOKEN_INVALID, words) from None
        except jwt.InvalidIssuerError:
            raise Refused(TOKEN_INVALID, "The token is of another issuer.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Refused(TOKEN_INVALID, "The token is malformed or its signature is not valid.") from None

    def _check_times(self, issued: Any, not_before: Any, expires: Any) -> None:
        """PyJWT's own checks read the wall clock; these read the clock that a test may hold."""
        if not all(isinstance(moment, int | float) for moment in (issued, not_before, expires)):
            raise Refused(TOKEN_INVALID, "The token's times are not numbers.")
        now = self._now()
        if now >= expires + LEEWAY_SECONDS:
            raise Refused(TOKEN_INVALID, "The token has expired; ask for a new one.")
        if max(issued, not_before) > now + LEEWAY_SECONDS:
            raise Refused(TOKEN_INVALID, "The token is not valid yet.")
        if expires - issued > self._trust.max_lifetime_seconds:
            words = f"The token lives too long; ask for at most {self._trust.max_lifetime_seconds} s."
            raise Refused(TOKEN_INVALID, words)


def signing_keys(jwks: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The usable keys by id: RSA of 2048 bits or more, and EC on P-256. Raises ValueError for a malformed set."""
    keys: dict[str, jwt.PyJWK] = {}
    entries = jwks.get("keys", [])
    if not isinstance(entries, list):
        raise ValueError("tokens.jwks.keys is not a list")  # noqa: TRY004 - a fault of the config, as all others
    for entry in entries:
        texts = isinstance(entry, dict) and all(isinstance(entry.get(name, ""), str) for name in ("kty", "kid"))
        if not texts:
            raise ValueError("tokens.jwks has a malformed key: kty and kid are texts")
        algorithm = _ALGORITHM_OF_KEY.get(entry.get("kty", ""))
        usable = entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm
        on_curve = entry.get("kty") != "EC" or entry.get("crv") == "P-256"
        if algorithm is None or not usable or not on_curve or not entry.get("kid"):
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"tokens.jwks has a malformed key: {type(error).__name__}") from None
        if getattr(key.key, "key_size", 0) >= (2048 if algorithm == "RS256" else 256):
            keys[entry["kid"]] = key
    return keys


def _service_account(claims: Mapping[str, Any]) -> Caller:
    kubernetes = claims.get("kubernetes.io")
    account = kubernetes.get("serviceaccount") if isinstance(kubernetes, dict) else None
    namespace = kubernetes.get("namespace") if isinstance(kubernetes, dict) else None
    name = account.get("name") if isinstance(account, dict) else None
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        raise Refused(TOKEN_INVALID, "The token is not of a ServiceAccount.")
    if claims["sub"] != f"system:serviceaccount:{namespace}:{name}":
        raise Refused(TOKEN_INVALID, "The token's subject and its ServiceAccount differ.")
    return Caller(namespace, name)
