"""The addresses of a cluster, and the host's side of its network.

Each cluster has a number N of its own: the node is 10.N.0.2 behind a veth pair whose host end is 10.N.0.1; pods are
10.N+1/16 and services 10.N+2/16, routed over the veth alone. Inside there is no default route, so nothing leaves.
"""

import ipaddress
import json
from dataclasses import dataclass

from . import command

NUMBERS = range(210, 255, 3)
LAST_CHOICE = "4000"


@dataclass(frozen=True)
class Network:
    number: int

    @property
    def link(self) -> str:
        return f"regent{self.number}"

    @property
    def host(self) -> str:
        return f"10.{self.number}.0.1"

    @property
    def node(self) -> str:
        return f"10.{self.number}.0.2"

    @property
    def nodes(self) -> str:
        return f"10.{self.number}.0.0/24"

    @property
    def pods(self) -> str:
        return f"10.{self.number + 1}.0.0/16"

    @property
    def node_pods(self) -> str:
        return f"10.{self.number + 1}.0.0/24"

    @property
    def services(self) -> str:
        return f"10.{self.number + 2}.0.0/16"

    @property
    def api_service(self) -> str:
        return f"10.{self.number + 2}.0.1"

    @property
    def dns(self) -> str:
        return f"10.{self.number + 2}.0.10"

    @property
    def ranges(self) -> tuple[str, str, str]:
        return self.nodes, self.pods, self.services


@dataclass(frozen=True)
class Route:
    to: ipaddress.IPv4Network
    blackhole: bool


def routes() -> list[Route]:
    """Where the host routes to, besides its default route."""
    listed = json.loads(command.run("ip", "-json", "-4", "route", "show", "table", "all"))
    return [
        Route(
            ipaddress.IPv4Network(route["dst"]),
            route.get("type") == "blackhole" and str(route.get("metric")) == LAST_CHOICE,
        )
        for route in listed
        if route["dst"] != "default" and route.get("type") not in {"broadcast", "local"}
    ]


def taken() -> list[ipaddress.IPv4Network]:
    """Ranges that the host routes to, but for what `block` made: a cluster whose record is lost may have left it."""
    return [route.to for route in routes() if not route.blackhole]


def is_free(network: Network, taken: list[ipaddress.IPv4Network]) -> bool:
    return not any(ipaddress.IPv4Network(ours).overlaps(other) for ours in network.ranges for other in taken)


def block(network: Network) -> None:
    """Ends packets to the cluster's ranges on the host, until better routes exist and again when they are gone.

    Without this a client that outlives the veth falls through to the machine's default route.
    """
    for destination in network.ranges:
        command.run("ip", "route", "replace", "blackhole", destination, "metric", LAST_CHOICE)


def unblock(network: Network) -> None:
    present = {str(route.to) for route in routes() if route.blackhole}
    for destination in network.ranges:
        if destination in present:
            command.run("ip", "route", "del", "blackhole", destination, "metric", LAST_CHOICE)


def connect(network: Network, init: int) -> None:
    """The veth pair from the host into the network namespace of process `init`, and the routes over it."""
    command.run("ip", "link", "add", network.link, "type", "veth", "peer", "name", "eth0", "netns", str(init))
    command.run("ip", "addr", "add", f"{network.host}/24", "dev", network.link)
    command.run("ip", "link", "set", network.link, "up")
    for destination in (network.pods, network.services):
        command.run("ip", "route", "add", destination, "via", network.node, "dev", network.link)


def is_connected(network: Network) -> bool:
    return any(link.get("ifname") == network.link for link in json.loads(command.run("ip", "-json", "link", "show")))


def disconnect(network: Network) -> None:
    """The pair goes with its namespace; this is for one whose namespace some process still holds."""
    if is_connected(network):
        command.run("ip", "link", "del", network.link)
