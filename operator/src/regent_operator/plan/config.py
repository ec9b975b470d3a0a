"""AgentConfig: what an agent's pods are given, from its spec, its route and its effective policy.

`fresh` is made when everything is there; `tightened` when something is missing or invalid: the last config, which may
only become stricter. Beside declarations only what the cluster says of itself enters (issuer and keys of tokens, its
ranges); nothing of pods or children does, so equal declarations in one cluster have an equal digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from regent_api.agent import AgentParameters
from regent_api.batch import Batch, Grouping
from regent_api.capabilities import Capabilities
from regent_api.config import (
    AgentConfig,
    AgentIdentity,
    AzureConfig,
    BatchConfig,
    CapabilitiesConfig,
    CredentialFile,
    PromptConfig,
    ProviderConfig,
    RouteConfig,
    RuleConfig,
    TimeoutsConfig,
    TokenTrust,
)
from regent_api.effective import EffectivePolicy
from regent_api.model import Model
from regent_api.objects import AIAgent
from regent_api.prompt import Prompt, WhenTooLong
from regent_api.route import (
    AZURE_V1,
    TIMEOUT_DEFAULTS,
    AzureDeployment,
    Match,
    ModelRouteSpec,
    Provider,
    ProviderType,
    Rule,
    Strategy,
)
from regent_api.types import CLUSTER_DOMAIN, Sensitivity, in_cluster
from regent_operator.plan import attempting, prices
from regent_operator.plan.hosts import host_of
from regent_operator.plan.inputs import Installation
from regent_operator.plan.policy import InForce, shadows
from regent_operator.plan.reading import Reading
from regent_operator.plan.remembered import Remembered, Shared
from regent_operator.plan.state import drain_config, state_config

Number = TypeVar("Number", int, float)
Part = TypeVar("Part", bound=Model)


def fresh(
    agent: AIAgent,
    instructions: str,
    route: RouteConfig,
    rules: InForce,
    audited: Iterable[Reading],
    installation: Installation,
) -> AgentConfig:
    """The config of an agent whose references are resolved. `route` is already cut by the policy."""
    metadata, spec = agent.metadata, agent.spec
    parameters = spec.parameters or AgentParameters()
    return AgentConfig.model_construct(  # of parts that are valid, and that all agents share: none is copied
        agent=AgentIdentity(namespace=metadata.namespace, name=metadata.name),
        instructions=instructions,
        sensitivity=spec.sensitivity,
        temperature=parameters.temperature,
        max_output_tokens=parameters.max_output_tokens,
        prompt=_prompt(agent),
        batch=_once(BatchConfig(grouping=_grouping(agent))),
        suspended=bool(spec.suspend),
        policy=rules.policy,
        sources=rules.sources,
        shadows=shadows(rules, audited),
        route=route,
        state=_once(state_config(agent)),
        drain=_once(drain_config(agent)),
        tokens=_tokens(installation),
        cluster_cidrs=list(installation.cluster_cidrs),
        cluster_domain=_cluster_domain(agent, route, rules, installation),
    )


def _prompt(agent: AIAgent) -> PromptConfig:
    """Instructions are an agent's own, and long: what nobody shares is not remembered."""
    short = agent.spec.instructions.short
    made = PromptConfig(when_too_long=_when_too_long(agent), short_instructions=short)
    return made if short else _once(made)


def _once(part: Part) -> Part:
    """The very same for equal ones: most agents' are alike."""
    return cast("Part", _parts.of(type(part), *vars(part).values(), make=lambda: part))


_parts: Shared[Model] = Shared()


def tightened(
    last: AgentConfig,
    agent: AIAgent,
    route: RouteConfig,
    rules: InForce,
    audited: Iterable[Reading],
    installation: Installation,
) -> AgentConfig:
    """The last config, made stricter where agent and policies ask for it now; keys and ranges of the cluster follow.

    `route` is the last one, cut by the policy, which is never wider than the last.
    """
    parameters = agent.spec.parameters or AgentParameters()
    return last.model_copy(
        update={
            "sensitivity": max(last.sensitivity, agent.spec.sensitivity),
            "temperature": _smaller(last.temperature, parameters.temperature),
            "max_output_tokens": _smaller(last.max_output_tokens, parameters.max_output_tokens),
            "batch": last.batch if _grouping(agent) is Grouping.SIMILAR else BatchConfig(),
            "prompt": last.prompt if _when_too_long(agent) is WhenTooLong.SHORTEN else PromptConfig(),
            "suspended": bool(agent.spec.suspend),
            "policy": rules.policy,
            "sources": rules.sources,
            "shadows": shadows(rules, audited),
            "route": route,
            "state": state_config(agent),
            "drain": drain_config(agent),
            "tokens": _tokens(installation),
            "cluster_cidrs": list(installation.cluster_cidrs),
            "cluster_domain": _cluster_domain(agent, route, rules, installation),
        }
    )


def declared_route(name: str, spec: ModelRouteSpec) -> RouteConfig:
    """A route as its author wrote it, defaults filled in, providers by name: the form whose digest is its meaning."""
    return RouteConfig(
        name=name,
        providers=sorted((_provider(provider) for provider in spec.providers), key=lambda provider: provider.name),
        rules=[_rule(rule) for rule in spec.rules],
        fallback=attempting.fallback(spec),
        timeouts=_timeouts(spec),
        retries=attempting.retries(spec),
        circuit_breaker=attempting.circuit_breaker(spec),
    )


def cut(route: RouteConfig, policy: EffectivePolicy) -> tuple[RouteConfig, tuple[str, ...]]:
    """The route without the providers that the policy excludes, and words for each of those.

    A rule whose providers are all excluded stays, with no provider, and so denies its turns: if it vanished, they
    would fall to a later and laxer rule.
    """
    excluded = exclusions(route, policy)
    rules = [
        rule.model_copy(
            update={
                "providers": [name for name in rule.providers if name not in excluded],
                "weights": {name: weight for name, weight in rule.weights.items() if name not in excluded},
            }
        )
        for rule in route.rules
    ]
    kept = [provider for provider in route.providers if provider.name not in excluded]
    words = tuple(f"{name}: {why.words}" for name, why in excluded.items())
    return route.model_copy(update={"providers": kept, "rules": rules}), words


@dataclass(frozen=True)
class Exclusion:
    """Why a provider is no part of a config. `field`: of a policy."""

    field: str
    words: str


def exclusions(route: RouteConfig, policy: EffectivePolicy) -> dict[str, Exclusion]:
    """By the names of the providers that the policy excludes."""
    return {p.name: why for p in route.providers if (why := _exclusion(p, policy)) is not None}


def _exclusion(provider: ProviderConfig, policy: EffectivePolicy) -> Exclusion | None:
    host, model = provider.host, provider.model
    if not policy.models.admits(host, model):
        return Exclusion("models.allow", f"models.allow does not let {model} at {host}")
    if policy.budget.stated and provider.price is None:
        words = f"a budget needs a price, and nobody says what {model} costs; state it in the route"
        return Exclusion(policy.budget.stated[0], words)
    if not policy.egress.admits_host(host):
        return Exclusion("egress.hosts", f"egress.hosts does not let {host}")
    if provider.type is ProviderType.LOCAL and not policy.models.is_local_host(host):
        return Exclusion("models.localHosts", f"models.localHosts does not count {host} as local")
    return None


def _grouping(agent: AIAgent) -> Grouping:
    return (agent.spec.batch or Batch()).grouping or Grouping.NONE


def _when_too_long(agent: AIAgent) -> WhenTooLong:
    return (agent.spec.prompt or Prompt()).when_too_long or WhenTooLong.REFUSE


def _smaller(one: Number | None, other: Number | None) -> Number | None:
    """The smaller of both, where None sets no bound."""
    return min((bound for bound in (one, other) if bound is not None), default=None)


def _provider(provider: Provider) -> ProviderConfig:
    parameters = provider.parameters
    return ProviderConfig(
        name=provider.name,
        type=provider.type,
        base_url=provider.base_url,
        api=provider.api,
        model=provider.model,
        temperature=parameters.temperature if parameters else None,
        max_output_tokens=parameters.max_output_tokens if parameters else None,
        credentials=[
            CredentialFile(
                name=credential.name, secret=credential.secret_key_ref.name, key=credential.secret_key_ref.key
            )
            for credential in provider.credentials or []
        ],
        max_sensitivity=provider.max_sensitivity,
        azure=_azure(provider.azure) if provider.azure else None,
        capabilities=_capabilities(provider),
        passthrough=sorted(provider.passthrough or []),
        price=prices.in_force(provider),
        limits=provider.limits,
    )


def _capabilities(provider: Provider) -> CapabilitiesConfig:
    """The window of the table where the route states none."""
    stated = provider.capabilities or Capabilities()
    listed = prices.listed_window(provider) if stated.context_window is None else None
    return CapabilitiesConfig.model_validate(stated.wire()).model_copy(update={"listed_window": listed})


def _azure(azure: AzureDeployment) -> AzureConfig:
    dated = azure.api_version if azure.api_version != AZURE_V1 else None
    return AzureConfig(deployment=azure.deployment, api_version=dated)


def _rule(rule: Rule) -> RuleConfig:
    match = rule.match or Match()
    return RuleConfig(
        name=rule.name,
        at_least=match.sensitivity.at_least if match.sensitivity else Sensitivity.PUBLIC,
        when=match.when,
        providers=[reference.name for reference in rule.providers],
        strategy=rule.strategy or Strategy.ORDERED,
        weights={reference.name: weight for reference in rule.providers if (weight := reference.weight or 1) != 1},
    )


def _timeouts(spec: ModelRouteSpec) -> TimeoutsConfig:
    stated: Mapping[str, Any] = spec.timeouts.wire() if spec.timeouts else {}
    return TimeoutsConfig.model_validate(attempting.in_seconds({**TIMEOUT_DEFAULTS, **stated}))


def _cluster_domain(agent: AIAgent, route: RouteConfig, rules: InForce, installation: Installation) -> str:
    """Stated where a host means another thing by it: pods of the version before refuse what they do not know."""
    hosts = [provider.host for provider in route.providers]
    hosts += [host_of(alert.webhook) for alert in rules.policy.audit.alerts if alert.webhook]
    hosts += [host_of(agent.spec.state.redis.url)] if agent.spec.state else []
    domain = installation.cluster_domain
    matters = any(in_cluster(host, domain) != in_cluster(host, CLUSTER_DOMAIN) for host in hosts)
    return domain if matters else CLUSTER_DOMAIN


def _tokens(installation: Installation) -> TokenTrust:
    return _trusts.of(installation, make=lambda: TokenTrust(issuer=installation.issuer, jwks=dict(installation.jwks)))


_trusts: Remembered[TokenTrust] = Remembered()
