"""The plan of one agent: what its pods must hold, from declarations alone.

`plan_agent` is pure and looks at nothing that was observed, so equal declarations give an equal plan; what is applied
at a given moment, `children` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from regent_api.agent import EffectiveField, PolicyUse
from regent_api.config import AgentConfig, PromptConfig, RouteConfig
from regent_api.effective import EffectiveCallers
from regent_api.objects import AIAgent
from regent_api.policy import AuditDurability
from regent_api.status import ConditionType, Digests, Reason
from regent_api.types import Opinion
from regent_operator.plan import config, networkpolicy, policy
from regent_operator.plan.conflict import conflicts
from regent_operator.plan.declared import Declared
from regent_operator.plan.document import Document, document
from regent_operator.plan.inputs import AgentInputs, Installation
from regent_operator.plan.observation import CredentialPair, once
from regent_operator.plan.peers import MOST_PEERS, nobody_connects, too_many_peers
from regent_operator.plan.policy import Applying, InForce, in_order
from regent_operator.plan.references import Problem, References, resolve
from regent_operator.plan.remembered import Shared
from regent_operator.plan.sharedstate import state_problems
from regent_operator.plan.state import state_config

MOST_BYTES = 1_000_000
"""Of a config: a ConfigMap holds 1 MiB, and the seal lies beside it."""


@dataclass(frozen=True, eq=False)
class Allowed:
    """What policies leave of a route: one for all agents of that route under them."""

    route: RouteConfig
    excluded: tuple[str, ...]
    """Words for each provider that they exclude."""
    conflicts: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentPlan:
    agent: AIAgent
    inputs: AgentInputs
    installation: Installation
    problems: tuple[Problem, ...]
    """Empty: all is accepted and resolved. The first is Ready's reason."""
    config: AgentConfig | None
    """What every pod must hold; None: nothing can be run safely, so no child is made (existing ones stay)."""
    digests: Digests | None
    uses: tuple[PolicyUse, ...]
    """The policies that take part, with the digests that took part."""
    policy_keys: frozenset[str]
    """NAMESPACE/NAME of every policy that applies or might, the missing ones too: reverse references."""
    untried: frozenset[str]
    """Of them, those in mode Audit that are more than an agent tries."""
    route_digest: str | None
    """Digest of the ModelRoute that took part; None: it did not, and the last one is kept if there is one."""
    effective: tuple[EffectiveField, ...]
    excluded: tuple[str, ...]
    """Words for each provider that the policies exclude."""
    unreachable: tuple[str, ...]
    """Words for each provider within the cluster that gives no way to its pods."""
    credentials: frozenset[CredentialPair]
    """(Secret, key) pairs that the pods mount."""
    applying: Applying = field(compare=False, repr=False)
    allowed: Allowed | None = field(compare=False, repr=False)
    """Held for the agents that share them: they are remembered for as long as a plan holds them."""

    @property
    def config_text(self) -> str | None:
        """The ConfigMap's value, byte for byte: a plan is kept for each agent, and the text would be a half of it."""
        return document(self.config).text if self.config else None


@dataclass(frozen=True)
class _Outcome:
    """What declarations come to."""

    problems: tuple[Problem, ...] = ()
    config: AgentConfig | None = None
    in_force: InForce | None = None
    allowed: Allowed | None = None
    route: RouteConfig | None = None
    """As declared, where the config was made from it."""
    refuses: bool = False
    """Whether the config lets nobody in, so that no policy and no route is in force by it."""


def plan_agent(inputs: AgentInputs, installation: Installation) -> AgentPlan:
    applying = policy.applying(inputs, installation.namespace)
    references = resolve(inputs, applying, installation.cluster_domain)
    outcome = _outcome(inputs, installation, applying, references)
    written = _written(outcome)
    while (size := _bytes(written)) > MOST_BYTES and applying.shadows:
        applying = applying.trying_less
        outcome = _outcome(inputs, installation, applying, references)
        written = _written(outcome)
    credentials = _credentials(inputs, outcome)
    if size > MOST_BYTES:
        outcome = _refusing(outcome, size)
        written = _written(outcome)
    made = outcome.config
    return AgentPlan(
        agent=inputs.agent,
        inputs=inputs,
        installation=installation,
        problems=outcome.problems,
        config=made,
        digests=written.digests if written else None,
        uses=() if outcome.refuses else _uses(applying, inputs),
        policy_keys=applying.keys,
        untried=applying.untried,
        route_digest=references.route.digest if outcome.route and references.route and not outcome.refuses else None,
        effective=outcome.in_force.described if outcome.in_force else (),
        excluded=outcome.allowed.excluded if outcome.allowed else (),
        unreachable=networkpolicy.unreachable(made, inputs.services, installation) if made else (),
        credentials=credentials,
        applying=applying,
        allowed=outcome.allowed,
    )


def _outcome(inputs: AgentInputs, installation: Installation, applying: Applying, references: References) -> _Outcome:
    if references.problems or references.route is None:
        return _kept(inputs, installation, applying, references.problems)
    return _made(inputs, installation, applying, references, references.route)


def _written(outcome: _Outcome) -> Document | None:
    return document(outcome.config) if outcome.config else None


def _bytes(written: Document | None) -> int:
    return len(written.text.encode()) if written else 0


def _refusing(outcome: _Outcome, size: int) -> _Outcome:
    """Lets nobody in. The last config would stay otherwise, whatever a policy tightens, and whoever wrote too much of
    instructions or of a policy would have switched all others' edits off. What pods keep is kept as the policies say.
    """
    made = outcome.config
    assert made is not None  # noqa: S101  # what is too large is there
    words = (
        f"The config has {size} bytes, and at most {MOST_BYTES} fit: the instructions and the policies that "
        "apply come to too much. Make them shorter; until then the agent lets nobody in."
    )
    nobody = EffectiveCallers(service_accounts=[], anonymous=Opinion.DENY, may_instruct=Opinion.DENY, ingress_from=[])
    audit = made.policy.audit.model_copy(update={"alerts": []})
    bare = policy.in_force({}).policy
    data = bare.data.model_copy(update={"classes": made.policy.data.classes})
    rules = bare.model_copy(update={"callers": nobody, "audit": audit, "data": data})
    least = {"instructions": "", "prompt": PromptConfig(), "policy": rules, "sources": {}, "shadows": []}
    return replace(
        outcome,
        problems=(Problem(ConditionType.ACCEPTED, Reason.CONFIG_TOO_LARGE, words), *outcome.problems),
        config=made.model_copy(update=least),
        refuses=True,
    )


def _made(
    inputs: AgentInputs, installation: Installation, applying: Applying, references: References, declared: Declared
) -> _Outcome:
    """Everything is there: a config of its own, unless the policies let nothing of the route through."""
    rules, namespace = applying.in_force, inputs.agent.metadata.namespace
    allowed = _allowed.of(declared, rules, namespace, make=lambda: _allow(declared, rules, namespace))
    problems = (
        *allowed.conflicts,
        *state_problems(inputs.agent, rules, allowed.route, installation),
        *_collector_required(rules, installation),
    )
    if not allowed.route.providers:
        problems = (*problems, _no_provider(declared.config.name, allowed.excluded))
    if problems and (inputs.last is None or problems[0].reason is Reason.NO_PROVIDER_ALLOWED):
        return _kept(inputs, installation, applying, problems)
    made = config.fresh(inputs.agent, references.instructions, allowed.route, rules, applying.shadows, installation)
    return _Outcome(problems, made, rules, allowed, declared.config)


_allowed: Shared[Allowed] = Shared()


def _allow(declared: Declared, rules: InForce, namespace: str) -> Allowed:
    route, excluded = config.cut(declared.config, rules.policy)
    return Allowed(route, excluded, _conflicts(rules, namespace))


def _kept(
    inputs: AgentInputs, installation: Installation, applying: Applying, problems: tuple[Problem, ...]
) -> _Outcome:
    """The last config, which the policies that are there may still tighten; a new agent gets none."""
    if inputs.last is None:
        return _Outcome(problems)
    rules = policy.in_force(policy.tightened(inputs.last, applying.opinions))
    route, excluded = config.cut(inputs.last.route, rules.policy)
    kept = config.tightened(inputs.last, inputs.agent, route, rules, applying.shadows, installation)
    return _Outcome(problems, kept, rules, Allowed(route, excluded))


def _conflicts(rules: InForce, namespace: str) -> tuple[Problem, ...]:
    found = (*conflicts(rules.opinions, namespace), *_no_peers(rules, namespace))
    words = (f"{sentence}. Change one of them so that something is left." for sentence in found)
    return tuple(Problem(ConditionType.ACCEPTED, Reason.POLICY_CONFLICT, sentence) for sentence in words)


def _no_peers(rules: InForce, namespace: str) -> Iterator[str]:
    stated = rules.opinions.get("callers.ingressFrom")
    named = ", ".join(sorted(stated.sources)) if stated else ""
    if too_many_peers(rules.policy.callers, namespace):
        yield f"callers.ingressFrom: {named} have more than {MOST_PEERS} combinations"
    if nobody_connects(rules.policy.callers, namespace):
        yield f"callers.ingressFrom: the lists of {named} have nothing in common"


def _collector_required(rules: InForce, installation: Installation) -> tuple[Problem, ...]:
    """A running agent takes the policy up all the same: its pods then answer as `audit.onFailure` says."""
    if rules.policy.audit.durability is not AuditDurability.COLLECTOR or installation.collector_url is not None:
        return ()
    named = ", ".join(sorted(rules.opinions["audit.durability"].sources))
    words = (
        f"audit.durability: {named} want records at a collector, and there "
        "is none. Install the chart with collector.enabled=true, or state durability: Pod."
    )
    return (Problem(ConditionType.ACCEPTED, Reason.COLLECTOR_REQUIRED, words),)


def _no_provider(route: str, excluded: tuple[str, ...]) -> Problem:
    return Problem(
        ConditionType.RESOLVED_REFS,
        Reason.NO_PROVIDER_ALLOWED,
        f"The policies exclude every provider of ModelRoute {route} ({'; '.join(excluded)}). "
        "Change the route, or let a provider through in models.allow, egress.hosts or models.localHosts.",
    )


def _uses(applying: Applying, inputs: AgentInputs) -> tuple[PolicyUse, ...]:
    """Those that take part; one that is missing or invalid takes part as it was in the last config."""
    away = applying.away if inputs.last else frozenset[str]()
    kept = [use for use in inputs.last_policies if f"{use.namespace}/{use.name}" in away]
    return in_order((*applying.uses, *kept)) if kept else applying.uses


def _credentials(inputs: AgentInputs, outcome: _Outcome) -> frozenset[CredentialPair]:
    """The route's as declared, excluded providers' too: what a policy excludes must not replace pods. All others."""
    if outcome.route is None and inputs.live_credentials is not None:
        return inputs.live_credentials
    route = outcome.route or (inputs.last.route if inputs.last else None)
    providers = route.providers if route else []
    keys = ((file.secret, file.key) for provider in providers for file in provider.credentials)
    return once(frozenset((*keys, *_api_keys(outcome.config), *_state_password(inputs.agent))))


def _state_password(agent: AIAgent) -> Iterator[CredentialPair]:
    redis = state_config(agent).redis
    if redis is not None and redis.password is not None:
        yield redis.password.secret, redis.password.key


def _api_keys(config: AgentConfig | None) -> Iterator[CredentialPair]:
    """Of the policy in force and of its shadows, which must know the same callers."""
    for rules in (config.policy, *(shadow.policy for shadow in config.shadows)) if config else ():
        for grant in rules.callers.api_key_grants():
            yield grant.secret_key_ref.name, grant.secret_key_ref.key
