"""What one forbidden connection of a pod proves about its NetworkPolicy.

A connection that came through proves that the policy does not hold. One that did not come through proves something
only where it would have: so the operator must know that the pod tried the operator's own address, and that somebody
listened there (decision 0035).
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

REACHED, BLOCKED = "reached", "blocked"


class Wall(StrEnum):
    HOLDS = "holds"
    OPEN = "open"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class CanarySaid:
    """By the pod: the address that it tried to connect to, and REACHED, BLOCKED, or a word for a trial not made."""

    address: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Trial:
    wall: Wall
    why: str = ""
    """Of UNPROVED: words that follow on the pod's name."""


HOLDS = Trial(Wall.HOLDS)
OPEN = Trial(Wall.OPEN)
ONCE = Trial(Wall.UNPROVED, "came through once, and tries again")


def judge(said: CanarySaid | None, *, own: str, listening: bool, arrived: bool) -> Trial:
    """`own`: the operator's address towards the pod. `listening`: a connection to it and the canary's port arrived.

    `arrived`: so did one from the pod, whatever the pod says.
    """
    if arrived or (said is not None and said.outcome == REACHED):
        return OPEN
    if said is None:
        return Trial(Wall.UNPROVED, "does not try, as an older runtime does not")
    if said.outcome != BLOCKED:
        return Trial(Wall.UNPROVED, "could not try")
    if not _same(said.address, own):
        return Trial(Wall.UNPROVED, "sees the operator at another address than its own")
    if not listening:
        return Trial(Wall.UNPROVED, "tried while the operator's canary could not be reached by the operator either")
    return HOLDS


def _same(one: str, other: str) -> bool:
    try:
        return _plain(one) == _plain(other)
    except ValueError:
        return False


def _plain(text: str) -> object:
    address = ip_address(text)
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
