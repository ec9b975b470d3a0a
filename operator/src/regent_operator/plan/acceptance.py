"""What the schema cannot refuse, and what `regent dev` must refuse without an API server.

One sentence for the first thing that is wrong; it names the field and what to write instead.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from regent_api.objects import AgentPolicy, ModelRoute
from regent_api.policy import AgentPolicySpec, PolicyMode
from regent_api.route import (
    AZURE_V1,
    OLDEST_AZURE_VERSION,
    SPEAKS,
    Provider,
    ProviderType,
    WireApi,
    speaking,
)
from regent_api.status import Reason
from regent_api.types import LabelSelector, SelectorOperator, in_cluster, seconds
from regent_operator.plan import attempting
from regent_operator.plan.expressions import expression_errors, match_errors, webhook_errors
from regent_operator.plan.hosts import host_of
from regent_operator.plan.keysets import KeySetError, public_key_set
from regent_operator.plan.patterns import pattern_errors
from regent_operator.plan.prices import price_errors


@dataclass(frozen=True)
class Rejection:
    """Why an object is not Accepted."""

    words: str
    reason: Reason = Reason.INVALID


def policy_rejections(policy: AgentPolicy, operator_namespace: str) -> Iterator[Rejection]:
    """Everything for which an AgentPolicy cannot take part."""
    for words in _policy_errors(policy, operator_namespace):
        yield Rejection(words)
    for words in pattern_errors(policy.spec):
        yield Rejection(words, Reason.INVALID_PATTERN)
    for words in expression_errors(policy.spec):
        yield Rejection(words, Reason.INVALID_EXPRESSION)


def policy_rejection(policy: AgentPolicy, operator_namespace: str) -> Rejection | None:
    """Why an AgentPolicy cannot take part; None: it is Accepted."""
    return next(policy_rejections(policy, operator_namespace), None)


def policy_error(policy: AgentPolicy, operator_namespace: str) -> str | None:
    """The words of the rejection."""
    rejection = policy_rejection(policy, operator_namespace)
    return rejection.words if rejection else None


def route_rejections(route: ModelRoute, cluster_domain: str) -> Iterator[Rejection]:
    """Everything for which a ModelRoute cannot be used."""
    for words in _route_errors(route, cluster_domain):
        yield Rejection(words)
    for words in match_errors(route.spec):
        yield Rejection(words, Reason.INVALID_EXPRESSION)


def route_rejection(route: ModelRoute, cluster_domain: str) -> Rejection | None:
    """Why a ModelRoute cannot be used; None: it is Accepted."""
    return next(route_rejections(route, cluster_domain), None)


def selector_error(selector: LabelSelector, path: str) -> str | None:
    """Why a label selector is none of Kubernetes'."""
    return next(_selector_errors(selector, path), None)


def _policy_errors(policy: AgentPolicy, operator_namespace: str) -> Iterator[str]:
    spec = policy.spec
    if spec.selector and spec.selector.namespaces and policy.metadata.namespace != operator_namespace:
        yield (
            "spec.selector.namespaces: only a policy of the operator's own namespace may select namespaces; "
            "remove it, or ask the cluster's admins for a floor policy"
        )
    for selector, path in _selectors(spec):
        yield from _selector_errors(selector, path)
    yield from webhook_errors(spec)
    if spec.cache and spec.mode is PolicyMode.AUDIT:
        yield "spec.cache: no answer is kept for a trial; state it in a policy of mode Enforce"
    yield from _caller_errors(policy, floor=policy.metadata.namespace == operator_namespace)
    for cidr in (spec.egress and spec.egress.cidrs) or []:
        if not _reads(ipaddress.ip_network, cidr):
            yield f"spec.egress.cidrs: {cidr!r} is not a range of addresses; write one such as 10.0.0.0/8"
    if spec.size and spec.size.turn_timeout and not _is_positive(spec.size.turn_timeout):
        yield "spec.size.turnTimeout: must be longer than 0s; write for example 30s"


def _caller_errors(policy: AgentPolicy, *, floor: bool) -> Iterator[str]:
    callers = policy.spec.callers
    if callers is None:
        return
    if floor and callers.api_keys:
        yield (
            "spec.callers.apiKeys: a floor policy is for agents of every namespace, and pods mount Secrets of their "
            "own namespace alone; state apiKeys in a policy of the agents' namespace"
        )
    for index, grant in enumerate(callers.oidc or []):
        if grant.jwks.inline is not None:
            try:
                public_key_set(grant.jwks.inline)
            except KeySetError as error:
                yield f"spec.callers.oidc[{index}].jwks.inline: {error}"


def _selectors(spec: AgentPolicySpec) -> Iterator[tuple[LabelSelector, str]]:
    if spec.selector and spec.selector.agents:
        yield spec.selector.agents, "spec.selector.agents"
    if spec.selector and spec.selector.namespaces:
        yield spec.selector.namespaces, "spec.selector.namespaces"
    for index, peer in enumerate((spec.callers and spec.callers.ingress_from) or []):
        if peer.namespace_selector:
            yield peer.namespace_selector, f"spec.callers.ingressFrom[{index}].namespaceSelector"
        if peer.pod_selector:
            yield peer.pod_selector, f"spec.callers.ingressFrom[{index}].podSelector"


def _selector_errors(selector: LabelSelector, path: str) -> Iterator[str]:
    for requirement in selector.match_expressions or []:
        takes_values = requirement.operator in {SelectorOperator.IN, SelectorOperator.NOT_IN}
        if takes_values != bool(requirement.values):
            yield f"{path}: {requirement.key}: In and NotIn take values; Exists and DoesNotExist take none"


def _route_errors(route: ModelRoute, cluster_domain: str) -> Iterator[str]:
    spec = route.spec
    names = [provider.name for provider in spec.providers]
    for kind, counted in (("providers", names), ("rules", [rule.name for rule in spec.rules])):
        for name, times in Counter(counted).items():
            if times > 1:
                yield f"spec.{kind}: the name {name} stands {times} times; give each its own"
    for rule in spec.rules:
        for reference in rule.providers:
            if reference.name not in names:
                yield f"spec.rules: {rule.name} names the provider {reference.name}, which is not in spec.providers"
    for provider in spec.providers:
        yield from _provider_errors(provider, cluster_domain)
    yield from attempting.errors(spec)


def _provider_errors(provider: Provider, cluster_domain: str) -> Iterator[str]:
    path = f"spec.providers: {provider.name}"
    local = provider.type is ProviderType.LOCAL
    if local and provider.credentials:
        yield f"{path}: a Local provider takes no credentials; remove them, or use another type"
    if provider.api not in SPEAKS[provider.type]:
        yield f"{path}: {speaking(provider.type)}"
    yield from (f"{path}: {words}" for words in _azure_errors(provider))
    inside = in_cluster(host_of(provider.base_url), cluster_domain) is not None
    if not local and not inside and not provider.base_url.startswith("https://"):
        yield f"{path}: baseURL must start with https:// unless it is a Service of the cluster (NAME.NAMESPACE.svc)"
    for credential in provider.credentials or []:
        if credential.secret_key_ref.key == "hosts":
            yield f"{path}: the key `hosts` says where a Secret may be sent; keep the credential under another key"
    yield from (f"{path}: {words}" for words in price_errors(provider))


def _azure_errors(provider: Provider) -> Iterator[str]:
    azure, is_azure = provider.azure, provider.type is ProviderType.AZURE_OPENAI
    if is_azure != (azure is not None):
        yield "azure belongs to type AzureOpenAI, which needs it; write azure: {deployment: NAME} there, or remove it"
    if is_azure and "openai" in provider.base_url.split("/")[3:]:
        yield "baseURL is the URL of the resource alone, such as https://NAME.openai.azure.com; remove /openai"
    version = azure.api_version if azure else None
    if version in {None, AZURE_V1}:
        return
    if str(version) < OLDEST_AZURE_VERSION:
        yield f"azure.apiVersion: write v1, or {OLDEST_AZURE_VERSION} or later"
    if provider.api is not WireApi.CHAT_COMPLETIONS:
        yield "a dated azure.apiVersion is for api ChatCompletions alone; write v1, or remove it"


def _is_positive(duration: str) -> bool:
    return seconds(duration) > 0


def _reads(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
