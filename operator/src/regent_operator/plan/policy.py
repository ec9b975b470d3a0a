"""The effective policy of an agent: the strictest-wins meet of every policy that applies, with a source for each field.

Three sets of policies apply: those of the operator's namespace whose selector matches (the cluster's floor), those of
the agent's namespace whose selector matches, and those that the agent names. A policy that is missing or invalid is
never left out as if it were absent: it is named, and the caller keeps what was in force.

A policy in mode Audit takes no part: it casts a shadow, what the policies in force and it would come to.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

from regent_api.agent import EffectiveField, PolicyUse
from regent_api.config import AgentConfig, Shadow
from regent_api.effective import EffectivePolicy
from regent_api.model import MeetKind, Model
from regent_api.objects import Invalid
from regent_api.policy import (
    APPROVAL_TTL_DEFAULT,
    AUDIT_RETENTION_DEFAULT,
    BYTES_DEFAULT,
    CACHE_SCOPE_DEFAULT,
    CACHE_TTL_DEFAULT,
    INPUT_TOKENS_DEFAULT,
    LOCAL_AT_OR_ABOVE_DEFAULT,
    MIN_SIMILARITY_DEFAULT,
    MOST_SHADOWS,
    OUTPUT_TOKENS_DEFAULT,
    REFUSAL_DEFAULT,
    TURN_TIMEOUT_DEFAULT,
    Action,
    AuditContent,
    AuditDurability,
    AuditFailure,
    BudgetExceeded,
    Detector,
    InjectionLevel,
    PolicyMode,
    ServiceAccountGrant,
    StateError,
    Streaming,
)
from regent_api.types import Opinion, Sensitivity, seconds
from regent_operator.plan.inputs import AgentInputs
from regent_operator.plan.lattice import (
    Field,
    Opinions,
    Stated,
    conjunction,
    fields,
    from_effective,
    meet,
    meet_all,
    to_effective,
)
from regent_operator.plan.oidc import resolved
from regent_operator.plan.reading import Reading, read
from regent_operator.plan.remembered import Shared

_CLASS_DEFAULTS: Mapping[str, Any] = {"aiProcessing": frozenset(), "retention": None, "anonymize": False}
DEFAULTS: Mapping[str, Any] = {
    "callers.serviceAccounts": conjunction([[ServiceAccountGrant(name="*")]]),
    "callers.oidc": (),
    "callers.apiKeys": (),
    "callers.anonymous": Opinion.DENY,
    "callers.mayInstruct": Opinion.DENY,
    "callers.ingressFrom": (),
    "size.maxRequestBytes": BYTES_DEFAULT,
    "size.maxInputTokens": INPUT_TOKENS_DEFAULT,
    "size.maxOutputTokens": OUTPUT_TOKENS_DEFAULT,
    "size.turnTimeout": seconds(TURN_TIMEOUT_DEFAULT),
    "limits": (),
    "budget.perConversationUsd": None,
    "budget.perDayUsd": None,
    "budget.perMonthUsd": None,
    "budget.onExceeded": BudgetExceeded.DENY,
    "budget.alertAtPercent": (),
    "cache.maxSensitivity": None,
    "cache.ttl": seconds(CACHE_TTL_DEFAULT),
    "cache.semantic": Opinion.DENY,
    "cache.minSimilarity": MIN_SIMILARITY_DEFAULT,
    "cache.scope": CACHE_SCOPE_DEFAULT,
    "models.allow": None,
    "models.localHosts": (),
    "models.localAtOrAbove": LOCAL_AT_OR_ABOVE_DEFAULT,
    "guardrails.input.injection.patterns": frozenset({Action.DENY.value}),
    "guardrails.input.injection.model": frozenset({Action.AUDIT.value}),
    "guardrails.input.injection.level": InjectionLevel.BALANCED,
    "guardrails.input.specialTokens": frozenset({Action.ESCAPE.value}),
    "guardrails.input.images": Opinion.DENY,
    "guardrails.input.patterns": (),
    "guardrails.output.streaming": Streaming.WINDOW,
    "guardrails.output.personalData.action": frozenset(),
    "guardrails.output.personalData.detectors": tuple(sorted(f'"{detector.value}"' for detector in Detector)),
    "guardrails.output.secrets": frozenset({Action.DENY.value}),
    "guardrails.output.instructionsLeak": frozenset(),
    "guardrails.output.links.allow": None,
    "guardrails.output.links.images": frozenset(),
    "guardrails.output.patterns": (),
    "guardrails.refusal": REFUSAL_DEFAULT,
    "data.minSensitivity": Sensitivity.PUBLIC,
    "data.unlabelled": Sensitivity.RESTRICTED,
    **{f"data.classes.{label}.{name}": value for label in Sensitivity for name, value in _CLASS_DEFAULTS.items()},
    "data.personalData.raisesTo": None,
    "data.personalData.readers": (),
    "approvals.approvers": (),
    "approvals.ttl": seconds(APPROVAL_TTL_DEFAULT),
    "approvals.fourEyes": True,
    "egress.hosts": None,
    "egress.cidrs": None,
    "audit.durability": AuditDurability.POD,
    "audit.content": AuditContent.NONE,
    "audit.retention": seconds(AUDIT_RETENTION_DEFAULT),
    "audit.onFailure": AuditFailure.DENY,
    "audit.alerts": (),
    "onStateError": StateError.DENY,
}
"""What holds where no policy has an opinion. None: no bound; (): of a grant nothing is let through, else no entry."""

MOST_VALUE_CHARACTERS = 4096
MOST_SOURCES = 64


@dataclass(frozen=True, eq=False)
class Applying:
    """The policies that apply to an agent; the very same for all agents to which just these apply."""

    readings: tuple[Reading, ...]
    """Those that take part in the meet, by NAMESPACE/NAME."""
    shadows: tuple[Reading, ...]
    """Those in mode Audit, by NAMESPACE/NAME, at most MOST_SHADOWS."""
    untried: frozenset[str]
    """NAMESPACE/NAME of those in mode Audit beyond them. They apply, and nobody decides under them."""
    missing: tuple[str, ...]
    """NAMESPACE/NAME of those that the agent names and that do not exist."""
    invalid: tuple[tuple[str, str], ...]
    """NAMESPACE/NAME and why. They apply, or nobody can tell whether they do."""

    @classmethod
    def of(cls, *parts: Any) -> "Applying":
        return _applying.of(*parts, make=lambda: cls(*parts))

    @cached_property
    def keys(self) -> frozenset[str]:
        return frozenset((*(reading.key for reading in self.taking_part), *self.untried, *self.away))

    @cached_property
    def uses(self) -> tuple[PolicyUse, ...]:
        used = ((reading.metadata, reading.digest) for reading in self.taking_part)
        return in_order(PolicyUse(namespace=of.namespace, name=of.name, digest=digest) for of, digest in used)

    @property
    def away(self) -> frozenset[str]:
        """NAMESPACE/NAME of those that apply, or might, and cannot take part as they are."""
        return frozenset((*self.missing, *(key for key, _ in self.invalid)))

    @property
    def taking_part(self) -> tuple[Reading, ...]:
        return *self.readings, *self.shadows

    @cached_property
    def opinions(self) -> Opinions:
        return meet_all(reading.opinions for reading in self.readings)

    @cached_property
    def in_force(self) -> "InForce":
        return _in_force.of(*self.readings, make=lambda: in_force(self.opinions))

    @property
    def trying_less(self) -> "Applying":
        """Without the last of the shadows."""
        *tried, last = self.shadows
        return Applying.of(self.readings, tuple(tried), self.untried | {last.key}, self.missing, self.invalid)


def in_order(uses: Iterable[PolicyUse]) -> tuple[PolicyUse, ...]:
    return tuple(sorted(uses, key=lambda use: (use.namespace, use.name)))


_applying: Shared[Applying] = Shared()


@dataclass(frozen=True, eq=False)
class InForce:
    """What opinions come to."""

    opinions: Opinions
    policy: EffectivePolicy
    described: tuple[EffectiveField, ...]
    """status.effective."""
    sources: dict[str, list[str]]
    """Field path -> the policies behind its value. One for all agents under these opinions: nobody changes it."""


_in_force: Shared[InForce] = Shared()


def in_force(opinions: Opinions) -> InForce:
    made = effective(opinions)
    return InForce(opinions, made, described(opinions, made), sources(opinions))


def shadows(rules: InForce, readings: Iterable[Reading]) -> list[Shadow]:
    """What each policy in mode Audit would come to beside those in force."""
    return [_shadow(rules, reading) for reading in readings]


def _shadow(rules: InForce, reading: Reading) -> Shadow:
    def make() -> Shadow:
        return Shadow(name=reading.key, policy=effective(meet(rules.opinions, reading.opinions)))

    return _shadows.of(rules, reading, make=make)


_shadows: Shared[Shadow] = Shared()


def applying(inputs: AgentInputs, operator_namespace: str) -> Applying:
    """Which policies apply to an agent."""
    readings: list[Reading] = []
    shadows: list[Reading] = []
    invalid: dict[str, str] = {}
    metadata = inputs.agent.metadata
    named = {f"{metadata.namespace}/{reference.name}" for reference in inputs.agent.spec.policy_refs or []}
    known = {policy.metadata.key: policy for policy in inputs.policies}
    for key, policy in sorted(known.items(), key=lambda item: item[0]):
        if policy.metadata.namespace not in {metadata.namespace, operator_namespace}:
            continue
        if isinstance(policy, Invalid):
            invalid[key] = policy.error
            continue
        reading = read(policy, operator_namespace)
        if key not in named and not reading.selects(metadata.labels, inputs.namespace_labels):
            continue
        reading = resolved(reading, inputs.key_sets)
        if policy.spec.mode is PolicyMode.AUDIT:
            shadows += [reading] if reading.error is None else []
        elif reading.error is None:
            readings.append(reading)
        else:
            invalid[key] = reading.error
    return Applying.of(
        tuple(readings),
        tuple(shadows[:MOST_SHADOWS]),
        frozenset(reading.key for reading in shadows[MOST_SHADOWS:]),
        tuple(sorted(named - known.keys())),
        tuple(invalid.items()),
    )


def effective(opinions: Opinions) -> EffectivePolicy:
    """The policy in force, defaults filled in."""
    policy: dict[str, Any] = {}
    for field in fields():
        stated = opinions.get(field.path)
        *groups, name = field.effective_where
        group = policy
        for step in groups:
            group = group.setdefault(step, {})
        group[name] = to_effective(field, stated.value if stated else DEFAULTS[field.path])
    return EffectivePolicy.model_validate(policy)


def sources(opinions: Opinions) -> dict[str, list[str]]:
    """Field path -> the policies behind its value; empty where the default holds."""
    return {field.path: sorted(opinions[field.path].sources) if field.path in opinions else [] for field in fields()}


def tightened(last: AgentConfig, opinions: Opinions) -> Opinions:
    """What is in force after policies changed while something is missing or invalid: `last` met with what they state.

    The defaults of `last` count as opinions here, so that a first opinion cannot loosen them. (`egress.cidrs` alone
    has a default that is no list: there the first opinion holds.)
    """
    stood = {field: _standing(last, field) for field in fields()}
    nothing = {field.path: stated for field, stated in stood.items() if field.is_list and stated.value == ()}
    return {
        **meet({field.path: stated for field, stated in stood.items() if _holds(field, stated)}, opinions),
        **nothing,
    }


def value_of(policy: EffectivePolicy, field: Field) -> Any:
    """A field's value: a list of lists, a scalar (durations in seconds) or None."""
    return reduce(getattr, field.effective_where, policy)


def described(opinions: Opinions, policy: EffectivePolicy) -> tuple[EffectiveField, ...]:
    """status.effective of the policy that the opinions make."""
    behind = sources(opinions)
    return tuple(
        EffectiveField.model_construct(
            field=field.path,
            value=as_json(field, value_of(policy, field))[:MOST_VALUE_CHARACTERS],
            from_=behind[field.path][:MOST_SOURCES],
        )
        for field in fields()
    )


def as_json(field: Field, value: Any) -> str:
    """A value as users would write it: durations as `120s`."""
    plain = f"{value:g}s" if field.is_duration and value is not None else _plain(value)
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value.wire() if isinstance(value, Model) else value


def _holds(field: Field, stood: Stated) -> bool:
    """Whether what stood is an opinion that others meet. Of a text that is one policy's only that policy's is."""
    return stood.value is not None and (bool(stood.sources) or field.kind is not MeetKind.FIRST)


def _standing(config: AgentConfig, field: Field) -> Stated:
    value = from_effective(field, value_of(config.policy, field))
    return Stated(value, frozenset(config.sources.get(field.path, ())))
