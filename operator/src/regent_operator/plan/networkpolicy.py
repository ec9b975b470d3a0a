"""The NetworkPolicy: who may connect to the pods, and where the pods may connect to.

Addresses and ports only: which hosts behind a public address are let through is enforced in the process
(`egress.hosts`, `models.allow`). The parts of a NetworkPolicy are a union, so conjunctions are intersected exactly.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from regent_api.config import AgentConfig
from regent_api.objects import AIAgent
from regent_api.route import ProviderType
from regent_api.types import in_cluster
from regent_operator.plan import collector
from regent_operator.plan.child import HTTP_PORT, STATUS_PORT, child, selector
from regent_operator.plan.hosts import host_of, port_of
from regent_operator.plan.inputs import Installation, ServiceFacts
from regent_operator.plan.peers import namespace_peer, peers
from regent_operator.plan.ranges import as_blocks, outside
from regent_operator.plan.state import is_inside

Services = Mapping[str, ServiceFacts | None]


def build(agent: AIAgent, config: AgentConfig, services: Services, installation: Installation) -> dict[str, Any]:
    """`services`: AgentInputs.services. Without the facts of a Service the way to its pods stays closed."""
    return child(
        agent,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {"matchLabels": selector(agent)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(config, installation),
            "egress": _egress(config, services, installation),
        },
    )


def union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The spec that lets through what either of two specs does: in force while pods change from one to the other."""
    return {
        **other,
        "ingress": _distinct([*(other.get("ingress") or []), *(one.get("ingress") or [])]),
        "egress": _distinct([*(other.get("egress") or []), *(one.get("egress") or [])]),
    }


def unreachable(config: AgentConfig, services: Services, installation: Installation) -> tuple[str, ...]:
    """Words for each provider, and the state, within the cluster whose Service gives no way to its pods."""
    urls = {provider.name: provider.base_url for provider in config.route.providers}
    if config.state.redis is not None:
        urls["spec.state.redis"] = config.state.redis.url
    found = ((name, _unreachable(url, services, installation.cluster_domain)) for name, url in urls.items())
    return tuple(f"{name}: {why}" for name, why in found if why is not None)


def _ingress(config: AgentConfig, installation: Installation) -> list[dict[str, Any]]:
    callers = peers(config.policy.callers, config.agent.namespace)
    watchers = sorted({installation.namespace, *installation.monitoring_namespaces})
    rules = [{"from": callers, "ports": [_tcp(HTTP_PORT)]}] if callers else []
    return [*rules, {"from": [namespace_peer(watchers)], "ports": [_tcp(STATUS_PORT)]}]


def _egress(config: AgentConfig, services: Services, installation: Installation) -> list[dict[str, Any]]:
    rules = [_dns(installation)] if installation.dns_peers else []
    rules += collector.egress(installation)
    ports: set[int] = set()
    for provider in config.route.providers:
        if in_cluster(provider.host, installation.cluster_domain) is not None:
            rules += _to_service(provider.base_url, services, installation.cluster_domain)
        elif provider.type is ProviderType.LOCAL:
            rules += _to_blocks(as_blocks(config.cluster_cidrs), {port_of(provider.base_url)})
        else:
            ports.add(port_of(provider.base_url))
    if config.state.redis is not None:
        to_state, more = _to_state(config.state.redis.url, services, installation)
        rules += to_state
        ports |= more
    for url in _webhooks(config):
        if in_cluster(host_of(url), installation.cluster_domain) is not None:
            rules += _to_service(url, services, installation.cluster_domain)
        else:
            ports.add(port_of(url))
    blocks = outside(config.policy.egress.cidrs, config.cluster_cidrs)
    return _distinct([*rules, *_to_blocks(blocks, ports)])


def _webhooks(config: AgentConfig) -> list[str]:
    """Of alerts, where the policies' egress names the host; the pod posts to no other."""
    urls = {alert.webhook for alert in config.policy.audit.alerts if alert.webhook}
    return sorted(url for url in urls if config.policy.egress.names_host(host_of(url)))


def _dns(installation: Installation) -> dict[str, Any]:
    ports = [{"port": port, "protocol": protocol} for port in installation.dns_ports for protocol in ("UDP", "TCP")]
    return {"to": [dict(peer) for peer in installation.dns_peers], "ports": ports}


def _to_state(url: str, services: Services, installation: Installation) -> tuple[list[dict[str, Any]], set[int]]:
    """The way to the Redis, or the port on which it is reached outside."""
    host, port = host_of(url), port_of(url)
    if in_cluster(host, installation.cluster_domain) is not None:
        return _to_service(url, services, installation.cluster_domain), set()
    if is_inside(host, installation):
        return _to_blocks(as_blocks([host]), {port}), set()
    return [], {port}


def _to_service(url: str, services: Services, cluster_domain: str) -> list[dict[str, Any]]:
    if _unreachable(url, services, cluster_domain) is not None:
        return []
    key = in_cluster(host_of(url), cluster_domain) or ""
    facts = services[key]
    assert facts is not None  # noqa: S101  # _unreachable has looked
    namespace = key.split("/", maxsplit=1)[0]
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": dict(facts.selector)},
    }
    return [{"to": [peer], "ports": [_tcp(port) for port in facts.target_ports[port_of(url)]]}]


def _unreachable(url: str, services: Services, cluster_domain: str) -> str | None:
    key = in_cluster(host_of(url), cluster_domain)
    if key is None:
        return None
    facts = services.get(key)
    if facts is None:
        return f"the Service {key} does not exist or may not be read"
    if facts.external_name:
        return f"the Service {key} is an ExternalName, which is never followed"
    if not facts.selector:
        return f"the Service {key} has no selector, so its pods cannot be named in a NetworkPolicy"
    port = port_of(url)
    if port not in facts.target_ports:
        return f"the Service {key} has no port {port}"
    if not facts.target_ports[port]:
        return f"the Service {key} names its target port for {port}, and no pod of it is there to say its number"
    return None


def _to_blocks(blocks: Sequence[Mapping[str, Any]], ports: Collection[int]) -> list[dict[str, Any]]:
    """No rule where either is empty: in a NetworkPolicy an empty list means everything."""
    if not blocks or not ports:
        return []
    return [{"to": [{"ipBlock": block} for block in blocks], "ports": [_tcp(port) for port in sorted(ports)]}]


def _tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}


def _distinct(rules: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(rule, sort_keys=True): rule for rule in rules}.values())
