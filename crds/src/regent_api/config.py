"""AgentConfig: the one document that the operator hands to a pod, and its digests.

The operator writes it, the runtime reads the same model. A runtime refuses a schema version that it does not know.
Conjunctions stay lists of lists (one list a policy): a thing passes when every list lets it, and an empty outer list
lets nothing.
"""

import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from regent_api.model import Model
from regent_api.policy import ModelAllow, Peer, ServiceAccountGrant
from regent_api.route import ProviderType, WireApi
from regent_api.status import Digests
from regent_api.types import Opinion, Sensitivity, glob_matches, host_matches

SCHEMA_VERSION: Literal[1] = 1
CONFIG_KEY = "agent.json"
"""Key of the ConfigMap and name of the file that hold the document."""

T = TypeVar("T")
Conjunction = list[list[T]]


class EffectiveCallers(Model):
    service_accounts: Conjunction[ServiceAccountGrant]
    anonymous: Opinion
    may_instruct: Opinion
    ingress_from: Conjunction[Peer]

    def admits(self, namespace: str, name: str, *, agent_namespace: str) -> bool:
        """Whether every policy's list lets the ServiceAccount in; an empty conjunction lets nobody in."""

        def lets(grant: ServiceAccountGrant) -> bool:
            wanted = grant.namespace or agent_namespace
            return wanted in {"*", namespace} and glob_matches(grant.name, name)

        return _every(self.service_accounts, lets)


class EffectiveSize(Model):
    max_request_bytes: int
    max_input_tokens: int
    max_output_tokens: int
    turn_timeout_seconds: float


class EffectiveModels(Model):
    allow: Conjunction[ModelAllow] | None = None
    """None: no policy has an opinion, so the route's own list holds."""
    local_hosts: Conjunction[str]
    local_at_or_above: Sensitivity

    def admits(self, host: str, model: str) -> bool:
        def lets(entry: ModelAllow) -> bool:
            named = entry.models is None or any(glob_matches(pattern, model) for pattern in entry.models)
            return named and host_matches(entry.host, host)

        return self.allow is None or _every(self.allow, lets)

    def is_local_host(self, host: str) -> bool:
        """The half of the proof of Local that needs no address."""
        return _every(self.local_hosts, lambda pattern: host_matches(pattern, host))


class EffectiveData(Model):
    min_sensitivity: Sensitivity


class EffectiveEgress(Model):
    """`hosts` None: the route's. `cidrs` None: public addresses only."""

    hosts: Conjunction[str] | None = None
    cidrs: Conjunction[str] | None = None

    def admits_host(self, host: str) -> bool:
        return self.hosts is None or _every(self.hosts, lambda pattern: host_matches(pattern, host))

    def admits_address(self, address: str) -> bool:
        """Whether an outside host's resolved address may be connected to."""
        ip = ipaddress.ip_address(address)
        if self.cidrs is None:
            return ip.is_global and not ip.is_multicast
        return _every(self.cidrs, lambda cidr: ip in ipaddress.ip_network(cidr, strict=False))


class EffectivePolicy(Model):
    """The meet of all policies that apply, defaults filled in."""

    callers: EffectiveCallers
    size: EffectiveSize
    models: EffectiveModels
    data: EffectiveData
    egress: EffectiveEgress


class CredentialFile(Model):
    """Where the pod finds a credential: CREDENTIALS_DIR/secret/key, and the hosts it may go to in .../secret/hosts."""

    name: str
    secret: str
    key: str


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

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""


class RuleConfig(Model):
    name: str
    at_least: Sensitivity
    """Public where the rule has no match: every turn."""
    providers: list[str]


class TimeoutsConfig(Model):
    """Seconds."""

    connect: float
    first_token: float
    idle: float
    attempt: float
    total: float


class RouteConfig(Model):
    """The route as cut by the policies: excluded providers are gone, and rules name only those that stay."""

    name: str
    providers: list[ProviderConfig]
    rules: list[RuleConfig]
    timeouts: TimeoutsConfig


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


class AgentConfig(Model):
    schema_version: Literal[1] = SCHEMA_VERSION
    agent: AgentIdentity
    instructions: str
    sensitivity: Sensitivity
    temperature: float | None = None
    max_output_tokens: int | None = None
    suspended: bool = False
    policy: EffectivePolicy
    sources: dict[str, list[str]]
    """Field path -> the policies (NAMESPACE/NAME) behind its value; empty where the default holds. In no digest."""
    route: RouteConfig
    tokens: TokenTrust
    cluster_cidrs: list[str]
    """Ranges of the cluster's Services and pods: where a Local provider's address must lie."""

    def digests(self) -> Digests:
        whole = self.wire()
        del whole["sources"]
        return Digests(config=digest(whole), policy=digest(self.policy.wire()), route=digest(self.route.wire()))


def digest(meaning: Any) -> str:
    """`sha256:` and the hex hash of canonical JSON (sorted keys, no spaces, UTF-8): equal meaning, equal digest."""
    canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _every(conjunction: Sequence[Iterable[T]], lets: Callable[[T], bool]) -> bool:
    return bool(conjunction) and all(any(lets(entry) for entry in entries) for entries in conjunction)
