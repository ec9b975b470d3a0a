"""The keys that a JSON Web Key Set (RFC 7517) publishes, as far as they may verify a caller's token."""

from collections.abc import Mapping
from typing import Any

import jwt

_KINDS = {("RSA", ""): ("RS256", 2048), ("EC", "P-256"): ("ES256", 256)}
"""Of a key's type and curve its algorithm and the least bits. The key decides the algorithm, never the token's header:
that is what algorithm confusion lives on."""
_TEXTS = ("kty", "kid", "crv")


def signing_keys(jwks: Mapping[str, Any], path: str) -> dict[str, jwt.PyJWK]:
    """The usable keys by id: RSA of 2048 bits or more, and EC on P-256. Raises ValueError for a malformed set.

    `path` names the set in the error's words.
    """
    keys: dict[str, jwt.PyJWK] = {}
    entries = jwks.get("keys", [])
    if not isinstance(entries, list):
        raise ValueError(f"{path}.keys is not a list")  # noqa: TRY004 - a fault of the config, as all others
    for entry in entries:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name, ""), str) for name in _TEXTS):
            raise ValueError(f"{path} has a malformed key: {', '.join(_TEXTS)} are texts")
        algorithm, least = _KINDS.get((entry.get("kty", ""), entry.get("crv", "")), (None, 0))
        for_us = entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm
        if algorithm is None or not for_us or not entry.get("kid"):
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} has a malformed key: {type(error).__name__}") from None
        if key.key.key_size >= least:
            keys[entry["kid"]] = key
    return keys
