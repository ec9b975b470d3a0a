import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.addresses import NAT64, NEVER, NOT_PUBLIC, PUBLIC, Address
from regent_api.effective import EffectiveEgress
from regent_operator.plan.ranges import as_blocks, outside, within_public
from regent_runtime.addresses import DestinationRefused, OutsideHosts
from tests.unit.plan.policies import CIDRS

CLUSTER = ("10.211.0.0/16", "10.212.0.0/16")


def lets(blocks: list[dict[str, object]], address: str) -> bool:
    """What a NetworkPolicy's ipBlocks let through."""
    ip = ipaddress.ip_address(address)
    for block in blocks:
        excepted = block.get("except") or []
        assert isinstance(excepted, list)
        if ip in ipaddress.ip_network(str(block["cidr"])) and not any(ip in ipaddress.ip_network(e) for e in excepted):
            return True
    return False


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_let_through(address: str) -> None:
    assert lets(outside(None, CLUSTER), address)
    assert admits(None, CLUSTER, ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.100.100.200",
        "127.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2002:808:808::1",
        "192.88.99.1",
        "64:ff9b:1::1",
        "3fff::1",
        "5f00::1",
        "2001::1",
        "2001:db8::1",
        "fec0::1",
        "4000::1",
    ],
)
def test_private_link_local_and_metadata_addresses_are_not(address: str) -> None:
    assert not lets(outside(None, CLUSTER), address)
    assert not admits(None, CLUSTER, ipaddress.ip_address(address))


def test_the_clusters_own_ranges_are_not_outside_even_when_public() -> None:
    blocks = outside(None, ("11.0.0.0/16", "2600:1::/48"))
    assert not lets(blocks, "11.0.0.1")
    assert not lets(blocks, "2600:1::1")


@pytest.mark.parametrize("cidrs", [None, [["0.0.0.0/0", "::/0"]]])
def test_exceptions_lie_within_their_block_and_do_not_overlap(cidrs: list[list[str]] | None) -> None:
    """The API server takes no other, and no IPv4-mapped ones, which it reads as IPv4."""
    for block in outside(cidrs, CLUSTER):
        whole = ipaddress.ip_network(block["cidr"])
        excepted = [ipaddress.ip_network(cidr) for cidr in block["except"]]
        assert all(each.version == whole.version and each != whole and each.subnet_of(whole) for each in excepted)
        assert not any(each.network_address.ipv4_mapped for each in excepted if each.version == 6)
        assert not any(one.overlaps(other) for one, other in pairwise(sorted(excepted)))


WIDE = (*CIDRS, "::/0", "169.254.0.0/16", "127.0.0.1/32", "10.208.0.0/12", "10.211.3.0/24", "2002::/16", "fe80::/9")


def of(first: int, version: int, length: int) -> str:
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return str(kind((first, length), strict=False))


TABLE = [ipaddress.ip_network(cidr) for cidr in (*NEVER, *NOT_PUBLIC, *PUBLIC, *CLUSTER, "fd12::/64")]
edges = st.sampled_from(
    [
        bound + step
        for each in TABLE
        for bound in (each.network_address, each.broadcast_address)
        for step in (-1, 0, 1)
        if 0 <= int(bound) + step < 2**each.max_prefixlen
    ]
)
plain = st.ip_addresses() | edges


def wrapped(four: ipaddress.IPv4Address) -> st.SearchStrategy[Address]:
    """Mapped, and by NAT64."""
    return st.sampled_from([ipaddress.IPv6Address(prefix << 32 | int(four)) for prefix in (0xFFFF, 0x64FF9B << 64)])


addresses = plain | plain.filter(lambda address: address.version == 4).flatmap(wrapped)
ranges = st.sampled_from(WIDE) | st.tuples(addresses, st.integers(0, 32)).map(
    lambda drawn: of(int(drawn[0]), drawn[0].version, drawn[1] if drawn[0].version == 4 else 4 * drawn[1])
)
stated = st.none() | st.lists(st.lists(ranges, min_size=1, max_size=3), max_size=3)
clusters = st.sampled_from((CLUSTER, (*CLUSTER, "fd12::/64"), ()))


def on_the_wire(address: Address) -> str:
    """Where packets go."""
    mapped = None if address.version == 4 else address.ipv4_mapped
    return str(mapped or address)


def admits(cidrs: list[list[str]] | None, cluster: tuple[str, ...], address: Address) -> bool:
    try:
        OutsideHosts(EffectiveEgress(cidrs=cidrs), cluster).check(str(address))
    except DestinationRefused:
        return False
    return True


@settings(deadline=None, max_examples=200)
@given(stated, clusters, addresses)
def test_what_the_process_lets_through_the_network_does(
    cidrs: list[list[str]] | None, cluster: tuple[str, ...], address: Address
) -> None:
    assert not admits(cidrs, cluster, address) or lets(outside(cidrs, cluster), on_the_wire(address))


@settings(deadline=None, max_examples=200)
@given(stated, clusters, addresses)
def test_what_the_network_lets_through_the_process_does_but_for_nat64_under_stated_ranges(
    cidrs: list[list[str]] | None, cluster: tuple[str, ...], address: Address
) -> None:
    """There the process asks that the lists hold the IPv4 address too."""
    if cidrs is None or address not in ipaddress.ip_network(NAT64):
        assert not lets(outside(cidrs, cluster), on_the_wire(address)) or admits(cidrs, cluster, address)


@given(addresses)
def test_without_an_opinion_nothing_is_let_through_that_python_calls_private(address: Address) -> None:
    """A second table, made by others of the same registries."""
    assert not admits(None, CLUSTER, address) or (address.is_global and not address.is_multicast)


EVERYTHING = [["0.0.0.0/0", "::/0"]]


@pytest.mark.parametrize(
    "address",
    [
        *("64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::ad3:1"),
        *("2002:a9fe:a9fe::1", "2002:7f00:1::1", "2002:ad3:1::1"),
    ],
)
def test_ipv6_addresses_that_lead_to_refused_ones_are_closed_in_both_walls(address: str) -> None:
    assert not lets(outside(EVERYTHING, CLUSTER), address)
    with pytest.raises(DestinationRefused):
        OutsideHosts(EffectiveEgress(cidrs=EVERYTHING), CLUSTER).check(address)


METADATA = (
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fe80::a9fe:a9fe"),
    *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:100::100:200"),
    *("fd00:a9fe:a9fe::1", "64:ff9b::a83f:8110", "64:ff9b::6464:64c8", "2002:a83f:8110::1", "::a9fe:a9fe"),
)


@pytest.mark.parametrize(
    "cidrs", [None, EVERYTHING, [["100.64.0.0/10", "192.0.0.0/24"]], [["fd00::/8", "64:ff9b::/96"]]]
)
@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_are_closed_in_both_walls_whatever_is_stated(
    address: str, cidrs: list[list[str]] | None
) -> None:
    assert not lets(outside(cidrs, CLUSTER), address)
    assert not admits(cidrs, CLUSTER, ipaddress.ip_address(address))


def test_exceptions_of_stated_ranges_lie_within_their_block() -> None:
    assert outside([["10.208.0.0/12"], ["10.0.0.0/8"]], CLUSTER) == [
        {"cidr": "10.208.0.0/12", "except": ["10.211.0.0/16", "10.212.0.0/16"]}
    ]
    assert outside([["10.211.0.0/16", "169.254.169.254/32"]], CLUSTER) == []


@pytest.mark.parametrize(
    ("cidrs", "public"),
    [
        ([["8.8.8.0/24", "2606::/16"]], True),
        ([["10.0.0.0/8"]], False),
        ([["0.0.0.0/0"]], False),
        ([["0.0.0.0/0"], ["8.0.0.0/8", "1.0.0.0/8"]], True),
        ([["8.0.0.0/8"], ["10.0.0.0/8"]], True),
        ([["2000::/3"]], False),
        ([["4000::/3"]], False),
    ],
)
def test_whether_stated_ranges_are_public(cidrs: list[list[str]], public: bool) -> None:
    assert within_public(cidrs) is public


def test_adjacent_and_nested_ranges_become_one() -> None:
    assert as_blocks(["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"]) == [{"cidr": "10.0.0.0/8"}]
