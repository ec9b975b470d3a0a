"""What can never be valid is refused when it is written, in words that say what to write instead."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.kubectl import Kubectl
from tests.api.manifests import AGENT, ALL, POLICY, ROUTE, Absent, changed
from tests.cluster import Cluster

LONG_NAME = "a" * 51
LOCAL_WITH_KEY = [{"name": "main", "secretKeyRef": {"name": "openai", "key": "api-key"}}]
AZURE_ROUTE = changed(
    ROUTE,
    "spec.providers.1",
    {
        **ROUTE["spec"]["providers"][1],
        "type": "AzureOpenAI",
        "baseURL": "https://acme.openai.azure.com",
        "azure": {"deployment": "chat", "apiVersion": "2024-10-21"},
    },
)


@dataclass(frozen=True)
class Refusal:
    """`manifest` with one field changed, and what is said of it; `at` is where, if it is not that field."""

    what: str
    manifest: dict[str, Any]
    field: str
    value: Any
    words: str
    at: str = ""

    @property
    def where(self) -> str:
        return self.at or re.sub(r"\.(\d+)", r"[\1]", self.field)


MODELS_OWN = {name: value for name, value in ROUTE["spec"]["providers"][0].items() if name != "passthrough"}
REFUSALS = [
    *(
        Refusal(f"redis-url-{number}", AGENT, "spec.state.redis.url", url, "must be redis[s]://")
        for number, url in enumerate(
            [
                "redis://user:secret@redis.data.svc",
                "redis://:secret@redis.data.svc",
                "http://redis.data.svc",
                "redis.data.svc:6379",
                "redis://redis.data.svc:65536",
                "redis://redis.data.svc:0",
                "redis://redis.data.svc/name",
                "redis://redis data.svc",
                "redis://redis.data.svc?password=secret",
                "unix:///run/redis.sock",
            ]
        )
    ),
    Refusal(
        "redis-password-under-hosts",
        AGENT,
        "spec.state.redis.passwordFrom.secretKeyRef.key",
        "hosts",
        "keep the password under another key",
        "spec.state.redis.passwordFrom",
    ),
    Refusal("state-empty", AGENT, "spec.state", {}, "Required value", "spec.state.redis"),
    Refusal("limit-without-a-bound", POLICY, "spec.limits.0", {"per": "Caller"}, "set requestsPerMinute"),
    Refusal("limit-of-nobody", POLICY, "spec.limits.0.per", "Group", "Unsupported value"),
    Refusal("limit-of-none", POLICY, "spec.limits.0.requestsPerMinute", 0, "greater than or equal to 1"),
    Refusal("limit-beyond-counting", POLICY, "spec.limits.0.requestsPerHour", 200_001, "less than or equal to 200000"),
    Refusal("no-limits-at-all", POLICY, "spec.limits", [], "at least 1 items"),
    Refusal("state-error-unknown", POLICY, "spec.onStateError", "Allow", "Unsupported value"),
    Refusal(
        "agent-name-too-long",
        AGENT,
        "metadata.name",
        LONG_NAME,
        "must be at most 50 characters of a-z, 0-9 and -, begin with a letter",
    ),
    Refusal(
        "agent-name-begins-with-digit",
        AGENT,
        "metadata.name",
        "1helper",
        "must be at most 50 characters of a-z, 0-9 and -, begin with a letter",
    ),
    Refusal("agent-name-with-dot", AGENT, "metadata.name", "my.helper", "the agent's Service and pods bear it"),
    Refusal("no-spec", AGENT, "spec", Absent, "Required value"),
    Refusal("no-instructions", AGENT, "spec.instructions", Absent, "Required value"),
    Refusal(
        "instructions-neither",
        AGENT,
        "spec.instructions",
        {},
        "set exactly one of instructions.inline and instructions.configMapKeyRef",
    ),
    Refusal(
        "instructions-both",
        AGENT,
        "spec.instructions.configMapKeyRef",
        {"name": "prompts", "key": "helper"},
        "set exactly one of instructions.inline and instructions.configMapKeyRef",
        at="spec.instructions",
    ),
    Refusal(
        "short-instructions-of-an-agent-that-never-shortens",
        AGENT,
        "spec.prompt",
        {"whenTooLong": "Refuse"},
        "short instructions are used where prompt.whenTooLong is Shorten",
        at="spec.instructions.short",
    ),
    Refusal("groups-of-whatever", AGENT, "spec.batch.grouping", "All", "Unsupported value"),
    Refusal("prompts-that-are-cut", AGENT, "spec.prompt.whenTooLong", "Cut", "Unsupported value"),
    Refusal("no-route", AGENT, "spec.modelRouteRef", Absent, "Required value"),
    Refusal(
        "route-name-upper-case",
        AGENT,
        "spec.modelRouteRef.name",
        "Hybrid",
        "must be the name of an object: a-z, 0-9, - and dots",
    ),
    Refusal("no-sensitivity", AGENT, "spec.sensitivity", Absent, "Required value"),
    Refusal(
        "unknown-sensitivity",
        AGENT,
        "spec.sensitivity",
        "Secret",
        'Unsupported value: "Secret": supported values: "Public", "Internal", "Confidential"',
    ),
    Refusal(
        "policy-named-twice",
        AGENT,
        "spec.policyRefs",
        [{"name": "internal"}, {"name": "internal"}],
        'Duplicate value: {"name":"internal"}',
        at="spec.policyRefs[1]",
    ),
    Refusal("no-policies-as-empty-list", AGENT, "spec.policyRefs", [], "should have at least 1 items"),
    Refusal("temperature-too-high", AGENT, "spec.parameters.temperature", 2.5, "should be less than or equal to 2"),
    Refusal("no-replicas", AGENT, "spec.scaling.replicas", 0, "should be greater than or equal to 1"),
    Refusal("replicas-as-text", AGENT, "spec.scaling.replicas", "two", 'must be of type integer: "string"'),
    Refusal(
        "fixed-and-auto", AGENT, "spec.scaling", {"replicas": 2, "auto": {}}, "set replicas for a fixed number, or auto"
    ),
    Refusal(
        "fewest-over-most",
        AGENT,
        "spec.scaling.auto",
        {"minReplicas": 5, "maxReplicas": 4},
        "must not be larger than maxReplicas",
        at="spec.scaling.auto.minReplicas",
    ),
    Refusal(
        "fewest-over-default",
        AGENT,
        "spec.scaling.auto",
        {"minReplicas": 21},
        "maxReplicas 20",
        at="spec.scaling.auto.minReplicas",
    ),
    Refusal("no-target", AGENT, "spec.scaling.auto.targets", {}, "leave targets out for the defaults"),
    Refusal("to-zero", AGENT, "spec.scaling.auto.minReplicas", 0, "should be greater than or equal to 1"),
    Refusal(
        "step-of-a-year",
        AGENT,
        "spec.scaling.auto.behavior.scaleUp.policies",
        [{"type": "Pods", "value": 1, "periodSeconds": 1801}],
        "should be less than or equal to 1800",
        at="spec.scaling.auto.behavior.scaleUp.policies[0].periodSeconds",
    ),
    Refusal("idle-never", AGENT, "spec.drain.idleAfter", "0s", "must be longer than 0s"),
    Refusal("drain-never", AGENT, "spec.drain.timeout", "0s", "must be longer than 0s"),
    Refusal("drain-for-a-day", AGENT, "spec.drain.timeout", "61m", "must be at most 1h"),
    Refusal("idle-for-a-day", AGENT, "spec.drain.idleAfter", "61m", "must be at most 1h"),
    Refusal(
        "priority-class-of-the-system",
        AGENT,
        "spec.workload.priorityClassName",
        "system-node-critical",
        "priority classes of the system are not for agents",
    ),
    Refusal(
        "quantity-with-wrong-unit",
        AGENT,
        "spec.workload.resources.limits.memory",
        "1 GB",
        "must be a quantity such as 100m, 2, 128Mi or 1Gi",
    ),
    Refusal(
        "requests-above-limits",
        AGENT,
        "spec.workload.resources.requests.memory",
        "1Gi",
        "must not be larger than limits.memory",
    ),
    Refusal(
        "node-label-that-no-node-bears",
        AGENT,
        "spec.workload.nodeSelector",
        {"a/b/c": "x"},
        "every key must be a label key such as app or example.com/tier",
    ),
    Refusal(
        "toleration-of-everything-by-accident",
        AGENT,
        "spec.workload.tolerations.0",
        {"effect": "NoSchedule"},
        "set key, or operator: Exists to tolerate every taint",
    ),
    Refusal(
        "toleration-exists-with-value",
        AGENT,
        "spec.workload.tolerations.0.operator",
        "Exists",
        "operator Exists takes no value; remove it, or use Equal",
        at="spec.workload.tolerations[0].value",
    ),
    Refusal(
        "toleration-seconds-without-no-execute",
        AGENT,
        "spec.workload.tolerations.0.tolerationSeconds",
        30,
        "only effect NoExecute takes tolerationSeconds",
    ),
    Refusal("suspend-as-text", AGENT, "spec.suspend", "yes", "must be of type boolean"),
    Refusal(
        "selector-in-without-values",
        POLICY,
        "spec.selector.agents.matchExpressions.0.values",
        Absent,
        "In and NotIn take values; Exists and DoesNotExist",
        at="spec.selector.agents.matchExpressions[0]",
    ),
    Refusal(
        "selector-exists-with-values",
        POLICY,
        "spec.selector.agents.matchExpressions.0.operator",
        "Exists",
        "In and NotIn take values; Exists and DoesNotExist",
        at="spec.selector.agents.matchExpressions[0]",
    ),
    Refusal(
        "selector-value-with-spaces",
        POLICY,
        "spec.selector.namespaces.matchLabels.team",
        "customer support",
        "must be a label value of letters, digits, -, _ and dots, or empty",
        at="spec.selector.namespaces.matchLabels[team]",
    ),
    Refusal(
        "nobody-may-call-as-empty-list", POLICY, "spec.callers.serviceAccounts", [], "should have at least 1 items"
    ),
    Refusal(
        "caller-without-name",
        POLICY,
        "spec.callers.serviceAccounts.0",
        {"namespace": "acme"},
        "Required value",
        at="spec.callers.serviceAccounts[0].name",
    ),
    Refusal(
        "caller-namespace-as-glob",
        POLICY,
        "spec.callers.serviceAccounts.0.namespace",
        "acme-*",
        "must be the name of a namespace, or * for every one",
    ),
    Refusal("anonymous-as-boolean", POLICY, "spec.callers.anonymous", True, 'must be of type string: "boolean"'),
    Refusal(
        "peer-that-says-nothing",
        POLICY,
        "spec.callers.ingressFrom",
        [{}],
        "set namespaceSelector, podSelector or both",
        at="spec.callers.ingressFrom[0]",
    ),
    Refusal(
        "duration-in-words",
        POLICY,
        "spec.size.turnTimeout",
        "2 minutes",
        "must be a duration such as 250ms, 30s, 5m or 1h30m",
    ),
    Refusal("duration-of-nothing", POLICY, "spec.size.turnTimeout", "0s", "must be longer than 0s"),
    Refusal(
        "request-too-small-to-be-one", POLICY, "spec.size.maxRequestBytes", 1, "should be greater than or equal to 1024"
    ),
    Refusal(
        "host-with-scheme",
        POLICY,
        "spec.models.allow.0.host",
        "https://api.openai.com",
        "must be a lower-case host such as api.example.com or *.example.com",
    ),
    Refusal("host-with-port", POLICY, "spec.models.localHosts.0", "models.svc:8080", "with no scheme, port or path"),
    Refusal(
        "host-with-star-in-the-middle",
        POLICY,
        "spec.egress.hosts.0",
        "api.*.com",
        "must be a lower-case host such as api.example.com or *.example.com",
    ),
    Refusal(
        "host-listed-twice",
        POLICY,
        "spec.egress.hosts",
        ["api.openai.com", "api.openai.com"],
        'Duplicate value: "api.openai.com"',
        at="spec.egress.hosts[1]",
    ),
    Refusal("egress-that-says-nothing", POLICY, "spec.egress", {}, "set egress.hosts, egress.cidrs or both"),
    Refusal(
        "range-that-is-none",
        POLICY,
        "spec.egress.cidrs.0",
        "10.0.0.0/33",
        "must be a CIDR such as 10.0.0.0/8 or 2001:db8::/32",
    ),
    Refusal("no-providers", ROUTE, "spec.providers", [], "should have at least 1 items"),
    Refusal("no-rules", ROUTE, "spec.rules", Absent, "Required value"),
    Refusal(
        "two-providers-of-one-name",
        ROUTE,
        "spec.providers.1.name",
        "onprem",
        'Duplicate value: {"name":"onprem"}',
        at="spec.providers[1]",
    ),
    Refusal(
        "unknown-provider-type",
        ROUTE,
        "spec.providers.0.type",
        "Ollama",
        'Unsupported value: "Ollama": supported values: "OpenAI", "Anthropic", "AzureOpenAI", "Local"',
    ),
    Refusal(
        "unknown-wire-format",
        ROUTE,
        "spec.providers.0.api",
        "Completions",
        'Unsupported value: "Completions": supported values: "ChatCompletions", "Responses", "Messages"',
    ),
    Refusal(
        "an-openai-provider-that-speaks-messages",
        ROUTE,
        "spec.providers.1.api",
        "Messages",
        "type OpenAI speaks ChatCompletions or Responses; write that as api, or another type",
    ),
    Refusal(
        "an-anthropic-provider-that-speaks-chat-completions",
        ROUTE,
        "spec.providers.1.type",
        "Anthropic",
        "type Anthropic speaks Messages; write that as api, or another type",
        at="spec.providers[1].api",
    ),
    Refusal(
        "azure-without-a-deployment",
        ROUTE,
        "spec.providers.1.type",
        "AzureOpenAI",
        "azure belongs to type AzureOpenAI, which needs it; write azure: {deployment: NAME} there",
        at="spec.providers[1].azure",
    ),
    Refusal(
        "deployment-of-another-type",
        ROUTE,
        "spec.providers.1.azure",
        {"deployment": "chat"},
        "azure belongs to type AzureOpenAI",
    ),
    Refusal(
        "deployment-that-leads-elsewhere",
        ROUTE,
        "spec.providers.1.azure",
        {"deployment": "../chat"},
        "must be a name of letters, digits, -, _ and dots",
        at="spec.providers[1].azure.deployment",
    ),
    Refusal(
        "version-of-azure-that-is-none",
        AZURE_ROUTE,
        "spec.providers.1.azure.apiVersion",
        "latest",
        "must be v1, or a date such as 2024-10-21 or 2025-04-01-preview",
    ),
    Refusal(
        "version-of-azure-that-is-too-old",
        AZURE_ROUTE,
        "spec.providers.1.azure.apiVersion",
        "2024-06-01",
        "write v1, or 2024-10-21 or later",
    ),
    Refusal(
        "dated-version-of-azure-for-responses",
        AZURE_ROUTE,
        "spec.providers.1.api",
        "Responses",
        "a dated apiVersion is for api ChatCompletions alone; write v1, or remove it",
        at="spec.providers[1].azure.apiVersion",
    ),
    Refusal(
        "path-of-azure-in-the-url",
        AZURE_ROUTE,
        "spec.providers.1.baseURL",
        "https://acme.openai.azure.com/openai/v1",
        "for type AzureOpenAI write the URL of the resource alone, such as https://NAME.openai.azure.com",
    ),
    Refusal(
        "plain-http-to-the-outside",
        ROUTE,
        "spec.providers.1.baseURL",
        "http://api.openai.com/v1",
        "must start with https:// unless the provider is Local or a Service",
    ),
    Refusal(
        "plain-http-to-a-look-alike-of-the-cluster",
        ROUTE,
        "spec.providers.1.baseURL",
        "http://models.svc.evil.example/v1",
        "must start with https:// unless the provider is Local or a Service",
    ),
    Refusal(
        "key-in-the-url",
        ROUTE,
        "spec.providers.1.baseURL",
        "https://user:key@api.openai.com/v1",
        "must be a URL such as https://api.example.com/v1: lower-case host",
    ),
    Refusal(
        "query-in-the-url",
        ROUTE,
        "spec.providers.1.baseURL",
        "https://api.openai.com/v1?key=1",
        "no user, query or fragment",
    ),
    Refusal(
        "port-that-no-host-has",
        ROUTE,
        "spec.providers.1.baseURL",
        "https://api.openai.com:70000/v1",
        "the port must be 1 to 65535",
    ),
    Refusal(
        "budget-with-a-currency",
        POLICY,
        "spec.budget.perDayUsd",
        "$100",
        'must be an amount in USD as a string, such as "2.5" or "0"',
    ),
    Refusal(
        "price-as-a-number",
        ROUTE,
        "spec.providers.0.price.inputPerMillionTokens",
        2.5,
        "must be of type string",
    ),
    Refusal(
        "price-below-zero",
        ROUTE,
        "spec.providers.0.price.outputPerMillionTokens",
        "-1",
        'must be an amount in USD as a string, such as "2.5" or "0"',
    ),
    Refusal(
        "price-with-an-exponent",
        ROUTE,
        "spec.providers.1.price.cachedInputPerMillionTokens",
        "1e-3",
        'must be an amount in USD as a string, such as "2.5" or "0"',
    ),
    Refusal(
        "price-of-the-input-alone", ROUTE, "spec.providers.1.price.outputPerMillionTokens", Absent, "Required value"
    ),
    Refusal(
        "window-of-nothing",
        ROUTE,
        "spec.providers.0.capabilities.contextWindow",
        0,
        "greater than or equal to 1",
    ),
    Refusal(
        "counter-that-nobody-knows",
        ROUTE,
        "spec.providers.0.capabilities.tokenCounter",
        "Tiktoken",
        "Unsupported value",
    ),
    Refusal(
        "counter-of-a-cloud",
        ROUTE,
        "spec.providers.1.capabilities",
        {"tokenCounter": "InputTokens"},
        "tokenCounter is for type Local alone: what other providers count before is an estimate; remove it",
        at="spec.providers[1].capabilities.tokenCounter",
    ),
    Refusal(
        "counter-of-another-api",
        ROUTE,
        "spec.providers.0",
        {**MODELS_OWN, "api": "Messages", "capabilities": {"tokenCounter": "Tokenize"}},
        "tokenCounter Tokenize is for api ChatCompletions alone; write InputTokens, or remove it",
        at="spec.providers[0].capabilities.tokenCounter",
    ),
    Refusal(
        "field-that-nobody-passes",
        ROUTE,
        "spec.providers.1.passthrough",
        ["n"],
        "Unsupported value",
        at="spec.providers[1].passthrough[0]",
    ),
    Refusal(
        "field-that-this-type-does-not-know",
        ROUTE,
        "spec.providers.1.passthrough",
        ["top_k"],
        "passthrough of type OpenAI with api ChatCompletions may hold service_tier",
        at="spec.providers[1].passthrough",
    ),
    Refusal("no-highest-label", ROUTE, "spec.providers.1.maxSensitivity", Absent, "Required value"),
    Refusal(
        "local-with-credentials",
        ROUTE,
        "spec.providers.0.credentials",
        LOCAL_WITH_KEY,
        "a Local provider takes no credentials; remove them, or use another type",
    ),
    Refusal(
        "secret-key-with-slash",
        ROUTE,
        "spec.providers.1.credentials.0.secretKeyRef.key",
        "../token",
        "must be a key of letters, digits, -, _ and dots",
    ),
    Refusal(
        "rule-with-a-provider-that-is-not-there",
        ROUTE,
        "spec.rules.1.providers.0.name",
        "anthropic",
        "every provider named in a rule must stand in spec.providers",
        at="spec.rules",
    ),
    Refusal(
        "match-of-nothing",
        ROUTE,
        "spec.rules.0.match",
        {},
        "state sensitivity or when, or leave match out",
    ),
    Refusal(
        "weight-that-counts-for-nothing",
        ROUTE,
        "spec.rules.1.providers.0.weight",
        5,
        "weights count under strategy Weighted or Sticky",
        at="spec.rules[1].providers",
    ),
    Refusal(
        "rule-with-a-provider-twice",
        ROUTE,
        "spec.rules.1.providers.0.name",
        "onprem",
        "name each provider once within a rule",
        at="spec.rules[1].providers",
    ),
    Refusal(
        "two-rules-of-one-name", ROUTE, "spec.rules.1.name", "critical", "rule names must be unique", at="spec.rules"
    ),
    Refusal("fallback-after-nothing", ROUTE, "spec.fallback.errors", [], "should have at least 1 items"),
    Refusal(
        "fallback-after-what-is-no-class",
        ROUTE,
        "spec.fallback.errors.0",
        "Error",
        "Unsupported value",
        at="spec.fallback.errors[0]",
    ),
    Refusal(
        "fallback-for-nobody",
        ROUTE,
        "spec.fallback.errors.0",
        "Cancelled",
        "leave Cancelled out",
        at="spec.fallback.errors",
    ),
    Refusal("no-attempt", ROUTE, "spec.fallback.maxAttempts", 0, "should be greater than or equal to 1"),
    Refusal("retry-at-once", ROUTE, "spec.retries.baseDelay", "0s", "must be longer than 0s"),
    Refusal("retries-beyond-all", ROUTE, "spec.retries.budgetPercent", 101, "should be less than or equal to 100"),
    Refusal("breaker-of-no-failure", ROUTE, "spec.circuitBreaker.failureRatio", 0, "must be greater than 0"),
    Refusal("breaker-without-probe", ROUTE, "spec.circuitBreaker.halfOpenProbes", 0, "greater than or equal to 1"),
    Refusal("timeout-of-nothing", ROUTE, "spec.timeouts.idle", "0ms", "must be longer than 0s"),
]


@pytest.fixture(scope="module")
def kubectl(control_plane: Cluster, kubectl_cache: Path) -> Kubectl:
    """In no namespace of its own, since nothing is kept."""
    return Kubectl(control_plane, "default", kubectl_cache)


@pytest.mark.parametrize(
    "manifest", [*ALL, AZURE_ROUTE], ids=["AIAgent", "AgentPolicy", "ModelRoute", "ModelRoute-azure"]
)
def test_what_the_invalid_ones_are_made_from_is_valid(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    kubectl("create", "--dry-run=server", "--filename", "-", text=json.dumps(manifest))


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.what)
def test_what_can_never_be_valid_is_refused(kubectl: Kubectl, refusal: Refusal) -> None:
    invalid = json.dumps(changed(refusal.manifest, refusal.field, refusal.value))
    said = kubectl.refused("create", "--dry-run=server", "--filename", "-", text=invalid)
    lines = [line for line in said.splitlines() if f"{refusal.where}: " in line]
    assert any(refusal.words in line for line in lines), said
    assert "evaluating rule" not in said, "a rule that cannot be evaluated tells a person nothing"
