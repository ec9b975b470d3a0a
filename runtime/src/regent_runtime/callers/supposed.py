"""A caller that is asked about instead of proved: what `regent explain` puts in the place of a token."""

import re
from dataclasses import dataclass

from regent_api.config import AgentConfig
from regent_runtime.callers.caller import Caller
from regent_runtime.callers.identify import Callers
from regent_runtime.credentials import Credentials

FORMS = "NAMESPACE/NAME, oidc:ISSUER#SUBJECT, apikey:NAME or anonymous"
_FORM = re.compile(
    r"(?P<namespace>[^/:]+)/(?P<name>[^/:]+)|oidc:(?P<issuer>.+)#(?P<subject>[^#]+)|apikey:(?P<key>.+)|anonymous",
    re.DOTALL,
)


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
        found = _FORM.fullmatch(supposed.who)
        if found is None:
            raise ValueError(f"{supposed.who!r} is no caller; write {FORMS}")
        match found.groupdict(default=""):
            case {"key": key} if key:
                return self.api_key(key, lambda _: True)
            case {"issuer": issuer, "subject": subject} if issuer:
                return self.oidc.supposed(issuer, subject, supposed.groups)
            case {"namespace": namespace, "name": name} if namespace:
                return self.service_account(namespace, name)
        return None
