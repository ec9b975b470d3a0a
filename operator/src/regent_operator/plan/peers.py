"""Who may connect to an agent, as peers of a NetworkPolicy: the exact intersection of what the policies say."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from regent_api.effective import EffectiveCallers
from regent_api.policy import Peer
from regent_api.types import LabelSelector
from regent_operator.plan.intersection import (
    TooManyCombinationsError,
    both_namespaces,
    both_service_accounts,
    intersect,
    service_accounts,
)

NAMESPACE_NAME = "kubernetes.io/metadata.name"

MOST_PEERS = 256
"""More would make an object that no enforcer likes; the conflict is reported, see `too_many_peers`."""

Requirement = tuple[str, str, tuple[str, ...]]
"""Key, operator, values."""
Requirements = tuple[frozenset[Requirement], frozenset[Requirement]]
"""Of the namespace, of the pod."""


def peers(callers: EffectiveCallers, agent_namespace: str) -> list[dict[str, Any]]:
    """Peers for the agent's port: the namespaces of the ServiceAccounts, and `ingressFrom`. Empty: nobody."""
    namespaces = sorted(_namespaces(callers, agent_namespace))
    listed = [namespace_peer(namespaces)] if namespaces else []
    try:
        return [*listed, *_ingress_from(callers, agent_namespace)]
    except TooManyCombinationsError:
        return listed


def too_many_peers(callers: EffectiveCallers, agent_namespace: str) -> bool:
    """Whether `ingressFrom` of all policies together has more than MOST_PEERS combinations; then it lets nobody in."""
    try:
        _ingress_from(callers, agent_namespace)
    except TooManyCombinationsError:
        return True
    return False


def nobody_connects(callers: EffectiveCallers, agent_namespace: str) -> bool:
    """Whether `ingressFrom` is stated, and certainly lets nobody in: the policies' peers have no pod in common."""
    try:
        return bool(callers.ingress_from) and not _ingress_from(callers, agent_namespace)
    except TooManyCombinationsError:
        return False


def never_matches(selector: LabelSelector) -> bool:
    """Whether no labels can satisfy a selector."""
    return _contradicts(frozenset(_flat(selector)))


def namespace_peer(namespaces: Iterable[str]) -> dict[str, Any]:
    """Every pod of the namespaces; `*` among them: of every namespace."""
    values = list(namespaces)
    if "*" in values:
        return {"namespaceSelector": {}}
    requirement = {"key": NAMESPACE_NAME, "operator": "In", "values": values}
    return {"namespaceSelector": {"matchExpressions": [requirement]}}


def _namespaces(callers: EffectiveCallers, agent_namespace: str) -> frozenset[str]:
    parts = [[service_accounts(grant, agent_namespace) for grant in grants] for grants in callers.service_accounts]
    try:
        return frozenset(namespace for namespace, _ in intersect(parts, both_service_accounts))
    except TooManyCombinationsError:
        return intersect([[namespace for namespace, _ in part] for part in parts], both_namespaces)


def _ingress_from(callers: EffectiveCallers, agent_namespace: str) -> list[dict[str, Any]]:
    if not callers.ingress_from:
        return []
    parts = [[_requirements(peer, agent_namespace) for peer in listed] for listed in callers.ingress_from]
    common = intersect(parts, _both, most=MOST_PEERS)
    made = ({"namespaceSelector": _selector(namespace), "podSelector": _selector(pod)} for namespace, pod in common)
    return sorted(made, key=lambda peer: json.dumps(peer, sort_keys=True))


def _requirements(peer: Peer, agent_namespace: str) -> Requirements:
    own = LabelSelector(match_labels={NAMESPACE_NAME: agent_namespace})
    return (
        frozenset(_flat(peer.namespace_selector or own)),
        frozenset(_flat(peer.pod_selector or LabelSelector())),
    )


def _flat(selector: LabelSelector) -> Iterator[Requirement]:
    for key, value in (selector.match_labels or {}).items():
        yield key, "In", (value,)
    for requirement in selector.match_expressions or []:
        yield requirement.key, requirement.operator.value, tuple(sorted(set(requirement.values or [])))


def _both(one: Requirements, other: Requirements) -> Requirements | None:
    namespace, pod = one[0] | other[0], one[1] | other[1]
    return None if _contradicts(namespace) or _contradicts(pod) else (namespace, pod)


def _contradicts(requirements: frozenset[Requirement]) -> bool:
    """Whether no label set can satisfy them all."""
    by_key: dict[str, list[Requirement]] = {}
    for requirement in requirements:
        by_key.setdefault(requirement[0], []).append(requirement)
    return any(_contradict(of_key) for of_key in by_key.values())


def _contradict(requirements: list[Requirement]) -> bool:
    operators = {operator for _, operator, _ in requirements}
    if "DoesNotExist" in operators and operators & {"In", "Exists"}:
        return True
    allowed = [set(values) for _, operator, values in requirements if operator == "In"]
    denied = [set(values) for _, operator, values in requirements if operator == "NotIn"]
    return bool(allowed) and not set.intersection(*allowed).difference(*denied)


def _selector(requirements: frozenset[Requirement]) -> dict[str, Any]:
    expressions = [
        {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
        for key, operator, values in sorted(requirements)
    ]
    return {"matchExpressions": expressions} if expressions else {}
