"""The demo model, run on this machine in the place of its Deployment.

Recognised by the manifests alone: a Local provider whose host is a Service of them, that selects the pods of a
Deployment of them, of which a container's image is named `regent-demo-model` (any registry before it, any tag or digest
after it). Nothing else is ever replaced: a provider whose Service is not here stays as it is, and fails.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from regent_api.config import AgentConfig, ProviderConfig
from regent_api.effective import Conjunction, EffectivePolicy
from regent_api.objects import ModelRoute
from regent_api.policy import ModelAllow
from regent_api.route import ProviderType
from regent_api.types import CLUSTER_DOMAIN, host_matches, in_cluster
from regent_operator.cli.bundle import Bundle
from regent_operator.cli.process import LOOPBACK, Child, ChildError
from regent_operator.plan.hosts import host_of

IMAGE = re.compile(r"(.*/)?regent-demo-model([:@].*)?")
START_SECONDS = 120.0


def served_hosts(bundle: Bundle, route: ModelRoute) -> frozenset[str]:
    """Hosts of the route's Local providers behind which the manifests run the demo model."""
    hosts = (host_of(p.base_url) for p in route.spec.providers if p.type is ProviderType.LOCAL)
    return frozenset(host for host in hosts if _is_demo_model(bundle, host))


def start(port: int, log: Path) -> Child:
    """Start it and wait until it answers. Raises ChildError."""
    if importlib.util.find_spec("regent_demo_model") is None:
        raise ChildError("the manifests run the demo model, which is not installed here; install regent-demo-model")
    command = [sys.executable, "-I", "-m", "regent_demo_model", "--host", LOOPBACK, "--port", str(port)]
    child = Child("the demo model", command, log=log)
    try:
        child.wait_for(port, "/health", START_SECONDS)
    except BaseException:
        child.stop()
        raise
    return child


def stand_in(config: AgentConfig, hosts: frozenset[str], port: int) -> AgentConfig:
    """The config with these hosts' Local providers at a loopback port: all that the policy says of the host holds for
    loopback, and nothing more, and loopback is all that counts as the cluster.
    """
    if not hosts:
        return config
    providers = [_moved(provider, hosts, port) for provider in config.route.providers]
    route = config.route.model_copy(update={"providers": providers})
    return config.model_copy(update={"route": route, "policy": _said_of_loopback(config.policy, hosts)})


def _is_demo_model(bundle: Bundle, host: str) -> bool:
    service = in_cluster(host, CLUSTER_DOMAIN) or ""
    selector = bundle.services.get(service, {}).get("spec", {}).get("selector")
    if not selector:
        return False
    namespace = service.partition("/")[0]
    return any(
        IMAGE.fullmatch(image) for labels, image in _containers(bundle, namespace) if selector.items() <= labels.items()
    )


def _containers(bundle: Bundle, namespace: str) -> Iterator[tuple[Mapping[str, str], str]]:
    """Pod labels and image of each container of the namespace's Deployments."""
    for key, deployment in bundle.deployments.items():
        if key.startswith(f"{namespace}/"):
            template: Mapping[str, Any] = deployment.get("spec", {}).get("template", {})
            for container in template.get("spec", {}).get("containers", []):
                yield template.get("metadata", {}).get("labels", {}), str(container.get("image", ""))


def _moved(provider: ProviderConfig, hosts: frozenset[str], port: int) -> ProviderConfig:
    if provider.type is not ProviderType.LOCAL or provider.host not in hosts:
        return provider
    return provider.model_copy(update={"base_url": f"http://{LOOPBACK}:{port}{urlsplit(provider.base_url).path}"})


def _said_of_loopback(policy: EffectivePolicy, hosts: frozenset[str]) -> EffectivePolicy:
    models = policy.models.model_copy(
        update={
            "local_hosts": _with_loopback(policy.models.local_hosts, hosts),
            "allow": None
            if policy.models.allow is None
            else [_allowing(list_, hosts) for list_ in policy.models.allow],
        }
    )
    hosts_let = policy.egress.hosts
    egress = policy.egress.model_copy(update={"hosts": None if hosts_let is None else _with_loopback(hosts_let, hosts)})
    return policy.model_copy(update={"models": models, "egress": egress})


def _with_loopback(lists: Conjunction[str], hosts: frozenset[str]) -> Conjunction[str]:
    def names_one(patterns: list[str]) -> bool:
        return any(host_matches(pattern, host) for pattern in patterns for host in hosts)

    return [[*patterns, LOOPBACK] if names_one(patterns) else patterns for patterns in lists]


def _allowing(entries: list[ModelAllow], hosts: frozenset[str]) -> list[ModelAllow]:
    named = [entry for entry in entries if any(host_matches(entry.host, host) for host in hosts)]
    return [*entries, *(entry.model_copy(update={"host": LOOPBACK}) for entry in named)]
