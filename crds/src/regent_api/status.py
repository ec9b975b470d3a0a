"""What all three statuses share: conditions, and the reasons that may stand in them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import Model


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionType(StrEnum):
    """Ready stands always. Reconciling, Stalled, Suspended and AuditLogBroken stand only while true (kstatus)."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    POLICY_ENFORCED = "PolicyEnforced"
    WORKLOAD_AVAILABLE = "WorkloadAvailable"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SUSPENDED = "Suspended"
    AUDIT_LOG_BROKEN = "AuditLogBroken"
    BUDGET_AVAILABLE = "BudgetAvailable"
    SCALING_ACTIVE = "ScalingActive"
    NETWORK_RESTRICTED = "NetworkRestricted"


TYPE_MEANING: dict[ConditionType, str] = {
    ConditionType.READY: "Always there. True: accepted, resolved, enforced, and at least one pod available.",
    ConditionType.ACCEPTED: "The object is valid, and no foreign object stands in its way.",
    ConditionType.RESOLVED_REFS: "Every object that it names exists and is valid.",
    ConditionType.POLICY_ENFORCED: "Every pod that can serve computes and echoes the digest in force for new turns.",
    ConditionType.WORKLOAD_AVAILABLE: "At least one replica is available.",
    ConditionType.RECONCILING: "There only while true: work is under way, or waits for something that may come.",
    ConditionType.STALLED: "There only while true: nothing will change until somebody acts.",
    ConditionType.SUSPENDED: "There only while true: the agent is suspended on purpose.",
    ConditionType.AUDIT_LOG_BROKEN: "There only while true: a pod's audit log is damaged, or lacks records or content.",
    ConditionType.BUDGET_AVAILABLE: "There only where a policy bounds the day or the month: there is room for turns.",
    ConditionType.SCALING_ACTIVE: "There only with `scaling.auto`: every target is measured, and pods follow it.",
    ConditionType.NETWORK_RESTRICTED: "Every pod that can serve has shown that its NetworkPolicy is enforced.",
}


class Reason(StrEnum):
    """Every reason that a condition may bear; docs/reference/conditions.md is made from MEANING."""

    PENDING = "Pending"
    READY = "Ready"
    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    INVALID_PATTERN = "InvalidPattern"
    INVALID_EXPRESSION = "InvalidExpression"
    NAME_CONFLICT = "NameConflict"
    POLICY_CONFLICT = "PolicyConflict"
    COLLECTOR_REQUIRED = "CollectorRequired"
    SHARED_STATE_REQUIRED = "SharedStateRequired"
    NO_CONVERSATIONS = "NoConversations"
    REFERENCES_RESOLVED = "ReferencesResolved"
    POLICY_MISSING = "PolicyMissing"
    POLICY_INVALID = "PolicyInvalid"
    ROUTE_MISSING = "RouteMissing"
    ROUTE_INVALID = "RouteInvalid"
    INSTRUCTIONS_MISSING = "InstructionsMissing"
    CREDENTIALS_MISSING = "CredentialsMissing"
    NO_PROVIDER_ALLOWED = "NoProviderAllowed"
    PROVIDERS_EXCLUDED = "ProvidersExcluded"
    ENFORCED = "Enforced"
    NOT_YET_ENFORCED = "NotYetEnforced"
    NOT_TRIED = "NotTried"
    CONFIG_REFUSED = "ConfigRefused"
    CONFIG_TOO_LARGE = "ConfigTooLarge"
    NO_SERVING_POD = "NoServingPod"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    CREDENTIALS_CHANGED = "CredentialsChanged"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    CRASH_LOOP = "CrashLoop"
    SUSPENDED = "Suspended"
    TERMINATING = "Terminating"
    APPLY_REFUSED = "ApplyRefused"
    LOG_DAMAGED = "LogDamaged"
    LOG_FORKED = "LogForked"
    LOG_FOREIGN = "LogForeign"
    LOG_GAP = "LogGap"
    CONTENT_REFUSED = "ContentRefused"
    WITHIN_BUDGET = "WithinBudget"
    BUDGET_ALERT = "BudgetAlert"
    BUDGET_EXHAUSTED = "BudgetExhausted"
    METRICS_AVAILABLE = "MetricsAvailable"
    METRIC_UNAVAILABLE = "MetricUnavailable"
    SCALING_FAILED = "ScalingFailed"
    RESTRICTED = "Restricted"
    NOT_ENFORCED = "NotEnforced"
    NOT_PROVED = "NotProved"
    NO_AGENTS_REFERENCING = "NoAgentsReferencing"


MEANING: dict[Reason, str] = {
    Reason.PENDING: "The operator has not looked at the object yet. If it stays: is the operator running?",
    Reason.READY: "Accepted, resolved, enforced in every serving pod, and at least one pod available.",
    Reason.ACCEPTED: "The spec is valid.",
    Reason.INVALID: "The spec cannot be valid as it is; the message names the field and what to write instead.",
    Reason.INVALID_PATTERN: "A pattern is none of RE2's, or too large; the message names it.",
    Reason.INVALID_EXPRESSION: "A CEL expression is no condition here, or costs too much; the message names it.",
    Reason.NAME_CONFLICT: "An object of the same name that is not this agent's exists; it is never taken over.",
    Reason.POLICY_CONFLICT: "The policies that apply leave nothing permitted together; the message names them.",
    Reason.COLLECTOR_REQUIRED: "`audit.durability: Collector` holds, and the installation has no collector.",
    Reason.SHARED_STATE_REQUIRED: "Several pods need a state that all of them share, and have none that they may use.",
    Reason.NO_CONVERSATIONS: "The spec is valid; several pods share no state, so no ids of conversations are issued.",
    Reason.REFERENCES_RESOLVED: "Every object that is named exists and is valid.",
    Reason.POLICY_MISSING: "A policy that the agent names does not exist. A running agent keeps its last config.",
    Reason.POLICY_INVALID: "A policy that applies, or might apply, is invalid. A running agent keeps its last config.",
    Reason.ROUTE_MISSING: "The ModelRoute that the agent names does not exist.",
    Reason.ROUTE_INVALID: "The ModelRoute that the agent names is invalid.",
    Reason.INSTRUCTIONS_MISSING: "The ConfigMap or key that holds the instructions does not exist.",
    Reason.CREDENTIALS_MISSING: "A pod reports that a credential's Secret, key or `hosts` key is missing.",
    Reason.NO_PROVIDER_ALLOWED: "The policies exclude every provider of the route.",
    Reason.PROVIDERS_EXCLUDED: "The policies exclude some providers of the route; the message names them.",
    Reason.ENFORCED: "Every pod that can serve echoes the digest in force.",
    Reason.NOT_YET_ENFORCED: "At least one pod that can serve does not echo the digest in force yet.",
    Reason.NOT_TRIED: "A policy in mode Audit is one more than some agents can try; the message names them.",
    Reason.CONFIG_TOO_LARGE: "Instructions and policies do not fit into one ConfigMap; the agent lets nobody in.",
    Reason.CONFIG_REFUSED: "A pod refuses the new config and keeps the old one; the message bears the pod's words.",
    Reason.NO_SERVING_POD: "No pod can serve, so there is nothing that could enforce.",
    Reason.AVAILABLE: "At least one replica is available.",
    Reason.PROGRESSING: "Fewer replicas than desired are available; the rollout is under way.",
    Reason.CREDENTIALS_CHANGED: "The set of Secrets and keys changed: pods are replaced one by one.",
    Reason.PROGRESS_DEADLINE_EXCEEDED: "The Deployment made no progress within its deadline.",
    Reason.CRASH_LOOP: "A container restarts again and again.",
    Reason.SUSPENDED: "The agent is suspended on purpose (`spec.suspend`).",
    Reason.TERMINATING: "The object is being deleted.",
    Reason.APPLY_REFUSED: "The API server refused a child (quota, admission); the message bears its words.",
    Reason.LOG_DAMAGED: "The audit log of a pod was changed where it is kept, on its disk or the collector's volume.",
    Reason.LOG_FORKED: "A pod sent other audit records than the collector has of it; the message names the pod.",
    Reason.LOG_FOREIGN: "A pod sent audit records of another agent; the message names it.",
    Reason.LOG_GAP: "A pod left audit records out, or let them go before the collector had them.",
    Reason.CONTENT_REFUSED: "The collector does not take some of a pod's encrypted content; its records go on.",
    Reason.WITHIN_BUDGET: "No threshold of `budget.alertAtPercent` is reached, as far as the pods say.",
    Reason.BUDGET_ALERT: "A threshold of `budget.alertAtPercent` is reached; the message names it and the budget.",
    Reason.BUDGET_EXHAUSTED: "A turn did not fit into what is left of the day or the month; the message names which.",
    Reason.METRICS_AVAILABLE: "The autoscaler has a figure for every target.",
    Reason.METRIC_UNAVAILABLE: "The autoscaler has no figure for a target, or nobody looks at it; see the message.",
    Reason.SCALING_FAILED: "The autoscaler cannot read or set the number of pods, or cannot be read; see the message.",
    Reason.RESTRICTED: "Every pod that can serve tried a forbidden connection, and none came through.",
    Reason.NOT_ENFORCED: "A pod made a connection that its NetworkPolicy forbids; the message names it.",
    Reason.NOT_PROVED: "Not every pod has shown yet whether its NetworkPolicy is enforced; the message says why.",
    Reason.NO_AGENTS_REFERENCING: "No agent uses the object.",
}


class Condition(Model):
    """metav1.Condition."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=316), Field(description="Type of the condition.")]
    status: Annotated[ConditionStatus, Field(description="True, False or Unknown.")]
    reason: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", min_length=1, max_length=1024),
        Field(description="A word for programs; docs/reference/conditions.md lists all."),
    ]
    message: Annotated[
        str, StringConstraints(max_length=32768), Field(description="A sentence for people; ends with the next step.")
    ]
    observed_generation: Annotated[
        int | None, Field(ge=0, description="metadata.generation that the condition was computed from.")
    ] = None
    last_transition_time: Annotated[
        str,
        StringConstraints(max_length=32),
        Field(description="When the status last changed.", json_schema_extra={"format": "date-time"}),
    ]


class Digests(Model):
    """sha256 over the meaning of what the operator handed to the pods, never over generations or key order."""

    config: Annotated[str, StringConstraints(max_length=71), Field(description="Digest of the whole AgentConfig.")]
    policy: Annotated[str, StringConstraints(max_length=71), Field(description="Digest of the effective policy.")]
    route: Annotated[str, StringConstraints(max_length=71), Field(description="Digest of the route.")]
