"""The resources that the operator talks to, and their paths. What is not here is never requested."""

from dataclasses import dataclass
from sys import intern
from typing import Any, NamedTuple
from urllib.parse import quote

from regent_api.agent import AIAgentSpec
from regent_api.model import Model
from regent_api.policy import AgentPolicySpec
from regent_api.route import ModelRouteSpec
from regent_operator.plan.child import AGENT_LABEL


class Key(NamedTuple):
    """An object of one of the three kinds, as the queue and the store name it."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Resource:
    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection (all namespaces when `namespace` is None) or of one object."""
        parts = ["api" if "/" not in self.api_version else "apis", self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(parts)


GROUP = "regent.dev"
REGENT = f"{GROUP}/v1alpha1"
AGENTS = Resource(REGENT, "AIAgent", "aiagents")
POLICIES = Resource(REGENT, "AgentPolicy", "agentpolicies")
ROUTES = Resource(REGENT, "ModelRoute", "modelroutes")
KINDS = (AGENTS, POLICIES, ROUTES)
BY_KIND = {resource.kind: resource for resource in KINDS}
SPECS: dict[str, type[Model]] = {
    AGENTS.kind: AIAgentSpec,
    POLICIES.kind: AgentPolicySpec,
    ROUTES.kind: ModelRouteSpec,
}

SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SERVICES = Resource("v1", "Service", "services")
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
DISRUPTION_BUDGETS = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
CHILDREN = (SERVICE_ACCOUNTS, CONFIG_MAPS, SERVICES, NETWORK_POLICIES, DEPLOYMENTS, DISRUPTION_BUDGETS)
AUTOSCALERS = Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECTS = Resource("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
UNWATCHED = (AUTOSCALERS, SCALED_OBJECTS)
"""Children too, but not watched: their status changes at every look of their controller."""
CHILD_BY_KIND = {resource.kind: resource for resource in (*CHILDREN, *UNWATCHED)}

ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
PODS = Resource("v1", "Pod", "pods")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
SERVICE_CIDRS = Resource("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", namespaced=False)
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False
)
API_SERVICES = Resource("apiregistration.k8s.io/v1", "APIService", "apiservices", namespaced=False)

OURS = "app.kubernetes.io/managed-by=regent"
POD_LABEL = AGENT_LABEL
"""What Services and NetworkPolicies select pods by: a pod without another of our labels serves nevertheless."""
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""Of an EndpointSlice."""
NOT_OURS = "app.kubernetes.io/managed-by!=regent"


def where_is(metadata: dict[str, Any]) -> tuple[str, str]:
    """Namespace and name of an object. A dozen tables hold those of an agent: each text is there once for all."""
    return intern(metadata.get("namespace", "")), intern(metadata["name"])


def version_of(obj: dict[str, Any]) -> int:
    """The resourceVersion as a number: comparable within a resource (KEP-5504), 0 where absent."""
    return version_number(obj["metadata"].get("resourceVersion", ""))


def version_number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
