"""Address ranges that agents may connect to outside the cluster."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from regent_api.addresses import Network, allowed, closed, collapsed, network
from regent_operator.plan.intersection import both_networks, intersect


def outside(cidrs: Sequence[Iterable[str]] | None, cluster_cidrs: Iterable[str]) -> list[dict[str, Any]]:
    """Blocks of outside hosts: what every list of `egress.cidrs` holds; without one, public addresses.

    Never, whatever a list holds: what `regent_api.addresses` says that no list opens. The process refuses it too.
    """
    own = tuple(cluster_cidrs)
    return list(_public(own)) if cidrs is None else _blocks(_common(cidrs), closed(own, public=False))


def within_public(cidrs: Sequence[Iterable[str]]) -> bool:
    """Whether the lists together hold public addresses alone."""
    everything, others = allowed(None)[0], closed((), public=True)
    return all(
        any(both_networks(part, each) == part for each in everything) and not any(map(part.overlaps, others))
        for part in _common(cidrs)
    )


def as_blocks(cidrs: Iterable[str]) -> list[dict[str, Any]]:
    return [{"cidr": str(block)} for block in collapsed(map(network, cidrs))]


@lru_cache(maxsize=8)
def _public(cluster_cidrs: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """The same for every agent."""
    return tuple(_blocks(_common(None), closed(cluster_cidrs, public=True)))


def _common(cidrs: Sequence[Iterable[str]] | None) -> Iterable[Network]:
    return intersect(allowed(cidrs), both_networks, most=None)


def _blocks(ranges: Iterable[Network], excepted: Sequence[Network]) -> list[dict[str, Any]]:
    return [block for part in collapsed(ranges) if (block := _without(part, excepted)) is not None]


def _without(block: Network, excepted: Iterable[Network]) -> dict[str, Any] | None:
    """The block and what is excepted from it; None: nothing is left of it."""
    inside = []
    for each in excepted:
        both = both_networks(block, each)
        if both == block:
            return None
        if both is not None:
            inside.append(str(both))
    return {"cidr": str(block), "except": inside} if inside else {"cidr": str(block)}
