"""Exact intersections of what grants list: globs, hosts, address ranges, namespaces.

The runtime never needs them (there a thing passes when every list lets it); two places of the plan do: a NetworkPolicy
cannot express a conjunction, and lists that have nothing in common are a conflict to report. `None` means: nothing in
common.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from regent_api.addresses import Network, network
from regent_api.policy import ApiKeyGrant, ModelAllow, OidcGrant, ServiceAccountGrant
from regent_api.types import glob_matches, host_matches

T = TypeVar("T", bound=Hashable)
Globs = frozenset[str]
"""Globs that must all match; {} lets everything."""

MOST_COMBINATIONS = 1024
MOST_PAIRS = 16_384
"""That are looked at, some 20 ms of them: whoever writes a policy has the operator's only thread meanwhile."""


class TooManyCombinationsError(Exception):
    """The intersection has more parts than asked for, or takes longer to find."""


def intersect(
    lists: Sequence[Iterable[T]], both: Callable[[T, T], T | None], most: int | None = MOST_COMBINATIONS
) -> frozenset[T]:
    """What every list has in common, as a union of parts; empty: nothing. An empty conjunction lets nothing.

    Raises TooManyCombinationsError for more than `most` parts, or MOST_PAIRS of them to look at. Parts that are nested
    or disjoint (ranges, namespaces) never grow beyond what was listed, so `most` may be None for them.
    """
    if not lists:
        return frozenset()
    common = frozenset(lists[0])
    pairs = 0
    for entries in map(frozenset, lists[1:]):
        pairs += len(common) * len(entries)
        if most is not None and pairs > MOST_PAIRS:
            raise TooManyCombinationsError
        parts = {both(part, entry) for part in common for entry in entries}
        common = frozenset(part for part in parts if part is not None)
        if most is not None and len(common) > most:
            raise TooManyCombinationsError
    return common


def both_networks(one: Network, other: Network) -> Network | None:
    """Two ranges are nested or disjoint."""
    if one.version != other.version:
        return None
    if one.subnet_of(other):  # type: ignore[arg-type]  # of one version, which mypy cannot see
        return one
    return other if other.subnet_of(one) else None  # type: ignore[arg-type]


def both_hosts(one: str, other: str) -> str | None:
    """Of two HostPatterns, the narrower one when they have a host in common (`*.a.b` is within `*.b`)."""
    if host_matches(other, one):
        return one
    return other if host_matches(one, other) else None


ServiceAccounts = tuple[str, Globs]
"""Namespace (`*`: every one) and globs of the name."""


def service_accounts(grant: ServiceAccountGrant, agent_namespace: str) -> ServiceAccounts:
    return grant.namespace or agent_namespace, _globs(grant.name)


def both_service_accounts(one: ServiceAccounts, other: ServiceAccounts) -> ServiceAccounts | None:
    namespace = both_namespaces(one[0], other[0])
    names = both_globs(one[1], other[1])
    return None if namespace is None or names is None else (namespace, names)


def both_namespaces(one: str, other: str) -> str | None:
    if one == "*":
        return other
    return one if other in {"*", one} else None


OidcCallers = tuple[str, frozenset[tuple[str, str]]]
"""Issuer, and what must all be true of a token."""


def oidc_callers(grant: OidcGrant) -> tuple[OidcCallers, ...]:
    trust = {("audience", grant.audience), ("keys", grant.jwks.inline or ""), ("claim", grant.groups_claim or "")}
    who = [*(("subject", s) for s in grant.subjects or ()), *(("group", g) for g in grant.groups or ())]
    return tuple((grant.issuer, frozenset((*trust, *one))) for one in ([named] for named in who)) or (
        (grant.issuer, frozenset(trust)),
    )


def both_oidc_callers(one: OidcCallers, other: OidcCallers) -> OidcCallers | None:
    """Two key sets, audiences or groups may be those of one token; two issuers or subjects never are."""
    needed = one[1] | other[1]
    if one[0] != other[0] or sum(kind == "subject" for kind, _ in needed) > 1:
        return None
    return one[0], needed


ApiKeyCallers = tuple[str, frozenset[tuple[str, str]], frozenset[str]]
"""Name, the Secret keys that must all hold the value, groups."""


def api_key_callers(grant: ApiKeyGrant) -> ApiKeyCallers:
    reference = grant.secret_key_ref
    return grant.name, frozenset({(reference.name, reference.key)}), frozenset(grant.groups or ())


def both_api_key_callers(one: ApiKeyCallers, other: ApiKeyCallers) -> ApiKeyCallers | None:
    return None if one[0] != other[0] else (one[0], one[1] | other[1], one[2] & other[2])


AllowedModels = tuple[str, Globs]
"""Host pattern and globs of the model."""


def allowed_models(entry: ModelAllow) -> tuple[AllowedModels, ...]:
    return tuple((entry.host, _globs(model)) for model in entry.models or ["*"])


def both_allowed_models(one: AllowedModels, other: AllowedModels) -> AllowedModels | None:
    host = both_hosts(one[0], other[0])
    models = both_globs(one[1], other[1])
    return None if host is None or models is None else (host, models)


def both_globs(one: Globs, other: Globs) -> Globs | None:
    """Globs that must all match; None when two of them can have no text in common."""
    globs = one | other
    literal = next((glob for glob in globs if "*" not in glob), None)
    if literal is not None:
        return frozenset({literal}) if all(glob_matches(glob, literal) for glob in globs) else None
    return globs if all(_overlap(a, b) for a in one for b in other) else None


@dataclass(frozen=True)
class Listed:
    """How the entries of one grant intersect. `parts`: of an entry, in the agent's namespace."""

    parts: Callable[[Any, str], tuple[Any, ...]]
    both: Callable[[Any, Any], Any]

    def within(self, narrow: Iterable[Any], wide: Iterable[Any], agent_namespace: str) -> bool:
        """Whether each entry of one list lies within an entry of the other."""
        around = [part for entry in wide for part in self.parts(entry, agent_namespace)]
        inside = [part for entry in narrow for part in self.parts(entry, agent_namespace)]
        return all(any(self.both(part, outer) == part for outer in around) for part in inside)


GRANTS: Mapping[str, Listed] = {
    "callers.serviceAccounts": Listed(lambda grant, own: (service_accounts(grant, own),), both_service_accounts),
    "callers.oidc": Listed(lambda grant, _: oidc_callers(grant), both_oidc_callers),
    "callers.apiKeys": Listed(lambda grant, _: (api_key_callers(grant),), both_api_key_callers),
    "models.allow": Listed(lambda entry, _: allowed_models(entry), both_allowed_models),
    "models.localHosts": Listed(lambda host, _: (host,), both_hosts),
    "guardrails.output.links.allow": Listed(lambda host, _: (host,), both_hosts),
    "egress.hosts": Listed(lambda host, _: (host,), both_hosts),
    "egress.cidrs": Listed(lambda cidr, _: (network(cidr),), both_networks),
}
"""By field path; peers are label selectors, see `peers`."""


def _globs(glob: str) -> Globs:
    return frozenset() if glob == "*" else frozenset({glob})


def _overlap(one: str, other: str) -> bool:
    """Whether two globs with a `*` each have a text in common: whatever stands between can be written one by one."""
    head, tail = one.split("*", 1)[0], one.rsplit("*", 1)[1]
    other_head, other_tail = other.split("*", 1)[0], other.rsplit("*", 1)[1]
    heads = head.startswith(other_head) or other_head.startswith(head)
    return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))
