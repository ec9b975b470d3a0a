import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.effective import EffectiveEgress
from regent_runtime.addresses import DestinationRefused, InsideCluster, OutsideHosts, is_number

CLUSTER = ["10.96.0.0/12", "fd00:10::/32"]


def admitted(rule: InsideCluster | OutsideHosts, address: str) -> bool:
    try:
        rule.check(address)
    except DestinationRefused:
        return False
    return True


@pytest.mark.parametrize("address", ["10.96.0.1", "10.111.255.255", "fd00:10::1", "::ffff:10.96.0.1"])
def test_the_clusters_addresses_are_inside(address: str) -> None:
    assert admitted(InsideCluster(CLUSTER), address)


@pytest.mark.parametrize(
    "address", ["10.95.255.255", "8.8.8.8", "127.0.0.1", "fd00:11::1", "64:ff9b::a60:1", "nonsense", ""]
)
def test_all_else_is_not(address: str) -> None:
    assert not admitted(InsideCluster(CLUSTER), address)


def test_without_ranges_nothing_is_inside() -> None:
    assert not admitted(InsideCluster([]), "10.96.0.1")


def test_an_outside_host_is_public_unless_a_policy_names_ranges() -> None:
    anywhere = OutsideHosts(EffectiveEgress(), CLUSTER)
    assert admitted(anywhere, "8.8.8.8")
    assert not admitted(anywhere, "192.168.7.7")
    named = OutsideHosts(EffectiveEgress(cidrs=[["192.168.7.0/24"]]), CLUSTER)
    assert admitted(named, "192.168.7.7")
    assert not admitted(named, "8.8.8.8")


@pytest.mark.parametrize(
    ("cidrs", "address", "let"),
    [
        (None, "1.1.1.1", True),
        (None, "10.0.0.1", False),
        (None, "127.0.0.1", False),
        (None, "169.254.169.254", False),
        (None, "224.0.0.1", False),
        (None, "::1", False),
        (None, "fd00::1", False),
        ([["203.0.113.0/24"]], "203.0.113.9", True),
        ([["203.0.113.9/24"]], "203.0.113.1", True),
        ([["203.0.113.0/24"]], "1.1.1.1", False),
        ([["203.0.113.0/24"]], "2001:db8::1", False),
        ([["0.0.0.0/0"], ["203.0.113.0/24"]], "1.1.1.1", False),
        ([], "1.1.1.1", False),
    ],
)
def test_an_address_is_reachable_for_every_policy_or_not_at_all(
    cidrs: list[list[str]] | None, address: str, let: bool
) -> None:
    assert admitted(OutsideHosts(EffectiveEgress(cidrs=cidrs), []), address) is let


@pytest.mark.parametrize("cidrs", [["anywhere"], ["10.0.0.0/33"], [""]])
def test_a_range_that_is_none_is_refused_at_once(cidrs: list[str]) -> None:
    for made in (lambda: OutsideHosts(EffectiveEgress(cidrs=[cidrs]), []), lambda: InsideCluster(cidrs)):
        with pytest.raises(ValueError, match=r"."):
            made()


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("2130706433", True),
        ("127.1", True),
        ("0x7f.1", True),
        ("1.0x7f", True),
        ("127.0.0.1.", True),
        ("api.example.com", False),
        ("1.example", False),
        ("8x.example.0a", False),
        ("", False),
    ],
)
def test_a_host_whose_last_label_is_a_number_is_no_name(host: str, number: bool) -> None:
    assert is_number(host) is number


@given(st.ip_addresses())
def test_no_outside_host_ever_lies_in_the_cluster_or_on_the_node(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    everything = OutsideHosts(EffectiveEgress(cidrs=[["0.0.0.0/0", "::/0"]]), [*CLUSTER, "2000::/4", "100.0.0.0/6"])
    if (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or admitted(InsideCluster([*CLUSTER, "2000::/4", "100.0.0.0/6"]), str(address))
    ):
        assert not admitted(everything, str(address))


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_hides_nothing(address: ipaddress.IPv4Address) -> None:
    rule = OutsideHosts(EffectiveEgress(cidrs=[["0.0.0.0/0", "::/0"]]), CLUSTER)
    plain = admitted(rule, str(address))
    number = int(address)
    assert admitted(rule, str(ipaddress.IPv6Address(0xFFFF00000000 | number))) == plain
    assert admitted(rule, str(ipaddress.IPv6Address((0x64FF9B << 96) | number))) == plain
    assert not admitted(rule, str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))))
