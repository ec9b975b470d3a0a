"""Objects that the plan's tests start from: the simplest that are valid."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from regent_api.agent import AIAgentSpec
from regent_api.objects import AgentPolicy, AIAgent, Metadata, ModelRoute, Valid
from regent_api.policy import AgentPolicySpec
from regent_api.route import ModelRouteSpec
from regent_operator.plan.echo import Echo
from regent_operator.plan.inputs import AgentInputs, Installation, ServiceFacts
from regent_operator.plan.observation import DeploymentSeen, PodSeen

FLOOR_NAMESPACE = "regent-system"
NOW = "2026-11-25T20:41:00Z"
LATER = "2026-11-25T20:42:00Z"

INSTALLATION = Installation(
    namespace=FLOOR_NAMESPACE,
    runtime_image="regent-runtime:1",
    issuer="https://kubernetes.default.svc",
    jwks={"keys": [{"kid": "one"}]},
    cluster_cidrs=("10.211.0.0/16", "10.212.0.0/16"),
    config_keys=("ed25519:one",),
)

ONPREM = {
    "name": "onprem",
    "type": "Local",
    "baseURL": "http://llm.models.svc:8080/v1",
    "api": "ChatCompletions",
    "model": "smollm2",
    "maxSensitivity": "Restricted",
}
CLOUD = {
    "name": "cloud",
    "type": "OpenAI",
    "baseURL": "https://api.openai.com/v1",
    "api": "ChatCompletions",
    "model": "gpt-5",
    "credentials": [{"name": "main", "secretKeyRef": {"name": "openai", "key": "api-key"}}],
    "maxSensitivity": "Internal",
}
CRITICAL = {
    "name": "critical",
    "match": {"sensitivity": {"atLeast": "Confidential"}},
    "providers": [{"name": "onprem"}],
}
GENERAL = {"name": "general", "providers": [{"name": "cloud"}, {"name": "onprem"}]}

SERVICES: Mapping[str, ServiceFacts | None] = {
    "models/llm": ServiceFacts(selector={"app": "llm"}, target_ports={8080: (9000,)}),
}

LOCAL_HOSTS = {"models": {"localHosts": ["*.svc"]}}


def agent(
    name: str = "helper", namespace: str = "acme", labels: Mapping[str, str] | None = None, **spec: Any
) -> AIAgent:
    raw = {
        "instructions": {"inline": "Help."},
        "modelRouteRef": {"name": "hybrid"},
        "sensitivity": "Internal",
        **spec,
    }
    metadata = Metadata(namespace, name, uid="agent-uid", generation=3, labels=labels or {})
    return Valid(metadata, AIAgentSpec.model_validate(raw))


def policy(name: str, namespace: str = "acme", **spec: Any) -> AgentPolicy:
    return Valid(Metadata(namespace, name, uid=f"{name}-uid", generation=1), AgentPolicySpec.model_validate(spec))


def for_all(name: str, namespace: str = "acme", **spec: Any) -> AgentPolicy:
    return policy(name, namespace, selector={}, **spec)


def route(*, name: str = "hybrid", **spec: Any) -> ModelRoute:
    raw = {"providers": [ONPREM, CLOUD], "rules": [CRITICAL, GENERAL], **spec}
    return Valid(Metadata("acme", name, uid="route-uid", generation=1), ModelRouteSpec.model_validate(raw))


def inputs(**changes: Any) -> AgentInputs:
    """An agent with a hybrid route, and one policy that counts Services as local."""
    whole = AgentInputs(
        agent=agent(),
        namespace_labels={},
        policies=(for_all("base", **LOCAL_HOSTS),),
        route=route(),
        instructions="Help.",
        services=SERVICES,
    )
    return replace(whole, **changes)


def pod(name: str = "helper-1", **facts: Any) -> PodSeen:
    defaults = {"ready": True, "credentials": frozenset({("openai", "api-key")})}
    return PodSeen(**{"name": name, "uid": f"{name}-uid", **defaults, **facts})


def echoing(plan: Any, name: str = "helper-1", *, pod_facts: Mapping[str, Any] | None = None, **echo: Any) -> PodSeen:
    """A pod that echoes the plan's digests."""
    said = {"digests": plan.digests, "suspended": bool(plan.config and plan.config.suspended), **echo}
    return pod(name, **(pod_facts or {})).with_echo(Echo(pod_uid=f"{name}-uid", **said))


def deployment(count: int = 1, **facts: Any) -> DeploymentSeen:
    """A Deployment whose rollout is complete."""
    whole = {
        "replicas": count,
        "available": count,
        "updated": count,
        "total": count,
        "observed": True,
        "credentials": frozenset({("openai", "api-key")}),
    }
    return DeploymentSeen(**{**whole, **facts})
