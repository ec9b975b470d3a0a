"""Which addresses a connection may reach, whatever a name resolves to.

Resolving is where a name becomes a claim that can be checked: DNS rebinding, ExternalName Services and records that
point at a metadata service all show here and nowhere else.
"""

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Sequence

from regent_api.addresses import Address, Ranges, allowed, closed, network, unwrapped
from regent_api.effective import EffectiveEgress


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
        """Raises ValueError for what is not a CIDR."""
        self._ranges = Ranges(map(network, cluster_cidrs))

    def admits(self, address: Address) -> bool:
        return address in self._ranges


class OutsideHosts(AddressRule):
    """An outside host: what egress.cidrs lets (public addresses when absent), and never what no list opens.

    That is the table of `regent_api.addresses`, which the agent's NetworkPolicy reads too, and the cluster.
    """

    reason = "address_not_allowed"

    def __init__(self, egress: EffectiveEgress, cluster_cidrs: Sequence[str]) -> None:
        """Raises ValueError for what is not a CIDR."""
        self._closed = Ranges(closed(tuple(cluster_cidrs), public=egress.cidrs is None))
        self._lists = [Ranges(listed) for listed in allowed(egress.cidrs)]

    def admits(self, address: Address) -> bool:
        named = bool(self._lists) and all(address in listed for listed in self._lists)
        return named and address not in self._closed


def is_number(host: str) -> bool:
    """Whether a resolver of the inet_aton tradition takes the host for an address: its last label is a number."""
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isdigit() or last[:2] in {"0x", "0X"}
