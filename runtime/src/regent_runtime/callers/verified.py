"""Remembers which tokens were verified, so that a signature is checked once for each token and not for each turn."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from regent_runtime.callers.caller import Caller

MOST_VERIFIED = 4096


class VerifiedTokens:
    """By SHA-256, until the token expires; at most MOST_VERIFIED, the oldest go first. Refused ones are not kept."""

    def __init__(self, verify: Callable[[str], tuple[Caller, float]], now: Callable[[], float]) -> None:
        """`verify`: the caller of a token and when it expires (Unix time); it raises Refused."""
        self._verify = verify
        self._now = now
        self._verified: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    def caller(self, token: str) -> Caller:
        """Raises Refused (401)."""
        key = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(key)
        if known and self._now() < known[1]:
            return known[0]
        self._verified.pop(key, None)
        caller, expires = self._verify(token)
        self._verified[key] = (caller, expires)
        if len(self._verified) > MOST_VERIFIED:
            self._verified.popitem(last=False)
        return caller
