"""The effective policy: the meet of all policies that apply to an agent, defaults filled in.

The same groups and names as AgentPolicy, so a field's path leads to its value here too; durations are seconds.
Conjunctions stay lists of lists (one list a policy): a thing passes when every list lets it, and an empty outer list
lets nothing. Duties and actions are lists of words that all hold; a list with Deny holds nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field

from regent_api.model import Model
from regent_api.policy import (
    CACHE_SCOPE_DEFAULT,
    CACHE_TTL_DEFAULT,
    MIN_SIMILARITY_DEFAULT,
    Action,
    AlertRule,
    ApiKeyGrant,
    Approvers,
    AuditContent,
    AuditDurability,
    AuditFailure,
    BudgetExceeded,
    CacheScope,
    Detector,
    InjectionLevel,
    InputPattern,
    Limit,
    ModelAllow,
    OidcGrant,
    OutputPattern,
    Peer,
    ServiceAccountGrant,
    StateError,
    Streaming,
    somebody,
)
from regent_api.price import Amount
from regent_api.types import Opinion, Sensitivity, glob_matches, host_matches, seconds

T = TypeVar("T")
Conjunction = list[list[T]]


class Duty(StrEnum):
    """What data of a class asks for before, or instead of, a model's seeing it."""

    APPROVE = "Approve"
    LOCAL_ONLY = "LocalOnly"
    DENY = "Deny"


class EffectiveCallers(Model):
    service_accounts: Conjunction[ServiceAccountGrant]
    oidc: Conjunction[OidcGrant] = []
    """Every key set inline, cut down to its public members."""
    api_keys: Conjunction[ApiKeyGrant] = []
    anonymous: Opinion
    may_instruct: Opinion
    ingress_from: Conjunction[Peer]

    def admits(self, namespace: str, name: str, *, agent_namespace: str) -> bool:
        """Whether every policy's list lets the ServiceAccount in; an empty conjunction lets nobody in."""

        def lets(grant: ServiceAccountGrant) -> bool:
            wanted = grant.namespace or agent_namespace
            return wanted in {"*", namespace} and glob_matches(grant.name, name)

        return every(self.service_accounts, lets)

    def oidc_groups(self, subject: str, groups: Callable[[OidcGrant], frozenset[str] | None]) -> frozenset[str] | None:
        """The groups of a caller on which every policy's list agrees; None: some list does not let it in.

        `groups`: those that its token names when proved under a grant; None where it cannot be.
        """

        def of(grant: OidcGrant) -> frozenset[str] | None:
            named = groups(grant)
            return named if named is not None and grant.lets_in(subject, named) else None

        return _agreed(self.oidc, of)

    def api_key_groups(self, name: str, holds: Callable[[ApiKeyGrant], bool]) -> frozenset[str] | None:
        """The same for the caller that an API key stands for. `holds`: whether the grant's Secret holds its value."""
        return _agreed(
            self.api_keys,
            lambda grant: frozenset(grant.groups or ()) if grant.name == name and holds(grant) else None,
        )

    def api_key_grants(self) -> Iterator[ApiKeyGrant]:
        """Of every policy."""
        return (grant for grants in self.api_keys for grant in grants)


class EffectiveSize(Model):
    max_request_bytes: int
    max_input_tokens: int
    max_output_tokens: int
    turn_timeout_seconds: float


class EffectiveBudget(Model):
    """USD; None: no bound."""

    per_conversation_usd: Amount | None = None
    per_day_usd: Amount | None = None
    per_month_usd: Amount | None = None
    on_exceeded: BudgetExceeded = BudgetExceeded.DENY
    alert_at_percent: list[int] = []

    @property
    def stated(self) -> Sequence[str]:
        """Paths of the fields that bound something."""
        by_path = {
            "budget.perConversationUsd": self.per_conversation_usd,
            "budget.perDayUsd": self.per_day_usd,
            "budget.perMonthUsd": self.per_month_usd,
        }
        return [path for path, most in by_path.items() if most is not None]


class EffectiveCache(Model):
    """`max_sensitivity` None: no answer is kept."""

    max_sensitivity: Sensitivity | None = None
    ttl_seconds: float = seconds(CACHE_TTL_DEFAULT)
    semantic: Opinion = Opinion.DENY
    min_similarity: float = MIN_SIMILARITY_DEFAULT
    scope: CacheScope = CACHE_SCOPE_DEFAULT


class EffectiveModels(Model):
    allow: Conjunction[ModelAllow] | None = None
    """None: no policy has an opinion, so the route's own list holds."""
    local_hosts: Conjunction[str]
    local_at_or_above: Sensitivity

    def admits(self, host: str, model: str) -> bool:
        def lets(entry: ModelAllow) -> bool:
            named = entry.models is None or any(glob_matches(pattern, model) for pattern in entry.models)
            return named and host_matches(entry.host, host)

        return self.allow is None or every(self.allow, lets)

    def is_local_host(self, host: str) -> bool:
        """The half of the proof of Local that needs no address."""
        return every(self.local_hosts, lambda pattern: host_matches(pattern, host))


class EffectiveEgress(Model):
    """`hosts` None: the route's. `cidrs` None: public addresses only."""

    hosts: Conjunction[str] | None = None
    cidrs: Conjunction[str] | None = None

    def admits_host(self, host: str) -> bool:
        return self.hosts is None or every(self.hosts, lambda pattern: host_matches(pattern, host))

    def names_host(self, host: str) -> bool:
        """Whether the policies open a host that no provider of the route has: stated, and let by every list."""
        return self.hosts is not None and self.admits_host(host)


class EffectiveInputPattern(InputPattern):
    policy: str
    """NAMESPACE/NAME of the policy that states it."""


class EffectiveOutputPattern(OutputPattern):
    policy: str
    """NAMESPACE/NAME of the policy that states it."""


class EffectiveAlert(AlertRule):
    policy: str
    """NAMESPACE/NAME of the policy that states it."""


class EffectiveLimit(Limit):
    policy: str
    """NAMESPACE/NAME of the policy that states it."""


class EffectiveInjection(Model):
    patterns: list[Action]
    model: list[Action]
    level: InjectionLevel


class EffectiveInput(Model):
    injection: EffectiveInjection
    special_tokens: list[Action]
    images: Opinion = Opinion.DENY
    patterns: list[EffectiveInputPattern]


class EffectivePersonalDataGuard(Model):
    action: list[Action]
    """Empty: nothing is looked for."""
    detectors: list[Detector]


class EffectiveLinks(Model):
    allow: Conjunction[str] | None = None
    """None: links may lead anywhere."""
    images: list[Action]

    def admits(self, host: str) -> bool:
        return self.allow is None or every(self.allow, lambda pattern: host_matches(pattern, host))


class EffectiveOutput(Model):
    streaming: Streaming
    personal_data: EffectivePersonalDataGuard
    secrets: list[Action]
    instructions_leak: list[Action]
    links: EffectiveLinks
    patterns: list[EffectiveOutputPattern]


class EffectiveGuardrails(Model):
    input: EffectiveInput
    output: EffectiveOutput
    refusal: str


class EffectiveClass(Model):
    ai_processing: list[Duty]
    """Empty: models may see it freely."""
    retention_seconds: float | None = None
    """None: no bound."""
    anonymize: bool


class EffectiveClasses(Model):
    public: Annotated[EffectiveClass, Field(alias="Public")]
    internal: Annotated[EffectiveClass, Field(alias="Internal")]
    confidential: Annotated[EffectiveClass, Field(alias="Confidential")]
    restricted: Annotated[EffectiveClass, Field(alias="Restricted")]

    def of(self, label: Sensitivity) -> EffectiveClass:
        by_label = (self.public, self.internal, self.confidential, self.restricted)
        return by_label[label.rank]


class EffectivePersonalData(Model):
    raises_to: Sensitivity | None = None
    """None: finding personal data raises nothing."""
    readers: Conjunction[str]

    def may_read(self, groups: Iterable[str]) -> bool:
        """Whether a caller of these groups sees anonymised data restored."""
        member = frozenset(groups)
        return every(self.readers, lambda group: group in member)


class EffectiveData(Model):
    min_sensitivity: Sensitivity
    unlabelled: Sensitivity
    classes: EffectiveClasses
    personal_data: EffectivePersonalData


class EffectiveApprovals(Model):
    approvers: Conjunction[Approvers]
    ttl_seconds: float
    four_eyes: bool

    @property
    def may_be_given(self) -> bool:
        """Whether there may be anybody whom every policy's approvers hold."""
        return somebody(approvers.named for listed in self.approvers for approvers in listed)

    def may_approve(self, subject: str, groups: Iterable[str]) -> bool:
        """Whether every policy's approvers hold the caller; nobody where no policy names any."""
        member = frozenset(groups)

        def lets(approvers: Approvers) -> bool:
            return subject in (approvers.subjects or []) or not member.isdisjoint(approvers.groups or [])

        return every(self.approvers, lets)


class EffectiveAudit(Model):
    durability: AuditDurability
    content: AuditContent
    retention_seconds: float
    on_failure: AuditFailure
    alerts: list[EffectiveAlert]


class EffectivePolicy(Model):
    """The meet of all policies that apply, defaults filled in."""

    callers: EffectiveCallers
    size: EffectiveSize
    limits: list[EffectiveLimit]
    """All of them hold."""
    budget: EffectiveBudget = EffectiveBudget()
    cache: EffectiveCache = EffectiveCache()
    models: EffectiveModels
    guardrails: EffectiveGuardrails
    data: EffectiveData
    approvals: EffectiveApprovals
    egress: EffectiveEgress
    audit: EffectiveAudit
    on_state_error: StateError


def _agreed(conjunction: Conjunction[T], groups: Callable[[T], frozenset[str] | None]) -> frozenset[str] | None:
    """Of each list, the groups of the entries that let the caller in; of all lists, what they have in common."""
    lists = [[named for entry in entries if (named := groups(entry)) is not None] for entries in conjunction]
    if not lists or not all(lists):
        return None
    return frozenset.intersection(*(frozenset[str]().union(*named) for named in lists))


def every(conjunction: Sequence[Iterable[T]], lets: Callable[[T], bool]) -> bool:
    """Whether each list has an entry that lets a thing through; an empty conjunction lets nothing."""
    return bool(conjunction) and all(any(lets(entry) for entry in entries) for entries in conjunction)
