"""The plan of one agent: what its pods must hold and which children it has.

`plan_agent` looks at declarations only; `children` adds what was observed, because two edits wait for the pods:
egress closes after the config that no longer needs it is enforced, and replicas go to zero after every pod refuses
new turns. Call both at each reconcile; both are pure, so equal inputs give equal children.
"""

from dataclasses import dataclass

from regent_api.agent import EffectiveField, PolicyUse
from regent_api.config import AgentConfig
from regent_api.objects import AIAgent
from regent_api.status import ConditionType, Digests, Reason
from regent_operator.plan.inputs import AgentInputs, Installation
from regent_operator.plan.observation import CredentialPair, Observation


@dataclass(frozen=True)
class Problem:
    """Why the declarations cannot all be honoured. `type` is Accepted or ResolvedRefs."""

    type: ConditionType
    reason: Reason
    message: str


@dataclass(frozen=True)
class AgentPlan:
    agent: AIAgent
    installation: Installation
    problems: tuple[Problem, ...]
    """Empty: all is accepted and resolved. The first is Ready's reason."""
    config: AgentConfig | None
    """What every pod must hold; None: nothing can be run safely, so no child is made (existing ones stay)."""
    digests: Digests | None
    config_text: str | None
    """The ConfigMap's value, byte for byte."""
    uses: tuple[PolicyUse, ...]
    """The policies that take part, with the digests that took part."""
    policy_keys: frozenset[str]
    """NAMESPACE/NAME of every policy that applies or might, the missing ones too: reverse references."""
    route_digest: str | None
    """Digest of the ModelRoute that took part; None: it is missing or invalid, and the last one is kept."""
    effective: tuple[EffectiveField, ...]
    excluded: tuple[str, ...]
    """Words for each provider that the policies exclude."""
    credentials: frozenset[CredentialPair]
    """(Secret, key) pairs that the pods mount."""
    inputs: AgentInputs


@dataclass(frozen=True)
class ChildKind:
    api_version: str
    kind: str


@dataclass(frozen=True)
class Children:
    apply: tuple[dict[str, object], ...]
    """In apply order, as SSA bodies. Without `metadata.uid`: the engine adds it."""
    absent: tuple[ChildKind, ...]
    """Children (of the agent's name) that must not exist: delete them if they are ours."""


def plan_agent(inputs: AgentInputs, installation: Installation) -> AgentPlan:
    raise NotImplementedError


def children(plan: AgentPlan, seen: Observation) -> Children:
    """What to apply now."""
    raise NotImplementedError


def settled(plan: AgentPlan, seen: Observation) -> bool:
    """Whether every pod that can serve echoes the plan's config digest (true where no pod can serve)."""
    raise NotImplementedError
