"""Where no host outside the cluster may be: the table that both walls around an agent read.

The operator's NetworkPolicies leave these ranges out, and the process connects to no address in them. What an IPv6
address leads to counts too: RFC 6052 (NAT64) and IPv4-mapped addresses are looked through, and 6to4, Teredo and
IPv4-compatible ones, which no provider has, are never reached.
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NEVER: Mapping[str, str] = {
    "0.0.0.0/8": "this network",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local; the metadata services of most clouds",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "100.100.100.200/32": "metadata service of Alibaba Cloud",
    "168.63.129.16/32": "Azure's host agent, under a public address",
    "192.0.0.192/32": "metadata service of Oracle Cloud at Customer",
    "::/96": "unspecified, loopback, IPv4-compatible",
    "2001::/32": "Teredo, which leads to any IPv4 address",
    "2002::/16": "6to4, which leads to any IPv4 address",
    "fe80::/10": "link-local; metadata services of OpenStack",
    "ff00::/8": "multicast",
    "fd00:42::42/128": "metadata service of Scaleway",
    "fd00:100::100:200/128": "metadata service of Alibaba Cloud",
    "fd00:a9fe:a9fe::/64": "metadata service of Akamai",
    "fd00:c1::a9fe:a9fe/128": "metadata service of Oracle Cloud",
    "fd00:ec2::/32": "services of AWS: metadata, EKS Pod Identity, DNS, time",
    "fd20:ce::254/128": "metadata service of Google Cloud",
}
"""Where no outside host is, whatever a policy says: this machine, link-local, multicast, metadata services."""

NOT_PUBLIC: Mapping[str, str] = {
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared address space of carriers and clouds",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "relays of 6to4, deprecated",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "240.0.0.0/4": "reserved",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "3fff::/20": "documentation",
}
"""Ranges within PUBLIC that are not globally reachable, by IANA's registries of special-purpose addresses."""

NAT64 = "64:ff9b::/96"
"""The well-known prefix (RFC 6052): leads to the IPv4 address in its last 32 bits."""
PUBLIC = ("0.0.0.0/0", "2000::/3", NAT64)
"""All of IPv4, IPv6's global unicast (IANA's registry of its address space), and the way from IPv6 to IPv4."""

_NAT64 = ipaddress.IPv6Network(NAT64)


def allowed(cidrs: Sequence[Iterable[str]] | None) -> list[list[Network]]:
    """The lists that must all hold an outside host's address. `cidrs`: `egress.cidrs` of each policy; None: public.

    Raises ValueError for what is not a CIDR.
    """
    return [[network(cidr) for cidr in listed] for listed in ([PUBLIC] if cidrs is None else cidrs)]


@lru_cache(maxsize=4)
def closed(cluster_cidrs: tuple[str, ...], *, public: bool) -> tuple[Network, ...]:
    """What none of the lists opens, disjoint; with `public`, for agents whose policies list no addresses.

    The cluster's own ranges too: what is in the cluster is no outside host. Raises ValueError for what is not a CIDR.
    """
    named = [*NEVER, *cluster_cidrs, *(NOT_PUBLIC if public else ())]
    ranges = [network(cidr) for cidr in named]
    return tuple(collapsed([*ranges, *(_translated(four) for four in ranges if four.version == 4)]))


class Ranges:
    """A set of addresses; looking one up takes some steps of a binary search, however many ranges there are."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._bounds: dict[int, list[int]] = {4: [], 6: []}
        """By version: each range's first address and the one after its last, in order."""
        for version, first, after in sorted(map(_bounds, networks)):
            bounds = self._bounds[version]
            if bounds and first <= bounds[-1]:
                bounds[-1] = max(bounds[-1], after)
            else:
                bounds += (first, after)

    def __contains__(self, address: Address) -> bool:
        return bisect_right(self._bounds[address.version], int(address)) % 2 == 1


def network(cidr: str) -> Network:
    """Raises ValueError for what is not a CIDR."""
    return ipaddress.ip_network(cidr, strict=False)


def collapsed(networks: Iterable[Network]) -> list[Network]:
    """The same addresses in as few ranges as possible, in order, IPv4 first."""
    distinct = set(networks)
    fours = [block for block in distinct if isinstance(block, ipaddress.IPv4Network)]
    sixes = [block for block in distinct if isinstance(block, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes)]


def unwrapped(address: Address) -> Iterator[Address]:
    """The address that is meant: IPv4-mapped as IPv4; for NAT64 both the outer and the inner address."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield address
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _bounds(block: Network) -> tuple[int, int, int]:
    """Version, first address, the one after the last."""
    first = int(block.network_address)
    return block.version, first, first + block.num_addresses


def _translated(four: Network) -> Network:
    """The IPv6 addresses that lead to an IPv4 range (RFC 6052)."""
    return ipaddress.IPv6Network((int(_NAT64.network_address) + int(four.network_address), 96 + four.prefixlen))
