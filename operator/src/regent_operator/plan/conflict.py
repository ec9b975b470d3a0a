"""Policies that leave nothing permitted together.

An empty conjunction is legal and denies; here it is found, so that the agent's condition can name the policies. A
conflict is reported only when it is certain: lists too large to intersect are presumed to have something in common.
"""

from collections.abc import Iterator
from typing import Any

from regent_api.policy import Approvers, somebody
from regent_api.policy.together import Named
from regent_api.types import Opinion
from regent_operator.plan.intersection import GRANTS, TooManyCombinationsError, intersect
from regent_operator.plan.lattice import Opinions, Stated

_PERSONS = ("data.personalData.readers", "approvals.approvers")
"""Lists of callers by groups: who is a member of several is named by all of them."""
LISTS = frozenset((*GRANTS, *_PERSONS))
"""Every list of the API but `callers.ingressFrom`, see `peers`."""
_OTHER_WAYS = ("callers.oidc", "callers.apiKeys")
"""A caller that comes in by one of these needs no ServiceAccount."""


def conflicts(opinions: Opinions, agent_namespace: str) -> tuple[str, ...]:
    """A sentence for each field whose lists have nothing in common; it names the policies."""
    return tuple(_conflicts(opinions, agent_namespace))


def _conflicts(opinions: Opinions, agent_namespace: str) -> Iterator[str]:
    for path in sorted(LISTS):
        if path == "callers.serviceAccounts" and (_anonymous(opinions) or any(way in opinions for way in _OTHER_WAYS)):
            continue
        stated = opinions.get(path)
        if stated is not None and _is_empty(path, stated, agent_namespace):
            yield f"{path}: the lists of {', '.join(sorted(stated.sources))} have nothing in common"


def _is_empty(path: str, stated: Stated, agent_namespace: str) -> bool:
    if path in _PERSONS:
        return not somebody(_named(clause.entries) for clause in stated.value)
    grant = GRANTS[path]
    lists = [[part for entry in c.entries for part in grant.parts(entry, agent_namespace)] for c in stated.value]
    try:
        return not intersect(lists, grant.both)
    except TooManyCombinationsError:
        return False


def _named(entries: tuple[Any, ...]) -> Named:
    """Approvers are one entry, readers a group each."""
    match entries:
        case (Approvers() as approvers,):
            return approvers.named
        case groups:
            return frozenset(), frozenset(groups)


def _anonymous(opinions: Opinions) -> bool:
    stated = opinions.get("callers.anonymous")
    return stated is not None and stated.value is Opinion.ALLOW
