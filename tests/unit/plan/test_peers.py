from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.effective import EffectiveCallers
from regent_api.policy import Peer
from regent_api.types import LabelSelector, Opinion
from regent_operator.plan.peers import MOST_PEERS, NAMESPACE_NAME, peers, too_many_peers
from tests.enforces import enforces

Labels = dict[str, str]


def callers(
    accounts: list[list[dict[str, str]]] | None = None, ingress: list[list[dict[str, Any]]] | None = None
) -> EffectiveCallers:
    return EffectiveCallers.model_validate(
        {
            "serviceAccounts": [[{"name": "*"}]] if accounts is None else accounts,
            "anonymous": Opinion.DENY,
            "mayInstruct": Opinion.DENY,
            "ingressFrom": ingress or [],
        }
    )


def lets(listed: list[dict[str, Any]], namespace: Labels, pod: Labels) -> bool:
    """What a NetworkPolicy's peers let through."""
    return any(
        LabelSelector.model_validate(peer["namespaceSelector"]).matches(namespace)
        and LabelSelector.model_validate(peer.get("podSelector", {})).matches(pod)
        for peer in listed
    )


def in_namespace(name: str, **labels: str) -> Labels:
    return {NAMESPACE_NAME: name, **labels}


def test_callers_of_the_agents_own_namespace() -> None:
    assert peers(callers(), "acme") == [
        {"namespaceSelector": {"matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": ["acme"]}]}}
    ]


def test_callers_of_every_namespace() -> None:
    assert peers(callers([[{"namespace": "*", "name": "*"}]]), "acme") == [{"namespaceSelector": {}}]


def test_two_lists_let_in_only_the_namespaces_that_both_name() -> None:
    both = [
        [{"namespace": "blue", "name": "*"}, {"namespace": "core", "name": "*"}],
        [{"namespace": "*", "name": "front"}, {"name": "*"}],
    ]
    found = peers(callers(both), "acme")
    assert [lets(found, in_namespace(name), {}) for name in ("blue", "core", "acme")] == [True, True, False]


def test_a_namespace_whose_accounts_have_no_name_in_common_stays_out() -> None:
    both = [[{"namespace": "blue", "name": "front"}], [{"namespace": "blue", "name": "back"}]]
    assert peers(callers(both), "acme") == []


def test_lists_too_large_to_intersect_still_give_namespaces() -> None:
    heads = [{"namespace": "blue", "name": f"a{n}*"} for n in range(64)]
    tails = [{"namespace": "*", "name": f"*b{n}"} for n in range(64)]
    assert lets(peers(callers([heads, tails]), "acme"), in_namespace("blue"), {})
    assert not lets(peers(callers([heads, tails]), "acme"), in_namespace("acme"), {})


def test_an_empty_conjunction_lets_nobody_in() -> None:
    assert peers(callers([]), "acme") == []


@enforces("callers.ingressFrom.podSelector")
def test_peers_without_namespace_selector_are_of_the_agents_namespace() -> None:
    found = peers(callers([], [[{"podSelector": {"matchLabels": {"app": "gate"}}}]]), "acme")
    assert lets(found, in_namespace("acme"), {"app": "gate"})
    assert not lets(found, in_namespace("blue"), {"app": "gate"})
    assert not lets(found, in_namespace("acme"), {"app": "other"})


@enforces("callers.ingressFrom.namespaceSelector")
def test_contradicting_peers_let_nobody_in() -> None:
    one = [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]
    other = [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]
    assert peers(callers([], [one, other]), "acme") == []


def test_too_many_combinations_let_nobody_in_and_are_told() -> None:
    lists = [[{"namespaceSelector": {"matchLabels": {f"k{which}": str(n)}}} for n in range(16)] for which in range(3)]
    assert too_many_peers(callers([], lists), "acme")
    assert peers(callers([], lists), "acme") == []
    assert not too_many_peers(callers([], lists[:2]), "acme")
    assert len(peers(callers([], lists[:2]), "acme")) == MOST_PEERS


expressions = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        st.sampled_from("ab"),
        st.sampled_from(("In", "NotIn")),
        st.lists(st.sampled_from("xy"), min_size=1, max_size=2),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        st.sampled_from("ab"),
        st.sampled_from(("Exists", "DoesNotExist")),
    ),
)
selectors = st.lists(expressions, min_size=1, max_size=2).map(lambda found: {"matchExpressions": found})
listed_peers = st.lists(
    st.fixed_dictionaries({}, optional={"namespaceSelector": selectors, "podSelector": selectors}),
    min_size=1,
    max_size=2,
)
some_labels = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xyz"))


@settings(deadline=None, max_examples=60)
@given(st.lists(listed_peers, min_size=1, max_size=3), st.sampled_from(("acme", "blue")), some_labels, some_labels)
def test_the_intersection_lets_in_exactly_whom_every_list_lets_in(
    lists: list[list[dict[str, Any]]], namespace: str, labels: Labels, pod: Labels
) -> None:
    def in_list(listed: list[dict[str, Any]]) -> bool:
        return any(_peer_lets(Peer.model_validate(peer), in_namespace(namespace, **labels), pod) for peer in listed)

    found = peers(callers([], lists), "acme")
    assert lets(found, in_namespace(namespace, **labels), pod) == all(map(in_list, lists))


def _peer_lets(peer: Peer, namespace: Labels, pod: Labels) -> bool:
    own = peer.namespace_selector is not None or namespace[NAMESPACE_NAME] == "acme"
    of_namespace = peer.namespace_selector is None or peer.namespace_selector.matches(namespace)
    return own and of_namespace and (peer.pod_selector is None or peer.pod_selector.matches(pod))
