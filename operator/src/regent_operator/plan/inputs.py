"""All that planning may look at. Whatever is not here cannot change a plan: no I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regent_api.agent import PolicyUse
from regent_api.config import AgentConfig
from regent_api.objects import AgentPolicy, AIAgent, Invalid, ModelRoute
from regent_api.types import CLUSTER_DOMAIN


@dataclass(frozen=True)
class Installation:
    """What the chart says once for all agents, and what the cluster says of itself."""

    namespace: str
    """The operator's own: AgentPolicies in it are the cluster's floor."""
    runtime_image: str
    issuer: str
    """Of the cluster's ServiceAccount tokens."""
    jwks: Mapping[str, Any]
    cluster_cidrs: tuple[str, ...]
    """Ranges of Services and pods."""
    config_keys: tuple[str, ...] = ()
    """Public keys that pods trust the seals of configs by, `ed25519:BASE64` each; none: they take no config."""
    image_pull_policy: str = "IfNotPresent"
    cluster_domain: str = CLUSTER_DOMAIN
    dns_peers: tuple[Mapping[str, Any], ...] = (
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        },
    )
    dns_ports: tuple[int, ...] = (53,)
    """On which the pods of `dns_peers` listen: a NetworkPolicy does not judge the Service's port."""
    monitoring_namespaces: tuple[str, ...] = ()
    collector_url: str | None = None
    """Of the audit collector, whose pods are in `namespace`; None: there is none."""
    keda_url: str | None = None
    """Of the metrics API, where KEDA scales agents; None: agents have autoscalers of Kubernetes' own."""
    canary_port: int | None = None
    """Of the operator, to which no agent's NetworkPolicy opens a way; None: nothing listens there."""


@dataclass(frozen=True)
class ServiceFacts:
    """An in-cluster Service that a provider's host names."""

    selector: Mapping[str, str]
    """Empty: endpoints are made by hand, so no pods can be selected."""
    target_ports: Mapping[int, tuple[int, ...]]
    """Service port -> ports of the pods: two while pods change from one to the other; none where the Service gives a
    name whose number no endpoint has said yet."""
    external_name: bool = False


@dataclass(frozen=True, slots=True)
class AgentInputs:
    agent: AIAgent
    namespace_labels: Mapping[str, str]
    policies: tuple[AgentPolicy | Invalid, ...]
    """Every one of the operator's namespace and of the agent's, whether it applies or not."""
    route: ModelRoute | Invalid | None
    instructions: str | None
    """The text, inline or from the ConfigMap; None: the ConfigMap or its key does not exist."""
    services: Mapping[str, ServiceFacts | None] = field(default_factory=dict)
    """`NAMESPACE/NAME` of each in-cluster provider -> what is known; None: there is no such Service."""
    key_sets: Mapping[tuple[str, str, str], str | None] = field(default_factory=dict)
    """(Namespace, name, key) of each ConfigMap key that a policy names as `jwks` -> its text; None: there is none."""
    last: AgentConfig | None = None
    """What the agent was given last; None for a new agent. From the engine's memory, or after a start read back from
    the ConfigMap when its config digest is the one in status.digests: a hand edit must not pass for what was given."""
    last_policies: tuple[PolicyUse, ...] = ()
    """status.policies: what took part in `last`."""
    live_credentials: frozenset[tuple[str, str]] | None = None
    """(Secret, key) pairs that the live Deployment mounts (DeploymentSeen.credentials); None: there is none."""
