import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    ],
)
def test_private_link_local_and_metadata_addresses_are_not(address: str) -> None:
    assert not lets(outside(None, CLUSTER), address)


def test_the_clusters_own_ranges_are_not_outside_even_when_public() -> None:
    blocks = outside(None, ("11.0.0.0/16", "2600:1::/48"))
    assert not lets(blocks, "11.0.0.1")
    assert not lets(blocks, "2600:1::1")


def test_exceptions_lie_within_their_block_and_do_not_overlap() -> None:
    for block in outside(None, CLUSTER):
        whole = ipaddress.ip_network(block["cidr"])
        excepted = [ipaddress.ip_network(cidr) for cidr in block["except"]]
        assert all(each.version == whole.version and each != whole for each in excepted)
        assert not any(one.overlaps(other) for one, other in pairwise(sorted(excepted)))


WIDE = (*CIDRS, "::/0", "169.254.0.0/16", "127.0.0.1/32", "10.208.0.0/12", "10.211.3.0/24", "2002::/16", "fe80::/9")
SAMPLES = (
    *("10.1.2.3", "10.2.0.1", "8.8.8.8", "1.1.1.1", "10.210.0.1", "10.211.3.4", "10.212.255.255", "0.0.0.0"),
    *("127.0.0.1", "127.1.2.3", "169.254.169.254", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("2606::1", "fd00::1", "::", "::1", "fe80::1", "ff02::1", "fd12::1"),
)
lists_of_cidrs = st.lists(st.lists(st.sampled_from(WIDE), min_size=1, max_size=3), min_size=1, max_size=3)


@settings(deadline=None, max_examples=200)
@given(lists_of_cidrs, st.sampled_from((CLUSTER, (*CLUSTER, "fd12::/64"))), st.sampled_from(SAMPLES))
def test_stated_ranges_are_exactly_what_the_process_lets_through(
    cidrs: list[list[str]], cluster: tuple[str, ...], address: str
) -> None:
    process = OutsideHosts(EffectiveEgress(cidrs=cidrs), cluster)
    assert lets(outside(cidrs, cluster), address) == process.admits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", SAMPLES)
def test_without_an_opinion_nothing_is_let_through_that_the_process_refuses(address: str) -> None:
    process = OutsideHosts(EffectiveEgress(), CLUSTER)
    assert not lets(outside(None, CLUSTER), address) or process.admits(ipaddress.ip_address(address))


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


@pytest.mark.parametrize("address", ["168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"])
def test_metadata_services_are_closed_whatever_is_stated(address: str) -> None:
    assert not lets(outside(EVERYTHING, CLUSTER), address)


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
    ],
)
def test_whether_stated_ranges_are_public(cidrs: list[list[str]], public: bool) -> None:
    assert within_public(cidrs) is public


def test_adjacent_and_nested_ranges_become_one() -> None:
    assert as_blocks(["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"]) == [{"cidr": "10.0.0.0/8"}]
