"""Which addresses a connection may reach, whatever a name resolves to.

Resolving is where a name becomes a claim that can be checked: DNS rebinding, ExternalName Services and records that
point at a metadata service all show here and nowhere else.
"""

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from regent_api.effective import EffectiveEgress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class DestinationRefused(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """The host or an address of it is not one that the policy lets through. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AddressRule(ABC):
    """Judges resolved addresses."""

    @abstractmethod
    def admits(self, address: Address) -> bool: ...

    @property
    @abstractmethod
    def reason(self) -> str:
        """Word for the log when an address is refused."""

    def check(self, address: str) -> None:
        """Raises DestinationRefused unless the address, and every address hidden in it, is admitted."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            raise DestinationRefused("not_an_address") from None
        if not all(self.admits(part) for part in unwrapped(ip)):
            raise DestinationRefused(self.reason)


class InsideCluster(AddressRule):
    """Every address must lie in the ranges of the cluster's Services and pods."""

    reason = "address_outside_cluster"

    def __init__(self, cluster_cidrs: Sequence[str]) -> None:
        self._ranges = networks(cluster_cidrs)

    def admits(self, address: Address) -> bool:
        return any(address in network for network in self._ranges)


class OutsideHosts(AddressRule):
    """An outside host: what egress.cidrs lets (public addresses when absent), and never the cluster or the node.

    Link-local addresses (the clouds' metadata services), loopback, multicast and unspecified ones are refused
    whatever a policy says: no host of a model provider has one.
    """

    reason = "address_not_allowed"

    def __init__(self, egress: EffectiveEgress, cluster_cidrs: Sequence[str]) -> None:
        """Raises ValueError for what is not a CIDR."""
        self._cluster = networks(cluster_cidrs)
        self._named = None if egress.cidrs is None else [networks(cidrs) for cidrs in egress.cidrs]

    def admits(self, address: Address) -> bool:
        never = address.is_link_local or address.is_loopback or address.is_multicast or address.is_unspecified
        inside = any(address in network for network in self._cluster)
        return not never and not inside and self._let(address)

    def _let(self, address: Address) -> bool:
        """EffectiveEgress.admits_address, with the ranges read once."""
        if self._named is None:
            return address.is_global and not address.is_multicast
        return bool(self._named) and all(any(address in network for network in ranges) for ranges in self._named)


def is_number(host: str) -> bool:
    """Whether a resolver of the inet_aton tradition takes the host for an address: its last label is a number."""
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isdigit() or last[:2] in {"0x", "0X"}


def networks(cidrs: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is not a CIDR."""
    return tuple(ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)


def unwrapped(address: Address) -> Iterator[Address]:
    """The address that is meant: IPv4-mapped as IPv4; for NAT64 and 6to4 both the outer and the inner address."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield address
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            yield address.sixtofour
