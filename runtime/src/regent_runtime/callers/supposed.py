"""A caller that is asked about instead of proved: what `regent explain` puts in the place of a token."""

from dataclasses import dataclass

from regent_api.config import AgentConfig
from regent_runtime.callers.caller import ANONYMOUS, Caller
from regent_runtime.callers.identify import Callers
from regent_runtime.credentials import Credentials

FORMS = "NAMESPACE/NAME, oidc:ISSUER#SUBJECT, apikey:NAME or anonymous"


@dataclass(frozen=True)
class Suppose:
    """Who calls, in one of FORMS, and the groups that its token would name (OIDC alone)."""

    who: str
    groups: frozenset[str] = frozenset()


class SupposedCallers(Callers):
    """Judges the supposed caller as if it had shown a good proof; nothing is verified, so serve no turn with it."""

    def __init__(self, config: AgentConfig, credentials: Credentials, supposed: Suppose) -> None:
        """Raises ValueError for a `who` of no known form."""
        super().__init__(config, credentials)
        self._supposed = supposed
        self._caller(supposed)

    def identify(self, authorization: str | None) -> Caller:
        del authorization
        caller = self._caller(self._supposed)
        return super().identify(None) if caller is None else caller

    def _caller(self, supposed: Suppose) -> Caller | None:
        """None: the anonymous one, which the policy must let in."""
        kind, colon, rest = supposed.who.partition(":")
        if supposed.who == ANONYMOUS.identity:
            return None
        if kind == "apikey" and rest:
            return self.api_key(rest, lambda _: True)
        if kind == "oidc" and all(rest.rpartition("#")):
            issuer, _, subject = rest.rpartition("#")
            return self.oidc.supposed(issuer, subject, supposed.groups)
        namespace, slash, name = supposed.who.partition("/")
        if not (namespace and slash and name) or "/" in name or colon:
            raise ValueError(f"{supposed.who!r} is no caller; write {FORMS}")
        return self.service_account(namespace, name)
