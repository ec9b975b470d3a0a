"""Hosts of providers: which of them are Services of the cluster, and on which ports they listen."""

from urllib.parse import urlsplit

from regent_api.route import ModelRouteSpec


def host_of(base_url: str) -> str:
    return urlsplit(base_url).hostname or ""


def port_of(base_url: str) -> int:
    """The URL's port, or its scheme's."""
    parts = urlsplit(base_url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def in_cluster(host: str, cluster_domain: str) -> str | None:
    """`NAMESPACE/NAME` of the Service that `[POD.]NAME.NAMESPACE.svc[.DOMAIN]` names; None: an outside host."""
    labels = host.removesuffix("." + cluster_domain).split(".")
    if len(labels) < 3 or labels[-1] != "svc":
        return None
    return f"{labels[-2]}/{labels[-3]}"


def services_of(route: ModelRouteSpec, cluster_domain: str) -> frozenset[str]:
    """`NAMESPACE/NAME` of the Services whose selectors and ports the plan wants to know (AgentInputs.services)."""
    named = (in_cluster(host_of(provider.base_url), cluster_domain) for provider in route.providers)
    return frozenset(service for service in named if service is not None)
