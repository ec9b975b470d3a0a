"""A bearer token checked: RFC 7519 signed with RS256 or ES256 by a known key, for us, of the issuer, in its time.

No call leaves the pod, so a token cannot be revoked before it expires; that is why its lifetime is capped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from regent_runtime.refusals import TOKEN_INVALID, Refused

LONGEST_TOKEN = 8192
"""Characters; ServiceAccount tokens have around 1,000."""
LEEWAY_SECONDS = 10
FURTHEST_MOMENT = 1e12
"""Unix time; some 30,000 years off."""

Claims = Mapping[str, Any]


def claimed_issuer(token: str) -> str:
    """Whose a token says it is, not verified: it chooses the keys that must prove it. Empty for what is no token."""
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return ""
    return issuer if isinstance(issuer, str) else ""


@dataclass(frozen=True)
class Trust:
    """Whose tokens count: of one issuer, for one audience, signed by one of these keys (by id)."""

    issuer: str
    audience: str
    keys: Mapping[str, jwt.PyJWK]
    max_lifetime_seconds: int

    def claims(self, token: str, now: Callable[[], float]) -> Claims:
        """What a good token says; `iat` and `exp` are numbers, `sub` is a text. Raises Refused (401)."""
        claims = self._signed_claims(token)
        issued, expires = claims["iat"], claims["exp"]
        self._check_times(issued, claims.get("nbf", issued), expires, now())
        if not isinstance(claims["sub"], str):
            raise Refused(TOKEN_INVALID, "The token's subject is not a text.")
        return claims

    def _signed_claims(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys.get(header.get("kid", ""))
            if key is None:
                raise Refused(TOKEN_INVALID, "The token is signed by a key that its issuer does not publish.")
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                audience=self.audience,
                issuer=self.issuer,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError:
            words = f"The token is for another audience; ask for one with the audience {self.audience}."
            raise Refused(TOKEN_INVALID, words) from None
        except jwt.InvalidIssuerError:
            raise Refused(TOKEN_INVALID, "The token is of another issuer.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Refused(TOKEN_INVALID, "The token is malformed or its signature is not valid.") from None

    def _check_times(self, issued: Any, not_before: Any, expires: Any, now: float) -> None:
        """PyJWT's own checks read the wall clock; these read the clock that a test may hold."""
        if not all(_is_moment(moment) for moment in (issued, not_before, expires)):
            raise Refused(TOKEN_INVALID, "The token's times are not numbers.")
        if now >= expires + LEEWAY_SECONDS:
            raise Refused(TOKEN_INVALID, "The token has expired; ask for a new one.")
        if max(issued, not_before) > now + LEEWAY_SECONDS:
            raise Refused(TOKEN_INVALID, "The token is not valid yet.")
        if expires - issued > self.max_lifetime_seconds:
            words = f"The token lives too long; ask for at most {self.max_lifetime_seconds} s."
            raise Refused(TOKEN_INVALID, words)


def _is_moment(value: Any) -> bool:
    """JSON readers let NaN through, which is neither before nor after anything, and integers of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FURTHEST_MOMENT
