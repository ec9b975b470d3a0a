"""Gathers all that the plan of one agent may look at. Reads references, writes nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from regent_api.agent import AIAgentStatus
from regent_api.config import CONFIG_KEY, AgentConfig
from regent_api.objects import AIAgent, Valid
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.namespaces import Namespaces
from regent_operator.engine.ownership import owned
from regent_operator.engine.policies import Policies
from regent_operator.engine.references import Name, References, service_facts
from regent_operator.engine.resources import AGENTS, CONFIG_MAPS, DEPLOYMENTS, Key
from regent_operator.engine.store import Store
from regent_operator.engine.targetports import TargetPorts, named_ports
from regent_operator.plan.hosts import services_at, services_of, webhooks_of
from regent_operator.plan.inputs import AgentInputs, ServiceFacts
from regent_operator.plan.oidc import ConfigMapKey, key_sets_of

Object = dict[str, Any]
MOST_AT_WORK = 16
"""Configs that were read last; those of the workers' agents."""


class Gatherer:
    def __init__(
        self,
        client: ApiClient,
        store: Store,
        children: Children,
        namespaces: Namespaces,
        config_maps: References,
        services: References,
        target_ports: TargetPorts,
    ) -> None:
        self._client = client
        self._store = store
        self._children = children
        self._namespaces = namespaces
        self._config_maps = config_maps
        self._services = services
        self._target_ports = target_ports
        self._policies = Policies(client, store)

    def is_leaving(self, key: Key) -> bool:
        """Whether the agent goes with its whole namespace, so that healing its children would fight the deletion."""
        return self._namespaces.ends(key.namespace)

    async def inputs(self, key: Key, agent: AIAgent, cluster_domain: str) -> AgentInputs:
        """Of one moment as far as memory goes. Raises ApiError when a reference, or the namespace, cannot be read."""
        stored = self._store.get(key)
        if stored and self._children.get(ChildKey(CONFIG_MAPS.kind, key.namespace, key.name)) is None:
            await self._policies.catch_up(key.namespace, stored.version)
        policies = self._store.policies_for(key.namespace)
        key_sets = key_sets_of(policies)
        self._config_maps.use(key, frozenset(_config_maps_of(key, agent, key_sets)))
        instructions = await self._instructions(key, agent)
        route = self._store.route(key.namespace, agent.spec.model_route_ref.name)
        wanted = services_of(agent.spec, route.spec if isinstance(route, Valid) else None, cluster_domain)
        wanted |= services_at(webhooks_of(policies), cluster_domain)
        services = await self._service_facts(key, wanted)
        labels = self._namespaces.labels(key.namespace)
        if labels is None:
            raise ApiError(0, "NamespaceUnknown", f"the labels of namespace {key.namespace} are not known yet")
        return AgentInputs(
            agent=agent,
            namespace_labels=labels,
            policies=policies,
            route=route,
            instructions=instructions,
            services=services,
            key_sets={each: await self._text(*each) for each in sorted(key_sets)},
        )

    async def with_last(self, inputs: AgentInputs, status: AIAgentStatus | None, cluster_domain: str) -> AgentInputs:
        """The inputs, and what the agent runs now. Needed only where something is missing or invalid."""
        meta = inputs.agent.metadata
        deployment = self._children.deployment(meta.namespace, meta.name)
        inputs = replace(inputs, live_credentials=deployment.credentials if deployment else None)
        last = await self.last(inputs.agent, status)
        if last is None:
            return inputs
        urls = [provider.base_url for provider in last.route.providers]
        urls += [alert.webhook for alert in last.policy.audit.alerts if alert.webhook]
        named = services_at(urls, cluster_domain)
        services = await self._service_facts(
            Key(AGENTS.kind, meta.namespace, meta.name), frozenset({*inputs.services, *named})
        )
        policies = tuple((status.policies if status else None) or ())
        return replace(inputs, last=last, last_policies=policies, services=services)

    async def last(self, agent: AIAgent, status: AIAgentStatus | None) -> AgentConfig | None:
        """What the agent runs: what we wrote since we lead, or what stands there and bears the digests of the status.

        Anything else in the ConfigMap was put there by another's hand and is no base for a plan. Raises ApiError.
        """
        meta = agent.metadata
        key = ChildKey(CONFIG_MAPS.kind, meta.namespace, meta.name)
        child = self._children.get(key)
        if child is None or child.owner != meta.uid:
            return None
        written = self._children.written_config(meta.namespace, meta.name)
        if written is not None:
            return _parsed(written)
        live = await self._children.answer(key, self._client.get(CONFIG_MAPS, meta.namespace, meta.name))
        if live is None or self._children.read(CONFIG_MAPS, live).owner != meta.uid:
            return None
        found = _parsed((live.get("data") or {}).get(CONFIG_KEY, ""))
        stated = status.digests if status else None
        return found if found is not None and found.digests() == stated else None

    async def live_deployment(self, agent: AIAgent) -> Object | None:
        """Our fields of the agent's Deployment as it is; None: it is gone, or another's. Raises ApiError."""
        meta = agent.metadata
        key = ChildKey(DEPLOYMENTS.kind, meta.namespace, meta.name)
        live = await self._children.answer(key, self._client.get(DEPLOYMENTS, meta.namespace, meta.name))
        if live is None or self._children.read(DEPLOYMENTS, live).owner != meta.uid:
            return None
        return owned(live)

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._config_maps.use(key, frozenset())
        self._services.use(key, frozenset())

    async def _instructions(self, key: Key, agent: AIAgent) -> str | None:
        reference = agent.spec.instructions.config_map_key_ref
        if reference is None:
            return agent.spec.instructions.inline
        return await self._text(key.namespace, reference.name, reference.key)

    async def _text(self, namespace: str, name: str, key: str) -> str | None:
        """What a ConfigMap holds under a key; None: it does not exist."""
        found = await self._config_maps.read((namespace, name))
        return (found.get("data") or {}).get(key) if found else None

    async def _service_facts(self, key: Key, wanted: frozenset[str]) -> dict[str, ServiceFacts | None]:
        names = {service: (service.split("/")[0], service.split("/")[1]) for service in wanted}
        self._services.use(key, frozenset(names.values()))
        return {service: await self._facts_of(name) for service, name in names.items()}

    async def _facts_of(self, name: Name) -> ServiceFacts | None:
        service = await self._services.read(name)
        ports = named_ports(service)
        named = await self._target_ports.of(name, ports) if ports else {}
        return service_facts(service, named)


def _config_maps_of(key: Key, agent: AIAgent, key_sets: Iterable[ConfigMapKey]) -> Iterator[Name]:
    """Every one that the plan of the agent looks at."""
    reference = agent.spec.instructions.config_map_key_ref
    if reference is not None:
        yield key.namespace, reference.name
    yield from ((namespace, name) for namespace, name, _ in key_sets)


@lru_cache(maxsize=MOST_AT_WORK)
def _parsed(text: str) -> AgentConfig | None:
    """One look at an edit asks twice: for what was let through, and for what is let through more."""
    try:
        return AgentConfig.model_validate_json(text)
    except ValidationError:
        return None
