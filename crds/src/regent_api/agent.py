"""AIAgent: what an agent is. It chooses neither image nor environment: both would defeat the policy."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.batch import Batch
from regent_api.drain import Drain
from regent_api.model import ATOMIC, BY_NAME, Cel, ListType, Model, Words
from regent_api.price import Amount
from regent_api.prompt import Prompt
from regent_api.scaling import Scaling
from regent_api.status import Condition, Digests
from regent_api.types import KeyRef, LabelKey, Labels, LabelValue, ObjectName, ObjectRef, Sensitivity

REDIS_URL = (
    r"^rediss?://([-._a-zA-Z0-9]{1,64}@)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(/[0-9]{1,4})?$"
)
QUANTITY = r"^[0-9]+(\.[0-9]{1,3})?(m|k|M|G|Ki|Mi|Gi)?$"

Quantity = Annotated[
    str,
    StringConstraints(pattern=QUANTITY, min_length=1, max_length=20),
    Words("a quantity such as 100m, 2, 128Mi or 1Gi"),
]


class Instructions(Model):
    """The system prompt: written here, or held in a ConfigMap that is watched."""

    cel_rules = (
        Cel(
            "has(self.inline) != has(self.configMapKeyRef)",
            "set exactly one of instructions.inline and instructions.configMapKeyRef",
        ),
    )
    inline: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=65536)] | None, Field(description="The text itself.")
    ] = None
    config_map_key_ref: Annotated[
        KeyRef | None, Field(description="Key of a ConfigMap of the same namespace; its edits are followed.")
    ] = None
    short: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=65536)] | None,
        Field(description="Instead of the whole text in turns that do not fit otherwise; for prompt.whenTooLong."),
    ] = None


class AgentParameters(Model):
    """Narrower than the route's, never wider: the smaller of both values holds."""

    temperature: Annotated[float | None, Field(ge=0, le=2, description="Sampling temperature.")] = None
    max_output_tokens: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Most tokens that an answer may have.")
    ] = None


class SecretSource(Model):
    """A value that a Secret holds."""

    secret_key_ref: Annotated[
        KeyRef,
        Field(description="Secret and key of the agent's namespace. Its key `hosts` says where the value may be sent."),
    ]


class Redis(Model):
    """A Redis that all pods of the agent share: one server, with replicas for failover if need be; no Redis Cluster.

    Whoever may write to it can forge what policies count and remember, so keep it as closely as a policy.
    """

    cel_rules = (
        Cel(
            "!has(self.passwordFrom) || self.passwordFrom.secretKeyRef.key != 'hosts'",
            "the key hosts says where a Secret may be sent; keep the password under another key",
            ".passwordFrom",
        ),
    )
    url: Annotated[
        str,
        StringConstraints(pattern=REDIS_URL, min_length=9, max_length=512),
        Words("redis[s]://[USER@]HOST[:PORT][/DATABASE], such as redis://redis.data.svc:6379, without a password"),
        Field(
            description="Where it is: a Service of the cluster, or an outside host with rediss://. Never a password."
        ),
    ]
    password_from: Annotated[SecretSource | None, Field(description="Password of its user; hot when it changes.")] = (
        None
    )


class State(Model):
    """Where pods keep what outlives a turn: counts of limits, conversations, approvals. Absent: each pod its own."""

    redis: Annotated[Redis, Field(description="Shared by all pods; several pods with limits or approvals need it.")]


class ResourceList(Model):
    cpu: Annotated[Quantity | None, Field(description="CPU, such as 100m or 2.")] = None
    memory: Annotated[Quantity | None, Field(description="Memory, such as 128Mi or 1Gi.")] = None


class Resources(Model):
    cel_rules = tuple(
        Cel(
            f"!has(self.requests) || !has(self.requests.{name}) || !isQuantity(self.requests.{name})"
            f" || !has(self.limits) || !has(self.limits.{name}) || !isQuantity(self.limits.{name})"
            f" || quantity(self.requests.{name}).compareTo(quantity(self.limits.{name})) <= 0",
            f"must not be larger than limits.{name}",
            f".requests.{name}",
        )
        for name in ("cpu", "memory")
    )
    requests: Annotated[ResourceList | None, Field(description="What the scheduler sets aside.")] = None
    limits: Annotated[ResourceList | None, Field(description="What a pod may use at most.")] = None


class TolerationOperator(StrEnum):
    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """core/v1 Toleration."""

    cel_rules = (
        Cel(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "set key, or operator: Exists to tolerate every taint",
        ),
        Cel(
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            "operator Exists takes no value; remove it, or use Equal",
            ".value",
        ),
        Cel(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "only effect NoExecute takes tolerationSeconds",
            ".tolerationSeconds",
        ),
    )
    key: Annotated[LabelKey | None, Field(description="Taint key; absent with Exists tolerates every taint.")] = None
    operator: Annotated[
        TolerationOperator | None, Field(description="How the key relates to the value; Equal when absent.")
    ] = None
    value: Annotated[LabelValue | None, Field(description="Taint value for Equal.")] = None
    effect: Annotated[TaintEffect | None, Field(description="Taint effect; absent tolerates every effect.")] = None
    toleration_seconds: Annotated[
        int | None, Field(ge=0, le=86400, description="How long NoExecute is tolerated, in seconds.")
    ] = None


class Workload(Model):
    """Placement and size of the pods."""

    cel_rules = (
        Cel(
            "!has(self.priorityClassName) || !self.priorityClassName.startsWith('system-')",
            "priority classes of the system are not for agents; name a class of your own or leave it out",
            ".priorityClassName",
        ),
    )
    resources: Annotated[Resources | None, Field(description="CPU and memory of a pod.")] = None
    node_selector: Annotated[Labels | None, Field(description="Labels that a node must have.")] = None
    tolerations: Annotated[
        list[Toleration] | None, ATOMIC, Field(min_length=1, max_length=16, description="Taints that pods tolerate.")
    ] = None
    priority_class_name: Annotated[
        ObjectName | None, Field(description="PriorityClass of the pods; not one of the system's.")
    ] = None
    image_pull_secrets: Annotated[
        list[ObjectRef] | None,
        BY_NAME,
        Field(min_length=1, max_length=8, description="Secrets of type dockerconfigjson for pulling the image."),
    ] = None


class AIAgentSpec(Model):
    cel_rules = (
        Cel(
            "!has(self.instructions.short) || (has(self.prompt) && has(self.prompt.whenTooLong)"
            " && self.prompt.whenTooLong == 'Shorten')",
            "short instructions are used where prompt.whenTooLong is Shorten; write that, or remove them",
            ".instructions.short",
        ),
    )
    description: Annotated[
        Annotated[str, StringConstraints(max_length=1024)] | None, Field(description="What the agent is for.")
    ] = None
    instructions: Annotated[Instructions, Field(description="The system prompt.")]
    model_route_ref: Annotated[ObjectRef, Field(description="ModelRoute that the agent's turns take.")]
    policy_refs: Annotated[
        list[ObjectRef] | None,
        BY_NAME,
        Field(
            min_length=1,
            max_length=16,
            description="AgentPolicies that apply besides those whose selector matches this agent.",
        ),
    ] = None
    sensitivity: Annotated[
        Sensitivity, Field(description="Floor label of all that this agent handles; a turn's label is never lower.")
    ]
    parameters: Annotated[
        AgentParameters | None, Field(description="Model parameters, narrower than the route's and never wider.")
    ] = None
    prompt: Annotated[Prompt | None, Field(description="What becomes of prompts that are too long.")] = None
    batch: Annotated[Batch | None, Field(description="How the requests of a batch are asked.")] = None
    state: Annotated[
        State | None, Field(description="Where pods keep what outlives a turn; each pod its own when absent.")
    ] = None
    scaling: Annotated[Scaling | None, Field(description="How many pods; one when absent.")] = None
    drain: Annotated[Drain | None, Field(description="When conversations are over, and pods that end.")] = None
    workload: Annotated[Workload | None, Field(description="Placement and size of the pods.")] = None
    suspend: Annotated[
        bool | None,
        Field(description="Refuse new turns, end running ones, then scale to zero; false restores the count."),
    ] = None

    @property
    def fewest_replicas(self) -> int:
        return (self.scaling or _UNSCALED).fewest

    @property
    def most_replicas(self) -> int:
        return (self.scaling or _UNSCALED).most


_UNSCALED = Scaling()


class PolicyUse(Model):
    """A policy that took part in the effective policy."""

    namespace: Annotated[str, StringConstraints(max_length=63), Field(description="Namespace of the AgentPolicy.")]
    name: Annotated[str, StringConstraints(max_length=253), Field(description="Name of the AgentPolicy.")]
    digest: Annotated[str, StringConstraints(max_length=71), Field(description="Digest of the policy's spec.")]


class EffectiveField(Model):
    """One field of the effective policy. `from` is empty where no policy has an opinion and the default holds."""

    field: Annotated[str, StringConstraints(max_length=128), Field(description="Path of the field in AgentPolicy.")]
    value: Annotated[
        str, StringConstraints(max_length=4096), Field(description="The value in force, as JSON; long ones are cut.")
    ]
    from_: Annotated[
        list[Annotated[str, StringConstraints(max_length=317)]],
        ATOMIC,
        Field(alias="from", max_length=64, description="Policies (NAMESPACE/NAME) whose opinions made the value."),
    ]


class BudgetPeriod(StrEnum):
    DAY = "Day"
    MONTH = "Month"


class BudgetSpend(Model):
    """What the agent has spent of a budget, all its pods together; what running turns hold is in it."""

    period: Annotated[BudgetPeriod, Field(description="Day or Month.")]
    of: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$", max_length=10),
        Field(description="Which one, in UTC: 2026-11-26 or 2026-11."),
    ]
    usd: Annotated[Amount, Field(description="USD spent, as a pod heard it last.")]
    budget_usd: Annotated[Amount, Field(description="USD that may be spent.")]
    percent: Annotated[int, Field(ge=0, description="Share that is spent, rounded down.")]
    exhausted: Annotated[
        bool | None, Field(description="True: a turn has not fit into what is left, and none as dear as it since.")
    ] = None


class AIAgentStatus(Model):
    observed_generation: Annotated[
        int | None, Field(ge=0, description="metadata.generation that this status was computed from.")
    ] = None
    conditions: Annotated[
        list[Condition], ListType("map", ("type",)), Field(max_length=16, description="docs/reference/conditions.md.")
    ] = []
    endpoint: Annotated[
        Annotated[str, StringConstraints(max_length=512)] | None,
        Field(description="URL of the agent within the cluster."),
    ] = None
    replicas: Annotated[int | None, Field(ge=0, description="Pods that are available.")] = None
    conversations: Annotated[
        int | None,
        Field(ge=0, description="Conversations that are active at the pods, as of a minute ago at the most."),
    ] = None
    enforced: Annotated[
        Annotated[str, StringConstraints(max_length=32)] | None,
        Field(description="Pods that echo the config digest in force, of those that can serve."),
    ] = None
    digests: Annotated[Digests | None, Field(description="What every pod must echo.")] = None
    policies: Annotated[
        list[PolicyUse] | None, ATOMIC, Field(max_length=256, description="The policies that apply, with digests.")
    ] = None
    policy_count: Annotated[int | None, Field(ge=0, description="How many policies apply.")] = None
    effective: Annotated[
        list[EffectiveField] | None,
        ListType("map", ("field",)),
        Field(max_length=128, description="The effective policy, field by field, with its sources."),
    ] = None
    spend: Annotated[
        list[BudgetSpend] | None,
        ListType("map", ("period",)),
        Field(max_length=2, description="What is spent of the day's and month's budget, at most once a minute."),
    ] = None
