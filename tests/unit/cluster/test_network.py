"""The ranges of clusters keep clear of each other and of the host's."""

from ipaddress import IPv4Network
from itertools import combinations

from tests.cluster.network import NUMBERS, Network, is_free


def test_no_two_numbers_share_an_address() -> None:
    for one, other in combinations(NUMBERS, 2):
        assert is_free(Network(other), [IPv4Network(r) for r in Network(one).ranges])


def test_a_range_that_the_host_routes_to_is_taken() -> None:
    assert is_free(Network(210), [IPv4Network("192.0.2.0/24")])
    assert not is_free(Network(210), [IPv4Network("10.212.7.0/24")])
    assert not is_free(Network(210), [IPv4Network("10.0.0.0/8")])
