"""Address ranges that agents may connect to outside the cluster."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from regent_operator.plan.intersection import Network, both_networks, intersect, network

_NOT_PUBLIC_4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",  # shared address space of carriers; clouds keep services and metadata in it
    "127.0.0.0/8",
    "168.63.129.16/32",  # Azure's host agent, under a public address
    "169.254.0.0/16",  # link-local: the metadata services of the clouds
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
_NOT_PUBLIC_6 = (
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",  # 6to4 leads to any IPv4 address
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
)
_NEVER = (
    "0.0.0.0/32",
    "100.100.100.200/32",  # Alibaba's metadata service
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.192/32",  # Oracle's metadata service
    "224.0.0.0/4",
    "::/128",
    "::1/128",
    "fd00:ec2::254/128",  # metadata services under private addresses: AWS, Google
    "fd20:ce::254/128",
    "fe80::/10",
    "ff00::/8",
)
"""Where no outside host can be, whatever a policy says: this machine, link-local, multicast, metadata services."""
_NAT64 = int(ipaddress.IPv6Address("64:ff9b::"))
"""The well-known prefix (RFC 6052) leads to IPv4 addresses, private ones too."""
_6TO4 = int(ipaddress.IPv6Address("2002::"))


def outside(cidrs: Sequence[Iterable[str]] | None, cluster_cidrs: Iterable[str]) -> list[dict[str, Any]]:
    """Blocks of outside hosts: what every list of `egress.cidrs` holds; without one, public addresses.

    Public: neither private, link-local, loopback, multicast or reserved. Never, whatever a list holds: the cluster's
    own ranges, and what `_NEVER` names. The process refuses these too.
    """
    own = tuple(cluster_cidrs)
    if cidrs is None:
        return [{"cidr": everything, "except": list(excepted)} for everything, excepted in _public(own)]
    never = _never(own)
    common = intersect([[network(cidr) for cidr in listed] for listed in cidrs], both_networks, most=None)
    return [block for part in _collapsed(common) if (block := _without(part, never)) is not None]


def within_public(cidrs: Sequence[Iterable[str]]) -> bool:
    """Whether the lists together hold public addresses alone."""
    common = intersect([[network(cidr) for cidr in listed] for listed in cidrs], both_networks, most=None)
    others = [*map(network, _NOT_PUBLIC_4), *_not_public_6()]
    return not any(part.overlaps(other) for part in common for other in others)


def as_blocks(cidrs: Iterable[str]) -> list[dict[str, Any]]:
    return [{"cidr": str(block)} for block in _collapsed(map(network, cidrs))]


@lru_cache(maxsize=8)
def _public(cluster_cidrs: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Everything of each version, and what is excepted from it; the same for every agent."""
    own = [network(cidr) for cidr in cluster_cidrs]
    excepted = [str(block) for block in _collapsed([*map(network, _NOT_PUBLIC_4), *_not_public_6(), *own])]
    fours = tuple(cidr for cidr in excepted if ":" not in cidr)
    return ("0.0.0.0/0", fours), ("::/0", tuple(cidr for cidr in excepted if ":" in cidr))


@lru_cache(maxsize=8)
def _never(cluster_cidrs: tuple[str, ...]) -> tuple[Network, ...]:
    """Also as IPv6 addresses that lead there."""
    blocks = [*map(network, _NEVER), *map(network, cluster_cidrs)]
    fours = [block for block in blocks if isinstance(block, ipaddress.IPv4Network)]
    return tuple(_collapsed([*blocks, *map(_nat64, fours), *map(_6to4, fours)]))


def _without(block: Network, never: Iterable[Network]) -> dict[str, Any] | None:
    """The block and what is excepted from it; None: nothing is left of it."""
    inside = []
    for each in never:
        both = both_networks(block, each)
        if both == block:
            return None
        if both is not None:
            inside.append(str(both))
    return {"cidr": str(block), "except": inside} if inside else {"cidr": str(block)}


def _not_public_6() -> Iterable[Network]:
    yield from map(network, _NOT_PUBLIC_6)
    yield from (_nat64(ipaddress.IPv4Network(cidr)) for cidr in _NOT_PUBLIC_4)


def _nat64(four: ipaddress.IPv4Network) -> ipaddress.IPv6Network:
    return ipaddress.IPv6Network((_NAT64 + int(four.network_address), 96 + four.prefixlen))


def _6to4(four: ipaddress.IPv4Network) -> ipaddress.IPv6Network:
    """RFC 3056."""
    return ipaddress.IPv6Network((_6TO4 + (int(four.network_address) << 80), 16 + four.prefixlen))


def _collapsed(networks: Iterable[Network]) -> list[Network]:
    """The same addresses in as few ranges as possible, IPv4 first."""
    distinct = set(networks)
    fours = [block for block in distinct if isinstance(block, ipaddress.IPv4Network)]
    sixes = [block for block in distinct if isinstance(block, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes)]
