"""AgentPolicy: what agents may do.

Every leaf bears its meet kind, so the effective policy is computed field by field with no field merged by hand.
Absent means no opinion; an empty list is refused, because absent and empty must not mean opposite things.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import ATOMIC, SET, Cel, ListType, Meet, MeetKind, Model, Words
from regent_api.status import Condition
from regent_api.types import (
    Cidr,
    Duration,
    HostPattern,
    LabelSelector,
    Opinion,
    Sensitivity,
)

Glob = Annotated[
    str,
    StringConstraints(pattern=r"^[-._:/@a-zA-Z0-9*]+$", min_length=1, max_length=128),
    Words("a model name such as gpt-4o or gpt-*"),
]

BYTES_DEFAULT = 1_048_576
INPUT_TOKENS_DEFAULT = 8000
OUTPUT_TOKENS_DEFAULT = 1024
TURN_TIMEOUT_DEFAULT = "2m"
LOCAL_AT_OR_ABOVE_DEFAULT = Sensitivity.CONFIDENTIAL


class Selector(Model):
    """Which agents, beside those that name the policy. `{}`: all of the namespace (all at all for a floor policy)."""

    agents: Annotated[LabelSelector | None, Field(description="Labels of the agents; absent matches all.")] = None
    namespaces: Annotated[
        LabelSelector | None,
        Field(
            description="Labels of the agents' namespaces; only in the operator's own namespace, where it makes "
            "the policy a floor of the cluster. Agents' authors choose agents' labels, so select floors by this."
        ),
    ] = None


class ServiceAccountGrant(Model):
    """ServiceAccounts whose tokens are let in."""

    namespace: Annotated[
        Annotated[
            str,
            StringConstraints(pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$", max_length=63),
            Words("the name of a namespace, or * for every one"),
        ]
        | None,
        Field(description="Namespace, or * for every one; absent: the agent's own."),
    ] = None
    name: Annotated[
        str,
        StringConstraints(pattern=r"^[-.a-z0-9*]+$", min_length=1, max_length=253),
        Words("the name of a ServiceAccount such as chat or chat-*"),
        Field(description="Name of the ServiceAccount; * stands for any run of characters."),
    ]


class Peer(Model):
    """Pods that may open a connection to the agents, as in NetworkPolicy."""

    cel_rules = (
        Cel(
            "has(self.namespaceSelector) || has(self.podSelector)",
            "set namespaceSelector, podSelector or both",
        ),
    )
    namespace_selector: Annotated[
        LabelSelector | None, Field(description="Labels of the peers' namespaces; absent: the agent's own namespace.")
    ] = None
    pod_selector: Annotated[LabelSelector | None, Field(description="Labels of the peers; absent: every pod.")] = None


class Callers(Model):
    """Who may talk to the agents."""

    service_accounts: Annotated[
        list[ServiceAccountGrant] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "every ServiceAccount of the agent's namespace"),
        Field(
            min_length=1,
            max_length=64,
            description="ServiceAccounts whose tokens (audience regent.dev/NAMESPACE/AGENT, lifetime at most 24 h) "
            "are let in.",
        ),
    ] = None
    anonymous: Annotated[
        Opinion | None,
        Meet(MeetKind.GRANT, "Deny"),
        Field(description="Whether requests without a token are let in."),
    ] = None
    may_instruct: Annotated[
        Opinion | None,
        Meet(MeetKind.GRANT, "Deny"),
        Field(description="Whether callers may send system and developer messages."),
    ] = None
    ingress_from: Annotated[
        list[Peer] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "no peers beside the namespaces of callers.serviceAccounts"),
        Field(
            min_length=1,
            max_length=16,
            description="Peers that may connect, beside the namespaces of serviceAccounts: ingress controllers.",
        ),
    ] = None


class Size(Model):
    """How large a turn may be. The smallest opinion holds."""

    max_request_bytes: Annotated[
        int | None,
        Meet(MeetKind.CAP, str(BYTES_DEFAULT)),
        Field(ge=1024, le=67_108_864, description="Largest request body, in bytes; beyond it 413."),
    ] = None
    max_input_tokens: Annotated[
        int | None,
        Meet(MeetKind.CAP, str(INPUT_TOKENS_DEFAULT)),
        Field(ge=16, le=10_000_000, description="Most input tokens of a turn (a calibrated estimate); beyond it 422."),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Meet(MeetKind.CAP, str(OUTPUT_TOKENS_DEFAULT)),
        Field(ge=1, le=1_000_000, description="Most output tokens of a turn; a request for more is clamped."),
    ] = None
    turn_timeout: Annotated[
        Duration | None,
        Meet(MeetKind.CAP, TURN_TIMEOUT_DEFAULT),
        Field(description="Longest time a turn may take, such as 2m."),
    ] = None


class ModelAllow(Model):
    """Models of one host that agents may use."""

    host: Annotated[HostPattern, Field(description="Host of the provider's baseURL, or *. and a domain.")]
    models: Annotated[
        list[Glob] | None,
        SET,
        Field(min_length=1, max_length=32, description="Model names; * stands for any characters; absent: all."),
    ] = None


class Models(Model):
    """Which models, and which of them count as local."""

    allow: Annotated[
        list[ModelAllow] | None,
        ATOMIC,
        Meet(MeetKind.GRANT, "what the route names"),
        Field(min_length=1, max_length=32, description="Providers outside this list are dropped from the route."),
    ] = None
    local_hosts: Annotated[
        list[HostPattern] | None,
        SET,
        Meet(MeetKind.GRANT, "none: no host counts as local"),
        Field(
            min_length=1,
            max_length=32,
            description="Hosts that a provider of type Local may have; its address must also lie in the cluster.",
        ),
    ] = None
    local_at_or_above: Annotated[
        Sensitivity | None,
        Meet(MeetKind.CAP, LOCAL_AT_OR_ABOVE_DEFAULT.value),
        Field(description="Turns of this label and higher go to local models only."),
    ] = None


class Data(Model):
    """How sensitive the agents' data are."""

    min_sensitivity: Annotated[
        Sensitivity | None,
        Meet(MeetKind.FLOOR, "Public"),
        Field(description="Label that every turn has at least, whatever the agent declares."),
    ] = None


class Egress(Model):
    """Where agents may connect to, beyond what the route needs."""

    cel_rules = (Cel("has(self.hosts) || has(self.cidrs)", "set egress.hosts, egress.cidrs or both"),)
    hosts: Annotated[
        list[HostPattern] | None,
        SET,
        Meet(MeetKind.GRANT, "the route's hosts"),
        Field(
            min_length=1,
            max_length=64,
            description="Hosts that the process may connect to. Providers whose host is not listed are dropped.",
        ),
    ] = None
    cidrs: Annotated[
        list[Cidr] | None,
        SET,
        Meet(MeetKind.GRANT, "public addresses on 443, and the route's in-cluster Services"),
        Field(
            min_length=1,
            max_length=64,
            description="Address ranges that connections to outside hosts may reach.",
        ),
    ] = None


class AgentPolicySpec(Model):
    selector: Annotated[
        Selector | None, Field(description="Agents that the policy applies to; absent: only those that name it.")
    ] = None
    callers: Annotated[Callers | None, Field(description="Who may talk to the agents.")] = None
    size: Annotated[Size | None, Field(description="How large a turn may be.")] = None
    models: Annotated[Models | None, Field(description="Which models, and which count as local.")] = None
    data: Annotated[Data | None, Field(description="How sensitive the agents' data are.")] = None
    egress: Annotated[Egress | None, Field(description="Where agents may connect to.")] = None


class UsedByAgents(Model):
    """Status of the kinds that agents use: AgentPolicy and ModelRoute."""

    observed_generation: Annotated[
        int | None, Field(ge=0, description="metadata.generation that this status was computed from.")
    ] = None
    conditions: Annotated[
        list[Condition], ListType("map", ("type",)), Field(max_length=16, description="docs/reference/conditions.md.")
    ] = []
    digest: Annotated[
        Annotated[str, StringConstraints(max_length=71)] | None, Field(description="Digest of the spec's meaning.")
    ] = None
    agents: Annotated[int | None, Field(ge=0, description="Agents that use this object.")] = None
    enforced: Annotated[
        Annotated[str, StringConstraints(max_length=32)] | None,
        Field(description="Pods of those agents that echo a config made with this digest, of those that can serve."),
    ] = None


class AgentPolicyStatus(UsedByAgents):
    pass
