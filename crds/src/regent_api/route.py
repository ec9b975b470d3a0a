"""ModelRoute: which models serve which sensitivity, in which order."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.attempting import CircuitBreaker, Fallback, Retries
from regent_api.capabilities import Capabilities, TokenCounter
from regent_api.model import ATOMIC, BY_NAME, SET, Cel, Model, Words
from regent_api.passthrough import PassedField
from regent_api.policy.status import UsedByAgents
from regent_api.price import Price, ProviderPrice
from regent_api.types import DNS_SUBDOMAIN, DnsLabel, Duration, KeyRef, Sensitivity

OLDEST_AZURE_VERSION = "2024-10-21"
BASE_URL = rf"^https?://{DNS_SUBDOMAIN[1:-1]}(:[0-9]{{1,5}})?(/[-._~a-zA-Z0-9/]*)?$"


class ProviderType(StrEnum):
    OPENAI = "OpenAI"
    ANTHROPIC = "Anthropic"
    AZURE_OPENAI = "AzureOpenAI"
    LOCAL = "Local"


class WireApi(StrEnum):
    CHAT_COMPLETIONS = "ChatCompletions"
    RESPONSES = "Responses"
    MESSAGES = "Messages"


SPEAKS = {
    ProviderType.OPENAI: (WireApi.CHAT_COMPLETIONS, WireApi.RESPONSES),
    ProviderType.ANTHROPIC: (WireApi.MESSAGES,),
    ProviderType.AZURE_OPENAI: (WireApi.CHAT_COMPLETIONS, WireApi.RESPONSES),
    ProviderType.LOCAL: tuple(WireApi),
}
"""The wire formats that each type of provider may be spoken to in."""


def speaking(kind: ProviderType) -> str:
    """What to write for a provider whose api is none of its type's."""
    apis = " or ".join(SPEAKS[kind])
    return f"type {kind} speaks {apis}; write that as api, or another type"


PASSES = {
    (ProviderType.OPENAI, WireApi.CHAT_COMPLETIONS): (PassedField.SERVICE_TIER,),
    (ProviderType.OPENAI, WireApi.RESPONSES): (PassedField.SERVICE_TIER,),
    (ProviderType.ANTHROPIC, WireApi.MESSAGES): (PassedField.TOP_K,),
    (ProviderType.LOCAL, WireApi.CHAT_COMPLETIONS): tuple(sorted(set(PassedField) - {PassedField.SERVICE_TIER})),
    (ProviderType.LOCAL, WireApi.MESSAGES): (PassedField.TOP_K,),
}
"""The fields that each kind of provider knows; others than these know none."""


def _passing() -> Iterator[Cel]:
    """A rule for each kind of provider that may be spoken to."""
    for kind, apis in SPEAKS.items():
        for api in apis:
            known = [str(field) for field in PASSES.get((kind, api), ())]
            words = f"may hold {', '.join(known)}" if known else "is not for these; remove it"
            yield Cel(
                f"self.type != '{kind}' || self.api != '{api}' || !has(self.passthrough)"
                f" || self.passthrough.all(f, f in {known})",
                f"passthrough of type {kind} with api {api} {words}",
                ".passthrough",
            )


class ProviderParameters(Model):
    temperature: Annotated[float | None, Field(ge=0, le=2, description="Default sampling temperature.")] = None
    max_output_tokens: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Most output tokens of an answer of this provider.")
    ] = None


class Credential(Model):
    """A key for the provider. The Secret also carries a key `hosts`: the runtime sends the value nowhere else."""

    name: Annotated[DnsLabel, Field(description="Name of the credential within the provider.")]
    secret_key_ref: Annotated[
        KeyRef, Field(description="Secret and key of the agents' namespace that hold the value; never the value.")
    ]


AZURE_V1 = "v1"


class AzureDeployment(Model):
    """Where a model lies in an Azure OpenAI resource."""

    deployment: Annotated[
        str,
        StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=64),
        Words("a name of letters, digits, -, _ and dots"),
        Field(description="Name of the deployment. Callers see the provider's model instead."),
    ]
    api_version: Annotated[
        str | None,
        StringConstraints(pattern=r"^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$", max_length=18),
        Words("v1, or a date such as 2024-10-21 or 2025-04-01-preview"),
        Cel(
            f"self == '{AZURE_V1}' || self >= '{OLDEST_AZURE_VERSION}'",
            f"write v1, or {OLDEST_AZURE_VERSION} or later: older versions do not count the tokens of streams",
        ),
        Field(description="v1, as when absent: /openai/v1. A date: /openai/deployments/NAME, ChatCompletions alone."),
    ] = None


class ProviderLimits(Model):
    """How much of a provider one agent asks for, all its pods together."""

    cel_rules = (
        Cel(
            "has(self.requestsPerMinute) || has(self.tokensPerMinute) || has(self.maxConcurrent)",
            "set requestsPerMinute, tokensPerMinute, maxConcurrent or several of them",
        ),
    )
    requests_per_minute: Annotated[
        int | None, Field(ge=1, le=60_000, description="Most requests sent within any 60 seconds.")
    ] = None
    tokens_per_minute: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000_000,
            description="Most tokens in a minute of the clock: of a request its input estimate and its output cap "
            "until the provider has counted.",
        ),
    ] = None
    max_concurrent: Annotated[int | None, Field(ge=1, le=100_000, description="Most requests that run at once.")] = None


class Provider(Model):
    cel_rules = (
        Cel(
            "has(self.azure) == (self.type == 'AzureOpenAI')",
            "azure belongs to type AzureOpenAI, which needs it; write azure: {deployment: NAME} there, or remove it",
            ".azure",
        ),
        Cel(
            "self.type != 'AzureOpenAI' || !self.baseURL.matches('^https?://[^/]+/(.*/)?openai(/|$)')",
            "for type AzureOpenAI write the URL of the resource alone, such as https://NAME.openai.azure.com;"
            " /openai and what follows come from azure",
            ".baseURL",
        ),
        Cel(
            f"!has(self.azure) || !has(self.azure.apiVersion) || self.azure.apiVersion == '{AZURE_V1}'"
            " || self.api == 'ChatCompletions'",
            "a dated apiVersion is for api ChatCompletions alone; write v1, or remove it",
            ".azure.apiVersion",
        ),
        Cel(
            "self.type != 'Local' || !has(self.credentials)",
            "a Local provider takes no credentials; remove them, or use another type",
            ".credentials",
        ),
        *(
            Cel(f"self.type != '{kind}' || self.api in {[str(api) for api in SPEAKS[kind]]}", speaking(kind), ".api")
            for kind in ProviderType
            if set(SPEAKS[kind]) != set(WireApi)
        ),
        Cel(
            "!has(self.capabilities) || !has(self.capabilities.tokenCounter) || self.type == 'Local'",
            "tokenCounter is for type Local alone: what other providers count before is an estimate; remove it",
            ".capabilities.tokenCounter",
        ),
        Cel(
            "!has(self.capabilities) || !has(self.capabilities.tokenCounter)"
            f" || self.capabilities.tokenCounter != '{TokenCounter.TOKENIZE}' || self.api == 'ChatCompletions'",
            "tokenCounter Tokenize is for api ChatCompletions alone; write InputTokens, or remove it",
            ".capabilities.tokenCounter",
        ),
        *_passing(),
        Cel(
            "self.type == 'Local' || self.baseURL.startsWith('https://')"
            " || self.baseURL.matches('^http://[-a-z0-9.]+[.]svc([.]cluster[.]local)?([:/]|$)')",
            "must start with https:// unless the provider is Local or a Service of the cluster (NAME.NAMESPACE.svc)",
            ".baseURL",
        ),
        Cel(
            "!isURL(self.baseURL) || url(self.baseURL).getPort() == ''"
            " || (int(url(self.baseURL).getPort()) > 0 && int(url(self.baseURL).getPort()) < 65536)",
            "the port must be 1 to 65535",
            ".baseURL",
        ),
    )
    name: Annotated[DnsLabel, Field(description="Name of the provider within the route.")]
    type: Annotated[
        ProviderType,
        Field(description="Local is proved, not declared: by policy's localHosts and by the address it resolves to."),
    ]
    base_url: Annotated[
        str,
        StringConstraints(pattern=BASE_URL, max_length=512),
        Words("a URL such as https://api.example.com/v1: lower-case host, no user, query or fragment"),
        Field(
            alias="baseURL",
            description="URL before /chat/completions, /responses or /messages; lower-case host, no query, no user.",
        ),
    ]
    api: Annotated[WireApi, Field(description="Wire format that the provider speaks.")]
    model: Annotated[
        str,
        StringConstraints(pattern=r"^[-._:/@a-zA-Z0-9]+$", min_length=1, max_length=128),
        Words("a model name such as gpt-4o or org/model:tag"),
        Field(description="Model name that the provider knows; it is what callers and policies see."),
    ]
    azure: Annotated[AzureDeployment | None, Field(description="For type AzureOpenAI, which needs it.")] = None
    parameters: Annotated[ProviderParameters | None, Field(description="Defaults and caps for this provider.")] = None
    credentials: Annotated[
        list[Credential] | None,
        ATOMIC,
        Cel("self.all(a, self.exists_one(b, b.name == a.name))", "credential names must be unique"),
        Field(
            min_length=1,
            max_length=8,
            description="Keys, sent in the header that the type asks for; several take turns.",
        ),
    ] = None
    max_sensitivity: Annotated[
        Sensitivity, Field(description="Highest label that this provider may ever see, on every path.")
    ]
    capabilities: Annotated[
        Capabilities | None,
        Field(description="What the model can do: it is left out of turns that ask for what it cannot."),
    ] = None
    passthrough: Annotated[
        list[PassedField] | None,
        SET,
        Field(
            min_length=1,
            max_length=8,
            description="Fields that callers may send on to this provider, beyond those that every provider is told.",
        ),
    ] = None
    price: Annotated[
        Price | None,
        Field(description="What the model costs; absent: what the dated table says of it at this host. Never below."),
    ] = None
    limits: Annotated[
        ProviderLimits | None,
        Field(description="How much one agent asks of it; beyond that its turns go to the next provider of the rule."),
    ] = None


class SensitivityMatch(Model):
    at_least: Annotated[Sensitivity, Field(description="Matches turns of this label and higher.")]


class Match(Model):
    cel_rules = (
        Cel("has(self.sensitivity) || has(self.when)", "state sensitivity or when, or leave match out: then all match"),
    )
    sensitivity: Annotated[SensitivityMatch | None, Field(description="Label of the turn.")] = None
    when: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="CEL over `turn` (callerKind, callerGroups, inputTokens, stream, hour, weekday), such as "
            "'staff' in turn.callerGroups. With sensitivity, both must match. A turn on which it fails is denied.",
        ),
    ] = None


class Strategy(StrEnum):
    """Who of a rule's providers is asked first. The others follow as fallbacks."""

    ORDERED = "Ordered"
    WEIGHTED = "Weighted"
    STICKY = "Sticky"
    LEAST_COST = "LeastCost"
    LEAST_LATENCY = "LeastLatency"


class ProviderRef(Model):
    name: Annotated[DnsLabel, Field(description="A provider of this route.")]
    weight: Annotated[
        int | None, Field(ge=1, le=1000, description="Share of the turns under Weighted and Sticky; 1 when absent.")
    ] = None


class Rule(Model):
    cel_rules = (
        Cel(
            "self.providers.all(p, !has(p.weight)) || (has(self.strategy) && self.strategy in ['Weighted', 'Sticky'])",
            "weights count under strategy Weighted or Sticky; name one of them, or remove the weights",
            ".providers",
        ),
    )
    name: Annotated[DnsLabel, Field(description="Name of the rule within the route.")]
    match: Annotated[Match | None, Field(description="What turns the rule is for; absent: all.")] = None
    providers: Annotated[
        list[ProviderRef],
        ATOMIC,
        Cel("self.all(a, self.exists_one(b, b.name == a.name))", "name each provider once within a rule"),
        Field(min_length=1, max_length=8, description="In order: the first is primary, the rest are fallbacks."),
    ]
    strategy: Annotated[
        Strategy | None,
        Field(
            description="Ordered (when absent): as they stand. Weighted: drawn by weight, the same for all turns of a "
            "conversation. Sticky: drawn by weight, the same for all turns of a conversation, without one for all with "
            "the same first message, which keeps a provider's prompt cache warm. LeastCost: the cheapest for this "
            "turn; who has no price comes last. LeastLatency: who took the least time to its first words of late, as "
            "each pod has seen it."
        ),
    ] = None


class Timeouts(Model):
    connect: Annotated[Duration | None, Field(description="To an open connection; 2s when absent.")] = None
    first_token: Annotated[
        Duration | None,
        Field(
            description="From the request to the first delta of a streamed answer: of its text, of a call, or of "
            "reasoning that the provider shows; 20s."
        ),
    ] = None
    idle: Annotated[Duration | None, Field(description="Between two deltas of an answer; 15s.")] = None
    attempt: Annotated[
        Duration | None, Field(description="One attempt at one provider, without what its caller takes to read; 60s.")
    ] = None
    total: Annotated[Duration | None, Field(description="All attempts of a turn; 90s.")] = None
    min_bytes_per_second: Annotated[
        int | None,
        Field(
            ge=1,
            le=65_536,
            description="Slowest that a streamed answer's text may come, over each stretch of `idle` that is spent "
            "waiting for it; absent: any.",
        ),
    ] = None


TIMEOUT_DEFAULTS = {"connect": "2s", "firstToken": "20s", "idle": "15s", "attempt": "60s", "total": "90s"}


class ModelRouteSpec(Model):
    cel_rules = (
        Cel(
            "self.rules.all(r, r.providers.all(p, self.providers.exists(q, q.name == p.name)))",
            "every provider named in a rule must stand in spec.providers",
            ".rules",
        ),
    )
    providers: Annotated[
        list[Provider], BY_NAME, Field(min_length=1, max_length=16, description="Models that the rules may name.")
    ]
    rules: Annotated[
        list[Rule],
        ATOMIC,
        Cel("self.all(a, self.exists_one(b, b.name == a.name))", "rule names must be unique"),
        Field(
            min_length=1, max_length=16, description="The first rule that matches wins; no match: the turn is denied."
        ),
    ]
    fallback: Annotated[Fallback | None, Field(description="When the next provider of the rule is asked.")] = None
    timeouts: Annotated[Timeouts | None, Field(description="How long to wait for what.")] = None
    retries: Annotated[Retries | None, Field(description="When the same provider is asked again.")] = None
    circuit_breaker: Annotated[
        CircuitBreaker | None, Field(description="When a provider that fails is left alone; each pod counts by itself.")
    ] = None


class ProviderHealth(StrEnum):
    """Unavailable: the breakers of all pods that say something of the provider are open or half open."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    UNAVAILABLE = "Unavailable"


class ProviderStatus(Model):
    name: Annotated[DnsLabel, Field(description="Name of the provider within the route.")]
    price: Annotated[
        ProviderPrice | None, Field(description="The price in force; absent: nobody knows what the model costs.")
    ] = None
    health: Annotated[
        ProviderHealth | None,
        Field(description="By the circuit breakers of the serving pods, about a minute old; absent: no pod says."),
    ] = None
    last_error: Annotated[
        Annotated[str, StringConstraints(max_length=32)] | None,
        Field(description="How the last attempt of a pod failed, a word of docs/reference/route-errors.md."),
    ] = None


class ModelRouteStatus(UsedByAgents):
    providers: Annotated[
        list[ProviderStatus] | None, BY_NAME, Field(max_length=16, description="What is known of each provider.")
    ] = None
    provider_count: Annotated[int | None, Field(ge=0, description="Providers of the route.")] = None
    rule_count: Annotated[int | None, Field(ge=0, description="Rules of the route.")] = None
