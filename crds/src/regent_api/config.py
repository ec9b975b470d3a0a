"""AgentConfig: the one document that the operator hands to a pod, and its digests.

The operator writes it, the runtime reads the same model. A runtime refuses a schema version or a field that it does not
know. What is as the model's defaults have it is not written, so that a runtime of the version before reads a config
that asks for nothing new, with the same digest, while a chart upgrade rolls the agents; what asks for something new it
refuses, and serves under the last one. So a field that is added bears a default, and a default never changes: that
would be another schema version.
"""

import hashlib
import json
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from regent_api.attempting import BREAKER_DEFAULTS, FALLBACK_DEFAULTS, RETRY_DEFAULTS, FailureClass
from regent_api.batch import Grouping
from regent_api.capabilities import TokenCounter
from regent_api.drain import IDLE_AFTER_DEFAULT
from regent_api.effective import EffectivePolicy
from regent_api.model import Model
from regent_api.passthrough import PassedField
from regent_api.price import ProviderPrice
from regent_api.prompt import WhenTooLong
from regent_api.route import ProviderLimits, ProviderType, Strategy, WireApi
from regent_api.status import Digests
from regent_api.types import CLUSTER_DOMAIN, Sensitivity, in_cluster, seconds

SCHEMA_VERSION: Literal[1] = 1
CONFIG_KEY = "agent.json"
"""Key of the ConfigMap and name of the file that hold the document."""


class CredentialFile(Model):
    """Where the pod finds a credential: CREDENTIALS_DIR/secret/key, and the hosts it may go to in .../secret/hosts."""

    name: str
    secret: str
    key: str


class AzureConfig(Model):
    deployment: str
    api_version: str | None = None
    """A date; None for the v1 surface."""


class CapabilitiesConfig(Model):
    tools: bool = True
    json_schema: bool = True
    stream_usage: bool = True
    vision: bool = False
    image_tokens: int | None = None
    """Of one image, at most; None: by the rule of the provider's type, where there is one."""
    context_window: int | None = None
    """Tokens; None: nobody says."""
    listed_window: int | None = None
    """Tokens of input and answer by the dated table; None: it does not say, or the route does."""
    token_counter: TokenCounter | None = None


class ProviderConfig(Model):
    name: str
    type: ProviderType
    base_url: Annotated[str, Field(alias="baseURL")]
    api: WireApi
    model: str
    temperature: float | None = None
    max_output_tokens: int | None = None
    credentials: list[CredentialFile] = []
    max_sensitivity: Sensitivity
    azure: AzureConfig | None = None
    capabilities: CapabilitiesConfig = CapabilitiesConfig()
    passthrough: list[PassedField] = []
    """Sorted."""
    price: ProviderPrice | None = None
    """None: nobody knows what the model costs."""
    limits: ProviderLimits | None = None

    @property
    def upstream_model(self) -> str:
        """What requests name; answers to callers, records and policies name `model`."""
        return self.azure.deployment if self.azure else self.model

    @property
    def host(self) -> str:
        return _host(self.base_url)


@lru_cache(maxsize=1024)
def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


class RuleConfig(Model):
    name: str
    at_least: Sensitivity
    """Public where the rule has no such match: every turn."""
    when: str | None = None
    """CEL over a turn."""
    providers: list[str]
    strategy: Strategy = Strategy.ORDERED
    weights: dict[str, int] = {}
    """Of the providers that have another weight than 1."""


class TimeoutsConfig(Model):
    """Seconds."""

    connect: float
    first_token: float
    idle: float
    attempt: float
    total: float
    min_bytes_per_second: int = 0


class FallbackConfig(Model):
    errors: list[FailureClass] = FALLBACK_DEFAULTS["errors"]
    """Sorted."""
    max_attempts: Annotated[int, Field(ge=1)] = FALLBACK_DEFAULTS["maxAttempts"]


class RetriesConfig(Model):
    """Times in seconds."""

    max_per_provider: int = RETRY_DEFAULTS["maxPerProvider"]
    base_delay: float = seconds(RETRY_DEFAULTS["baseDelay"])
    max_delay: float = seconds(RETRY_DEFAULTS["maxDelay"])
    max_retry_after: float = seconds(RETRY_DEFAULTS["maxRetryAfter"])
    budget_percent: Annotated[int, Field(ge=0, le=100)] = RETRY_DEFAULTS["budgetPercent"]


class BreakerConfig(Model):
    """Times in seconds."""

    window: float = seconds(BREAKER_DEFAULTS["window"])
    minimum_requests: Annotated[int, Field(ge=1)] = BREAKER_DEFAULTS["minimumRequests"]
    failure_ratio: Annotated[float, Field(gt=0, le=1)] = BREAKER_DEFAULTS["failureRatio"]
    consecutive_failures: Annotated[int, Field(ge=1)] = BREAKER_DEFAULTS["consecutiveFailures"]
    open_for: float = seconds(BREAKER_DEFAULTS["openFor"])
    half_open_probes: Annotated[int, Field(ge=1)] = BREAKER_DEFAULTS["halfOpenProbes"]


class RouteConfig(Model):
    """The route as cut by the policies: excluded providers are gone, and rules name only those that stay."""

    name: str
    providers: list[ProviderConfig]
    rules: list[RuleConfig]
    fallback: FallbackConfig = FallbackConfig()
    timeouts: TimeoutsConfig
    retries: RetriesConfig = RetriesConfig()
    circuit_breaker: BreakerConfig = BreakerConfig()


class AgentIdentity(Model):
    namespace: str
    name: str

    @property
    def audience(self) -> str:
        """What a caller's token must be for: this agent and no other."""
        return f"regent.dev/{self.namespace}/{self.name}"


class TokenTrust(Model):
    """How ServiceAccount tokens are verified in the pod, without a call to the API server."""

    issuer: str
    jwks: dict[str, Any]
    """RFC 7517 key set of the cluster: {"keys": [...]}."""
    max_lifetime_seconds: int = 86_400


class RedisConfig(Model):
    """The Redis that all replicas of the agent share."""

    url: str
    password: CredentialFile | None = None


class StateConfig(Model):
    """Where the pods keep what outlives a turn: in Redis, or each pod its own."""

    redis: RedisConfig | None = None
    conversations: bool = False
    """Whether ids of conversations are issued: there is one pod, or state that all pods share."""


class DrainConfig(Model):
    idle_after_seconds: float = seconds(IDLE_AFTER_DEFAULT)
    """After its last turn a conversation is no longer active."""


class Shadow(Model):
    """What a policy in mode Audit would come to beside those in force: decided on the same turn, changing nothing."""

    name: str
    """NAMESPACE/NAME of the policy."""
    policy: EffectivePolicy


class PromptConfig(Model):
    when_too_long: WhenTooLong = WhenTooLong.REFUSE
    short_instructions: str | None = None
    """Instead of the instructions, where nothing else makes a prompt fit."""

    @property
    def shortens(self) -> bool:
        return self.when_too_long is WhenTooLong.SHORTEN


class BatchConfig(Model):
    grouping: Grouping = Grouping.NONE


class AgentConfig(Model):
    schema_version: Literal[1] = SCHEMA_VERSION
    agent: AgentIdentity
    instructions: str
    sensitivity: Sensitivity
    temperature: float | None = None
    max_output_tokens: int | None = None
    prompt: PromptConfig = PromptConfig()
    batch: BatchConfig = BatchConfig()
    suspended: bool = False
    policy: EffectivePolicy
    sources: dict[str, list[str]]
    """Field path -> the policies (NAMESPACE/NAME) behind its value; empty where the default holds. In no digest."""
    shadows: list[Shadow] = []
    route: RouteConfig
    state: StateConfig = StateConfig()
    drain: DrainConfig = DrainConfig()
    tokens: TokenTrust
    cluster_cidrs: list[str]
    """Ranges of the cluster's Services and pods: where a Local provider's address must lie."""
    cluster_domain: str = CLUSTER_DOMAIN
    """Of the names of Services; another one is stated where a host of this config means another thing by it."""

    @property
    def turn_seconds(self) -> float:
        """The whole turn within the policy's and the route's bounds."""
        return min(self.policy.size.turn_timeout_seconds, self.route.timeouts.total)

    def is_service(self, host: str) -> bool:
        """Whether a host is the name of a Service of the cluster."""
        return in_cluster(host, self.cluster_domain) is not None

    def credential_files(self) -> list[CredentialFile]:
        """Every credential that a pod with this config reads."""
        redis = self.state.redis
        of_state = [redis.password] if redis and redis.password else []
        return [*(file for provider in self.route.providers for file in provider.credentials), *of_state]

    def wire(self, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Without what is as the defaults have it, and without some fields, named as in Python."""
        return {"schemaVersion": self.schema_version, **written(self, without)}

    def digests(self) -> Digests:
        whole = self.wire()
        del whole["sources"]
        return Digests(config=digest(whole), policy=digest(whole["policy"]), route=digest(whole["route"]))


def written(part: Model, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A part of a config as it stands in the document."""
    return part.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, exclude=set(without) or None
    )


def canonical(meaning: Any) -> str:
    """JSON with sorted keys and no spaces: equal meaning, equal text."""
    return json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(meaning: Any) -> str:
    """Of its canonical JSON in UTF-8: equal meaning, equal digest."""
    return digest_of(canonical(meaning))


def digest_of(text: str) -> str:
    """`sha256:` and the hex hash."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
