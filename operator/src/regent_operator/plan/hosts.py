"""Hosts of providers, webhooks and the state: which are Services of the cluster, and on which ports they listen."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from regent_api.agent import AIAgentSpec
from regent_api.objects import AgentPolicy, Invalid
from regent_api.route import ModelRouteSpec
from regent_api.types import in_cluster

_PORTS = {"https": 443, "http": 80, "redis": 6379, "rediss": 6379}


def host_of(base_url: str) -> str:
    return urlsplit(base_url).hostname or ""


def port_of(base_url: str) -> int:
    """The URL's port, or its scheme's."""
    parts = urlsplit(base_url)
    return parts.port or _PORTS[parts.scheme]


def services_of(agent: AIAgentSpec, route: ModelRouteSpec | None, cluster_domain: str) -> frozenset[str]:
    """`NAMESPACE/NAME` of the Services whose selectors and ports the plan wants to know (AgentInputs.services)."""
    urls = [provider.base_url for provider in route.providers] if route else []
    urls += [agent.state.redis.url] if agent.state else []
    return services_at(urls, cluster_domain)


def services_at(urls: Iterable[str], cluster_domain: str) -> frozenset[str]:
    """`NAMESPACE/NAME` of those that are of the cluster."""
    named = (in_cluster(host_of(url), cluster_domain) for url in urls)
    return frozenset(service for service in named if service is not None)


def webhooks_of(policies: Iterable[AgentPolicy | Invalid]) -> Iterator[str]:
    """Of all alerts that some policies state."""
    for policy in policies:
        audit = None if isinstance(policy, Invalid) else policy.spec.audit
        yield from (alert.webhook for alert in (audit and audit.alerts) or [] if alert.webhook)
