"""The three kinds as the API server knows them: names, columns, and the models of spec and status."""

from dataclasses import dataclass

from regent_api import GROUP, VERSION
from regent_api.agent import AIAgentSpec, AIAgentStatus
from regent_api.model import Cel, Model
from regent_api.policy import AgentPolicySpec, AgentPolicyStatus
from regent_api.route import ModelRouteSpec, ModelRouteStatus

CATEGORY = "regent"
AGENT_NAME_LENGTH = 50
"""Children bear the agent's name, and a pod's name adds up to 17 characters to it within a label's 63."""


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`: `path` leads to a stored scalar, from the object's root."""

    name: str
    path: str
    description: str
    type: str = "string"


@dataclass(frozen=True)
class Kind:
    name: str
    plural: str
    singular: str
    short_name: str
    summary: str
    spec: type[Model]
    spec_summary: str
    status: type[Model]
    columns: tuple[Column, ...]
    rules: tuple[Cel, ...] = ()
    """CEL rules of the whole object; of its metadata they see name and generateName only."""

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The resource's path at the API server: all namespaces, one namespace's, or one object's."""
        within = f"namespaces/{namespace}/{self.plural}" if namespace else self.plural
        return f"/apis/{GROUP}/{VERSION}/{within}" + (f"/{name}" if name else "")


def _ready(part: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{part}'


READY = (
    Column("Ready", _ready("status"), "Whether the object does what it says."),
    Column("Reason", _ready("reason"), "Why; docs/reference/conditions.md lists all reasons."),
)
AGENTS = Column("Agents", ".status.agents", "Agents that use this object.", "integer")
ENFORCED = Column("Enforced", ".status.enforced", "Pods that enforce this object, of those that can serve.")
AGE = Column("Age", ".metadata.creationTimestamp", "Time since the object was created.", "date")

AI_AGENT = Kind(
    name="AIAgent",
    plural="aiagents",
    singular="aiagent",
    short_name="aia",
    summary="An AI agent: its instructions, the route that its turns take and the policies that it is under.",
    spec=AIAgentSpec,
    spec_summary="What the agent is.",
    status=AIAgentStatus,
    columns=(
        *READY,
        Column("Route", ".spec.modelRouteRef.name", "ModelRoute that the agent's turns take."),
        Column("Policies", ".status.policyCount", "How many policies apply.", "integer"),
        Column("Replicas", ".status.replicas", "Pods that are available.", "integer"),
        Column("Conversations", ".status.conversations", "Conversations that are active at the pods.", "integer"),
        Column("Endpoint", ".status.endpoint", "URL of the agent within the cluster."),
        AGE,
    ),
    rules=(
        Cel(
            f"self.metadata.name.size() <= {AGENT_NAME_LENGTH}"
            " && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            f"must be at most {AGENT_NAME_LENGTH} characters of a-z, 0-9 and -, begin with a letter and"
            " not end with -: the agent's Service and pods bear it",
            ".metadata.name",
        ),
    ),
)
AGENT_POLICY = Kind(
    name="AgentPolicy",
    plural="agentpolicies",
    singular="agentpolicy",
    short_name="agpol",
    summary="What agents may do. Of all policies that apply to an agent the strictest opinion holds, field by field.",
    spec=AgentPolicySpec,
    spec_summary="Which agents, and what they may do; an absent field is no opinion.",
    status=AgentPolicyStatus,
    columns=(
        *READY,
        Column("Mode", ".status.mode", "Enforce, or Audit: a shadow that only tells what it would do."),
        AGENTS,
        ENFORCED,
        AGE,
    ),
)
MODEL_ROUTE = Kind(
    name="ModelRoute",
    plural="modelroutes",
    singular="modelroute",
    short_name="mroute",
    summary="Which models serve turns of which sensitivity, in which order.",
    spec=ModelRouteSpec,
    spec_summary="The providers, and the rules that choose among them.",
    status=ModelRouteStatus,
    columns=(
        *READY,
        Column("Providers", ".status.providerCount", "Providers of the route.", "integer"),
        Column("Rules", ".status.ruleCount", "Rules of the route.", "integer"),
        AGENTS,
        ENFORCED,
        AGE,
    ),
)
KINDS = (AI_AGENT, AGENT_POLICY, MODEL_ROUTE)
