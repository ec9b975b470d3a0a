"""From manifests to AgentConfigs, by the plan that the operator uses: one agent here is one agent there.

Only the surroundings differ: the issuer and keys of callers' tokens are this command's own, loopback is the cluster,
and where the manifests state no floor policy the chart's default floor holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regent_api.config import AgentConfig, RouteConfig, StateConfig
from regent_api.objects import AgentPolicy, AIAgent, Invalid
from regent_api.types import CLUSTER_DOMAIN, in_cluster
from regent_operator.cli import demo_model
from regent_operator.cli.bundle import Bundle, gather
from regent_operator.cli.manifests import ManifestError, read
from regent_operator.cli.tokens import ISSUER
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.config import declared_route
from regent_operator.plan.hosts import host_of
from regent_operator.plan.inputs import AgentInputs, Installation, ServiceFacts
from regent_operator.plan.oidc import ConfigMapKey, key_sets_of

FLOOR = Path(__file__).with_name("floor.yaml")
LOOPBACK_CIDRS = ("127.0.0.0/8",)


class AgentMissingError(Exception):
    """The manifests hold no such agent."""


@dataclass(frozen=True)
class LocalPlan:
    """One agent as it will run here. `model_hosts`: hosts that the demo model stands in for, on this machine."""

    config: AgentConfig
    model_hosts: frozenset[str]
    notes: tuple[str, ...]
    """What the user should know: providers that the policies exclude, Services that are not here."""


def plan_all(bundle: Bundle, chosen: str | None, floor_namespace: str, jwks: Mapping[str, Any]) -> dict[str, LocalPlan]:
    """The agents by NAMESPACE/NAME; `chosen` (NAME or NAMESPACE/NAME) cuts them down to one.

    Raises AgentMissingError, and ManifestError for what the operator would report as a condition.
    """
    installation = local_installation(floor_namespace, jwks)
    return {key: _local(bundle, plan_one(bundle, agent, installation)) for key, agent in choose(bundle, chosen).items()}


def choose(bundle: Bundle, chosen: str | None) -> dict[str, AIAgent]:
    """The agents of a name (NAME or NAMESPACE/NAME), or all. Raises AgentMissingError."""
    agents = {key: agent for key, agent in bundle.agents.items() if chosen in {None, key, agent.metadata.name}}
    if not agents:
        raise AgentMissingError(f"no AIAgent{f' {chosen}' if chosen else ''} in the manifests")
    return agents


def local_installation(floor_namespace: str, jwks: Mapping[str, Any]) -> Installation:
    """A machine without a cluster in the cluster's place. `jwks`: the keys of callers' tokens."""
    return Installation(
        namespace=floor_namespace, runtime_image="none", issuer=ISSUER, jwks=jwks, cluster_cidrs=LOOPBACK_CIDRS
    )


def plan_one(bundle: Bundle, agent: AIAgent, installation: Installation) -> AgentPlan:
    """As the operator would plan it; its problems are in the plan."""
    namespace = agent.metadata.namespace
    policies = (*_floor(bundle, installation.namespace), *bundle.policies.values())
    route = bundle.routes.get(f"{namespace}/{agent.spec.model_route_ref.name}")
    return plan_agent(
        AgentInputs(
            agent=agent,
            namespace_labels=bundle.labels_of_namespace(namespace),
            policies=tuple(p for p in policies if p.metadata.namespace in {namespace, installation.namespace}),
            route=route,
            instructions=_instructions(bundle, agent),
            services=_services(bundle),
            key_sets=key_sets(bundle, policies),
        ),
        installation,
    )


def config_of(bundle: Bundle, chosen: str, floor_namespace: str) -> AgentConfig:
    """The config of one agent. Raises AgentMissingError, and ManifestError where the operator would make none."""
    (agent, *others) = choose(bundle, chosen).values()
    if others:
        raise AgentMissingError(f"{chosen} is the name of several agents; write NAMESPACE/NAME")
    plan = plan_one(bundle, agent, local_installation(floor_namespace, {"keys": []}))
    if plan.config is None:
        raise ManifestError(*_words(plan))
    return plan.config


def declared_of(bundle: Bundle, config: AgentConfig) -> RouteConfig:
    """The route that a config of `config_of` was made from, as its author wrote it."""
    route = bundle.routes[f"{config.agent.namespace}/{config.route.name}"]
    return declared_route(route.metadata.name, route.spec)


def key_sets(bundle: Bundle, policies: Iterable[AgentPolicy | Invalid]) -> dict[ConfigMapKey, str | None]:
    """AgentInputs.key_sets of the manifests."""
    return {key: _text(bundle, *key) for key in key_sets_of(policies)}


def _local(bundle: Bundle, plan: AgentPlan) -> LocalPlan:
    route = plan.inputs.route
    if plan.config is None or route is None or isinstance(route, Invalid):
        raise ManifestError(*_words(plan))
    hosts = demo_model.served_hosts(bundle, route)
    config, notes = _alone(plan.config)
    return LocalPlan(config, hosts, (*_words(plan), *plan.excluded, *_absent(config, hosts), *notes))


def _alone(config: AgentConfig) -> tuple[AgentConfig, tuple[str, ...]]:
    """One process keeps its own state where the agent's is a Service of a cluster."""
    redis = config.state.redis
    if redis is not None and in_cluster(host_of(redis.url), CLUSTER_DOMAIN) is None:
        return config, ()
    words = f"AIAgent {config.agent.namespace}/{config.agent.name}: spec.state.redis does not run here: this process"
    alone = config.model_copy(update={"state": StateConfig(conversations=True)})
    return alone, (f"{words} keeps its own state",) if redis else ()


def _floor(bundle: Bundle, namespace: str) -> tuple[AgentPolicy, ...]:
    if any(policy.metadata.namespace == namespace for policy in bundle.policies.values()):
        return ()
    return tuple(gather(*read([FLOOR]), namespace).policies.values())


def _instructions(bundle: Bundle, agent: AIAgent) -> str | None:
    reference = agent.spec.instructions.config_map_key_ref
    if reference is None:
        return agent.spec.instructions.inline
    return _text(bundle, agent.metadata.namespace, reference.name, reference.key)


def _text(bundle: Bundle, namespace: str, name: str, key: str) -> str | None:
    """What a ConfigMap holds under a key."""
    return bundle.config_maps.get(f"{namespace}/{name}", {}).get(key)


def _services(bundle: Bundle) -> dict[str, ServiceFacts | None]:
    return {key: _facts(service.get("spec") or {}) for key, service in bundle.services.items()}


def _facts(spec: Mapping[str, Any]) -> ServiceFacts:
    """There is no network to open here, so the port in the pods does not matter."""
    return ServiceFacts(
        selector=spec.get("selector") or {},
        target_ports={port["port"]: (port["port"],) for port in spec.get("ports") or []},
        external_name=spec.get("type") == "ExternalName",
    )


def _words(plan: AgentPlan) -> tuple[str, ...]:
    return tuple(f"AIAgent {plan.agent.metadata.key}: {p.reason}: {p.message}" for p in plan.problems)


def _absent(config: AgentConfig, replaced: frozenset[str]) -> tuple[str, ...]:
    """In-cluster providers that nothing on this machine stands in for."""
    return tuple(
        f"AIAgent {config.agent.namespace}/{config.agent.name}: provider {provider.name} is the Service "
        f"{provider.host}, which does not run here: attempts at it fail, and its rule's next provider takes over"
        for provider in config.route.providers
        if provider.host not in replaced and in_cluster(provider.host, CLUSTER_DOMAIN)
    )
