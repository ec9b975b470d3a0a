"""Callers of other identity providers: OpenID Connect tokens, verified with the key sets that the policies bear.

A token is checked under each distinct trust that the policies state (issuer, audience, keys, groups claim), because
one policy must not vouch for another: whose list lets a caller in is judged with that list's own trust.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from regent_api.effective import EffectiveCallers, every
from regent_api.policy import OidcGrant
from regent_runtime.callers.caller import Caller, CallerKind
from regent_runtime.callers.signing_keys import signing_keys
from regent_runtime.callers.tokens import Claims, Trust
from regent_runtime.refusals import TOKEN_INVALID, Refused

LONGEST_SUBJECT = 255
RESERVED = ("system:", "apikey:")
"""How names of ServiceAccounts, of Kubernetes' groups and of API keys begin: no other issuer speaks for them."""

_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class OidcCallers:
    """`max_lifetime_seconds`: of tokens, as for ServiceAccounts."""

    policy: EffectiveCallers
    trusts: Mapping[_Key, Trust]

    @classmethod
    def of(cls, policy: EffectiveCallers, max_lifetime_seconds: int) -> "OidcCallers":
        """Raises ValueError for a key set that cannot be read."""
        grants = {_key(grant): grant for grants in policy.oidc for grant in grants}
        return cls(policy, {key: _trust(grant, max_lifetime_seconds) for key, grant in grants.items()})

    def knows(self, issuer: str) -> bool:
        return bool(self._of(issuer))

    def caller(self, token: str, issuer: str, now: Callable[[], float]) -> tuple[Caller, float]:
        """The caller of a token and when the token expires (Unix time). Raises Refused (401)."""
        passed: dict[_Key, Claims] = {}
        refusals: list[Refused] = []
        for key, trust in self._of(issuer).items():
            try:
                passed[key] = trust.claims(token, now)
            except Refused as refused:
                refusals.append(refused)
        if not passed:
            raise refusals[0]
        claims = next(iter(passed.values()))
        return self._caller(issuer, _subject(claims), passed), float(claims["exp"])

    def supposed(self, issuer: str, subject: str, groups: frozenset[str]) -> Caller:
        """The caller that a good token of the issuer would name, with those groups under every trust."""
        return self._caller(issuer, subject, {key: {key[3]: sorted(groups)} for key in self._of(issuer)})

    def _of(self, issuer: str) -> Mapping[_Key, Trust]:
        return {key: trust for key, trust in self.trusts.items() if trust.issuer == issuer}

    def _caller(self, issuer: str, subject: str, passed: Mapping[_Key, Claims]) -> Caller:
        """Its groups are those on which every policy's list agrees."""

        def groups(grant: OidcGrant) -> frozenset[str] | None:
            claims = passed.get(_key(grant))
            return None if claims is None else _groups(claims, grant.groups_claim)

        admitted = self.policy.oidc_groups(subject, groups)
        return Caller(
            CallerKind.OIDC,
            subject,
            issuer=issuer,
            groups=admitted or frozenset(),
            admitted=admitted is not None,
            vouched=every(self.policy.oidc, lambda grant: _key(grant) in passed),
        )


def _key(grant: OidcGrant) -> _Key:
    return grant.issuer, grant.audience, grant.jwks.inline or "", grant.groups_claim or ""


def _trust(grant: OidcGrant, max_lifetime_seconds: int) -> Trust:
    path = f"policy.callers.oidc: the keys of {grant.issuer}"
    try:
        jwks = json.loads(grant.jwks.inline or "")
    except ValueError:
        raise ValueError(f"{path} are not JSON") from None
    if not isinstance(jwks, dict):
        raise ValueError(f"{path} are no key set")  # noqa: TRY004 - a fault of the config, as all others
    return Trust(grant.issuer, grant.audience, signing_keys(jwks, path), max_lifetime_seconds)


def _subject(claims: Claims) -> str:
    subject = str(claims["sub"])
    if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable() or subject.startswith(RESERVED):
        raise Refused(TOKEN_INVALID, "The token's subject is empty, too long, or reserved for the cluster.")
    return subject


def _groups(claims: Claims, claim: str | None) -> frozenset[str]:
    """Those of the claim, a text or a list; anything else in it names no group."""
    said = claims.get(claim) if claim else None
    listed = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(_named(listed))


def _named(listed: list[Any]) -> Iterator[str]:
    return (group for group in listed if isinstance(group, str) and group and not group.startswith(RESERVED))
