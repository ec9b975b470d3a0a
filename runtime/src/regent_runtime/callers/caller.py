"""A caller: what was proved of who is calling, never how it was proved."""

from dataclasses import dataclass, field
from enum import StrEnum

from regent_api.audit.subjects import subject_digest


class CallerKind(StrEnum):
    SERVICE_ACCOUNT = "ServiceAccount"
    OIDC = "OIDC"
    API_KEY = "APIKey"
    ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """`namespace`: of the ServiceAccount, or of the agent whose API key it is. `issuer`: of an OIDC token."""

    kind: CallerKind
    name: str = ""
    """Of the ServiceAccount or API key; the subject of an OIDC token."""
    namespace: str = ""
    issuer: str = ""
    groups: frozenset[str] = frozenset()
    """Every policy that has a say agrees that the caller is in them; a ServiceAccount has none."""
    admitted: bool = field(default=False, compare=False)
    """Whether every policy's list lets the caller in."""
    vouched: bool = field(default=False, compare=False)
    """Whether every policy that states the way (`callers.oidc`, `callers.apiKeys`) trusts the proof, whomever its list
    lets in: so no policy can name a caller that another one knows. A ServiceAccount is the cluster's to prove."""

    @property
    def identity(self) -> str:
        """The same text for the same caller, whatever token or key it shows now; different for different callers.

        It keys limits, conversations and audit pseudonyms; it never enters a log line, a metric or an error.
        """
        match self.kind:
            case CallerKind.SERVICE_ACCOUNT:
                return f"serviceaccount:{self.namespace}/{self.name}"
            case CallerKind.API_KEY:
                return f"apikey:{self.namespace}/{self.name}"
            case CallerKind.OIDC:
                return f"oidc:{self.issuer}#{self.name}"
            case CallerKind.ANONYMOUS:
                return "anonymous"

    @property
    def digest(self) -> str:
        """Of the identity: what the state's names of a caller are made of, so that who is erased need not be named."""
        return subject_digest(self.identity)


ANONYMOUS = Caller(CallerKind.ANONYMOUS, admitted=True)
"""Everybody who shows nothing, where the policies let such callers in: one caller, so one bucket of every limit."""
