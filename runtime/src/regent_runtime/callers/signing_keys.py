"""The keys that a JSON Web Key Set (RFC 7517) publishes, as far as they may verify a caller's token."""

from collections.abc import Mapping
from typing import Any

import jwt

ALGORITHM_OF_KEY = {"RSA": "RS256", "EC": "ES256"}
"""The key decides the algorithm, never the token's header: that is what algorithm confusion lives on."""


def signing_keys(jwks: Mapping[str, Any], path: str) -> dict[str, jwt.PyJWK]:
    """The usable keys by id: RSA of 2048 bits or more, and EC on P-256. Raises ValueError for a malformed set.

    `path` names the set in the error's words.
    """
    keys: dict[str, jwt.PyJWK] = {}
    entries = jwks.get("keys", [])
    if not isinstance(entries, list):
        raise ValueError(f"{path}.keys is not a list")  # noqa: TRY004 - a fault of the config, as all others
    for entry in entries:
        texts = isinstance(entry, dict) and all(isinstance(entry.get(name, ""), str) for name in ("kty", "kid"))
        if not texts:
            raise ValueError(f"{path} has a malformed key: kty and kid are texts")
        algorithm = ALGORITHM_OF_KEY.get(entry.get("kty", ""))
        usable = entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm
        on_curve = entry.get("kty") != "EC" or entry.get("crv") == "P-256"
        if algorithm is None or not usable or not on_curve or not entry.get("kid"):
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} has a malformed key: {type(error).__name__}") from None
        if getattr(key.key, "key_size", 0) >= (2048 if algorithm == "RS256" else 256):
            keys[entry["kid"]] = key
    return keys
