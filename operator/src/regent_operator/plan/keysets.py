"""The key sets of OIDC issuers: read from policies and ConfigMaps, and cut down to what verifies a token.

Pods get the public members that a signature needs and nothing else, so a private half that somebody pastes into a
policy goes no further, and certificates and comments do not fill the AgentConfig.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

MOST_KEYS = 32
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
"""P-256: y^2 = x^3 - 3x + b over the integers modulo p (SEC 2, 2.4.2)."""
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}


class KeySetError(ValueError):
    """The text is no key set that can verify a token. The words follow the path of the field; no value is quoted."""


def public_key_set(text: str) -> str:
    """The usable keys of a JSON Web Key Set (RFC 7517), canonical: equal keys give an equal text.

    Raises KeySetError. A pod that met an unusable key would refuse its whole config, so none passes here.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise KeySetError("is not JSON; paste what the issuer serves at its jwks_uri") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise KeySetError('is no key set; it looks like {"keys": [{"kty": "RSA", "kid": ..., "n": ..., "e": ...}]}')
    if any(_PRIVATE & key.keys() or key.get("kty") == "oct" for key in listed):
        raise KeySetError("holds a private or shared key; publish the public half alone, and replace that key now")
    usable = [public for key in listed if (public := _public(key)) is not None]
    if not usable:
        raise KeySetError("has no key that can be used: RSA for RS256, or EC on P-256 for ES256, each with a kid")
    if len(usable) > MOST_KEYS:
        raise KeySetError(f"has more than {MOST_KEYS} keys; leave those out that the issuer signs with no more")
    ordered = sorted(usable, key=lambda key: json.dumps(key, sort_keys=True))
    return json.dumps({"keys": ordered}, sort_keys=True, separators=(",", ":"))


def _public(key: Mapping[str, Any]) -> dict[str, str] | None:
    """Its public members; None where it is of a kind that verifies no token of ours."""
    kind = key.get("kty")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        return None
    for_signatures = key.get("use", "sig") == "sig" and key.get("alg", _ALGORITHMS[kind]) == _ALGORITHMS[kind]
    members = {name: key.get(name) for name in ("kty", "kid", *_MEMBERS[kind])}
    if not for_signatures or key.get("crv", "P-256") != "P-256":
        return None
    texts = {name: value for name, value in members.items() if isinstance(value, str) and value}
    return texts if len(texts) == len(members) and _is_strong(texts) else None


def _is_strong(key: Mapping[str, str]) -> bool:
    """RSA of 2048 bits or more, or a point of P-256. Raises KeySetError for numbers that no key has."""
    if key["kty"] == "RSA":
        modulus, exponent = _number(key["n"]), _number(key["e"])
        if modulus.bit_length() > MOST_RSA_BITS or not modulus % 2 or not exponent % 2 or exponent < 3:
            raise KeySetError(f"has a damaged key (kid {key['kid'][:64]!r}); copy the set again")
        return modulus.bit_length() >= LEAST_RSA_BITS
    x, y = _number(key["x"]), _number(key["y"])
    if max(x, y) >= _P or (y * y - (x * x * x - 3 * x + _B)) % _P:
        raise KeySetError(f"has a damaged key (kid {key['kid'][:64]!r}); copy the set again")
    return True


def _number(text: str) -> int:
    """Base64url of a big-endian integer (RFC 7518)."""
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise KeySetError("has a key whose numbers are not base64url; copy the set again") from None
