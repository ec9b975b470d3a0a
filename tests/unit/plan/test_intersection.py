import ipaddress
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.addresses import network
from regent_api.types import glob_matches, host_matches
from regent_operator.plan.intersection import (
    MOST_PAIRS,
    TooManyCombinationsError,
    both_globs,
    both_hosts,
    both_namespaces,
    both_networks,
    intersect,
)
from tests.unit.plan.policies import CIDRS

laws = settings(deadline=None, max_examples=100)
globs = st.text("ab*", min_size=1, max_size=4)
texts = st.text("ab", max_size=6)
host_patterns = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).flatmap(
    lambda labels: st.sampled_from((".".join(labels), "*." + ".".join(labels)))
)
hosts = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)


def test_nothing_to_intersect_lets_nothing_through() -> None:
    assert intersect([], both_namespaces) == frozenset()


def test_a_single_list_is_its_own_intersection() -> None:
    assert intersect([["acme", "blue"]], both_namespaces) == {"acme", "blue"}


def test_every_namespace_and_one_is_the_one() -> None:
    assert intersect([["*"], ["acme"]], both_namespaces) == {"acme"}


@laws
@given(globs, globs, texts)
def test_a_text_that_two_globs_match_proves_that_they_overlap(one: str, other: str, text: str) -> None:
    if glob_matches(one, text) and glob_matches(other, text):
        assert both_globs(frozenset({one}), frozenset({other})) is not None


@laws
@given(globs, globs)
def test_globs_that_overlap_have_a_text_in_common(one: str, other: str) -> None:
    if both_globs(frozenset({one}), frozenset({other})) is None:
        return
    literals = [glob for glob in (one, other) if "*" not in glob]
    common = literals[0] if literals else _witness(one, other)
    assert glob_matches(one, common)
    assert glob_matches(other, common)


@laws
@given(host_patterns, host_patterns, hosts)
def test_the_common_host_pattern_matches_exactly_what_both_match(one: str, other: str, host: str) -> None:
    common = both_hosts(one, other)
    matched = common is not None and host_matches(common, host)
    assert matched == (host_matches(one, host) and host_matches(other, host))


@laws
@given(st.sampled_from(CIDRS), st.sampled_from(CIDRS), st.ip_addresses())
def test_the_common_range_holds_exactly_what_both_hold(one: str, other: str, address: ipaddress.IPv4Address) -> None:
    common = both_networks(network(one), network(other))
    assert (common is not None and address in common) == (address in network(one) and address in network(other))


def test_more_parts_than_asked_for_are_an_error() -> None:
    parts = [frozenset({f"a{n}*"}) for n in range(40)]
    others = [frozenset({f"*b{n}"}) for n in range(40)]
    with pytest.raises(TooManyCombinationsError):
        intersect([parts, others], both_globs)


def test_lists_that_would_take_long_are_not_compared_to_their_end() -> None:
    """Two policies of 32 hosts with 32 models each make a million pairs, and each further one as many again."""
    asked: Counter[str] = Counter()

    def both(one: str, other: str) -> str | None:
        asked["pairs"] += 1
        return one if one == other else None

    many = [f"p{number}" for number in range(1024)]
    with pytest.raises(TooManyCombinationsError):
        intersect([many] * 5, both)
    with pytest.raises(TooManyCombinationsError):
        intersect([many[:120]] * 5, both)
    assert asked["pairs"] <= MOST_PAIRS


def _witness(one: str, other: str) -> str:
    """Heads, then all that stands between, then tails."""
    (head, *middle, tail), (other_head, *other_middle, other_tail) = one.split("*"), other.split("*")
    return "".join([max(head, other_head, key=len), *middle, *other_middle, max(tail, other_tail, key=len)])
