"""Policies that leave nothing permitted together.

An empty conjunction is legal and denies; here it is found, so that the agent's condition can name the policies. A
conflict is reported only when it is certain: lists too large to intersect are presumed to have something in common.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from regent_api.types import Opinion
from regent_operator.plan.intersection import (
    TooManyCombinationsError,
    allowed_models,
    both_allowed_models,
    both_hosts,
    both_networks,
    both_service_accounts,
    intersect,
    network,
    service_accounts,
)
from regent_operator.plan.lattice import Opinions


def conflicts(opinions: Opinions, agent_namespace: str) -> tuple[str, ...]:
    """A sentence for each field whose lists have nothing in common; it names the policies."""
    return tuple(_conflicts(opinions, agent_namespace))


def _conflicts(opinions: Opinions, agent_namespace: str) -> Iterator[str]:
    if not _anonymous(opinions):
        yield from _empty(
            opinions,
            "callers.serviceAccounts",
            lambda grant: [service_accounts(grant, agent_namespace)],
            both_service_accounts,
        )
    yield from _empty(opinions, "models.allow", allowed_models, both_allowed_models)
    yield from _empty(opinions, "egress.hosts", lambda host: [host], both_hosts)
    yield from _empty(opinions, "egress.cidrs", lambda cidr: [network(cidr)], both_networks)


def _empty(
    opinions: Opinions, path: str, parts: Callable[[Any], Any], both: Callable[[Any, Any], Any]
) -> Iterator[str]:
    stated = opinions.get(path)
    if stated is None:
        return
    lists = [list(chain.from_iterable(map(parts, clause.entries))) for clause in stated.value]
    try:
        if intersect(lists, both):
            return
    except TooManyCombinationsError:
        return
    yield f"{path}: the lists of {', '.join(sorted(stated.sources))} have nothing in common"


def _anonymous(opinions: Opinions) -> bool:
    stated = opinions.get("callers.anonymous")
    return stated is not None and stated.value is Opinion.ALLOW
