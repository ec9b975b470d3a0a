"""From an Authorization header to a caller, and from a caller to yes or no.

A header that proves nobody is never an anonymous caller: it is refused. No other header says anything of the caller.
"""

import time
from collections.abc import Callable

from regent_api.config import AgentConfig
from regent_api.policy import ApiKeyGrant
from regent_api.types import Opinion
from regent_runtime.callers.api_key import ApiKeys
from regent_runtime.callers.caller import ANONYMOUS, Caller, CallerKind
from regent_runtime.callers.oidc import OidcCallers
from regent_runtime.callers.service_account import service_account
from regent_runtime.callers.signing_keys import signing_keys
from regent_runtime.callers.tokens import LONGEST_TOKEN, Trust, claimed_issuer
from regent_runtime.callers.verified import VerifiedTokens
from regent_runtime.credentials import Credentials
from regent_runtime.refusals import CALLER_NOT_ALLOWED, TOKEN_INVALID, TOKEN_MISSING, Refused

FIELDS = {
    CallerKind.SERVICE_ACCOUNT: "callers.serviceAccounts",
    CallerKind.OIDC: "callers.oidc",
    CallerKind.API_KEY: "callers.apiKeys",
    CallerKind.ANONYMOUS: "callers.anonymous",
}
"""The field of AgentPolicy that lets callers of a kind in."""


class Callers:
    """Identifies and admits callers under one config; a new config starts with nothing remembered."""

    def __init__(self, config: AgentConfig, credentials: Credentials, now: Callable[[], float] = time.time) -> None:
        """Raises ValueError for keys that cannot be read."""
        self._namespace = config.agent.namespace
        self._policy = config.policy.callers
        self._now = now
        trust = config.tokens
        keys = signing_keys(trust.jwks, "tokens.jwks")
        self._cluster = Trust(trust.issuer, config.agent.audience, keys, trust.max_lifetime_seconds)
        self.oidc = OidcCallers.of(self._policy, trust.max_lifetime_seconds)
        self._tokens = VerifiedTokens(self._verify, now)
        self.api_keys = ApiKeys(credentials.path, map(file_of, self._policy.api_key_grants()))

    def identify(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization header. Raises Refused (401)."""
        if authorization is None:
            if self._policy.anonymous is Opinion.ALLOW:
                return ANONYMOUS
            raise Refused(TOKEN_MISSING, "Send a token for this agent, or an API key, as `Authorization: Bearer ...`.")
        scheme, _, rest = authorization.partition(" ")
        token = rest.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused(TOKEN_INVALID, "The Authorization header must be `Bearer TOKEN`.")
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise Refused(TOKEN_INVALID, "The token is too long, or not ASCII.")
        return self._of_api_key(token) or self._tokens.caller(token)

    def admit(self, caller: Caller) -> None:
        """Raises Refused (403) for a caller that some policy's list does not let in."""
        if not caller.admitted:
            words = "The policy of this agent does not let this caller in."
            raise Refused(CALLER_NOT_ALLOWED, words, field=FIELDS[caller.kind])

    def _of_api_key(self, value: str) -> Caller | None:
        """None: no file holds the value, so it may be a token."""
        files = self.api_keys.holding(value)

        def holds(grant: ApiKeyGrant) -> bool:
            return file_of(grant) in files

        names = sorted({grant.name for grant in self._policy.api_key_grants() if holds(grant)})
        callers = [self.api_key(name, holds) for name in names]
        return next((caller for caller in callers if caller.admitted), callers[0] if callers else None)

    def api_key(self, name: str, holds: Callable[[ApiKeyGrant], bool]) -> Caller:
        """The caller that a key stands for. `holds`: whether a grant's Secret holds the key's value."""
        groups = self._policy.api_key_groups(name, holds)
        return Caller(
            CallerKind.API_KEY,
            name,
            self._namespace,
            groups=groups or frozenset(),
            admitted=groups is not None,
            vouched=groups is not None,
        )

    def _verify(self, token: str) -> tuple[Caller, float]:
        """A token of the cluster's own issuer is a ServiceAccount's, whatever the policies say of that issuer."""
        issuer = claimed_issuer(token)
        if issuer != self._cluster.issuer and self.oidc.knows(issuer):
            return self.oidc.caller(token, issuer, self._now)
        claims = self._cluster.claims(token, self._now)
        return self.service_account(*service_account(claims)), float(claims["exp"])

    def service_account(self, namespace: str, name: str) -> Caller:
        """A ServiceAccount of the cluster as a caller."""
        admitted = self._policy.admits(namespace, name, agent_namespace=self._namespace)
        return Caller(CallerKind.SERVICE_ACCOUNT, name, namespace, admitted=admitted)


def file_of(grant: ApiKeyGrant) -> tuple[str, str]:
    """(Secret, key)."""
    return grant.secret_key_ref.name, grant.secret_key_ref.key
