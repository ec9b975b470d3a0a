"""From an Authorization header to a caller, and from a caller to yes or no.

A token that is for another agent, of another issuer or signed in any other way than RS256 or ES256 by a known key is
never an anonymous caller: it is refused. No other header says anything of the caller.
"""

import time
from collections.abc import Callable

from regent_api.config import AgentConfig
from regent_api.types import Opinion
from regent_runtime.callers.caller import ANONYMOUS, Caller
from regent_runtime.callers.service_account import service_account
from regent_runtime.callers.signing_keys import signing_keys
from regent_runtime.callers.tokens import LONGEST_TOKEN, Trust
from regent_runtime.callers.verified import VerifiedTokens
from regent_runtime.refusals import CALLER_NOT_ALLOWED, TOKEN_INVALID, TOKEN_MISSING, Refused


class Callers:
    """Identifies and admits callers under one config; a new config starts with nothing remembered."""

    def __init__(self, config: AgentConfig, now: Callable[[], float] = time.time) -> None:
        """Raises ValueError for keys that cannot be read."""
        self._agent_namespace = config.agent.namespace
        self._policy = config.policy.callers
        self._now = now
        trust = config.tokens
        keys = signing_keys(trust.jwks, "tokens.jwks")
        self._cluster = Trust(trust.issuer, config.agent.audience, keys, trust.max_lifetime_seconds)
        self._tokens = VerifiedTokens(self._verify, now)

    def identify(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization header. Raises Refused (401)."""
        if authorization is None:
            if self._policy.anonymous is Opinion.ALLOW:
                return ANONYMOUS
            raise Refused(TOKEN_MISSING, "Send a ServiceAccount token of this agent's audience as a bearer token.")
        scheme, _, rest = authorization.partition(" ")
        token = rest.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused(TOKEN_INVALID, "The Authorization header must be `Bearer TOKEN`.")
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise Refused(TOKEN_INVALID, "The token is too long, or not ASCII.")
        return self._tokens.caller(token)

    def admit(self, caller: Caller) -> None:
        """Raises Refused (403) for a caller that some policy's list does not hold."""
        if not self._admits(caller):
            field = "callers.anonymous" if caller is ANONYMOUS else "callers.serviceAccounts"
            raise Refused(CALLER_NOT_ALLOWED, "The policy of this agent does not let this caller in.", field=field)

    def _admits(self, caller: Caller) -> bool:
        if caller is ANONYMOUS:
            return self._policy.anonymous is Opinion.ALLOW
        return self._policy.admits(caller.namespace, caller.name, agent_namespace=self._agent_namespace)

    def _verify(self, token: str) -> tuple[Caller, float]:
        claims = self._cluster.claims(token, self._now)
        return service_account(claims), float(claims["exp"])
