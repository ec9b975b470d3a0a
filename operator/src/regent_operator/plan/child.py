"""What every child has in common: the agent's name, our labels, and the agent as its controller."""

from typing import Any

from regent_api import API_VERSION
from regent_api.objects import AIAgent

AGENT_LABEL = "regent.dev/agent"
HTTP_PORT = 8080
STATUS_PORT = 9090


def child(agent: AIAgent, api_version: str, kind: str, **body: Any) -> dict[str, Any]:
    """A child as an apply configuration: whole, and without a field that is not ours."""
    metadata = {
        "name": agent.metadata.name,
        "namespace": agent.metadata.namespace,
        "labels": labels(agent),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "AIAgent",
                "name": agent.metadata.name,
                "uid": agent.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def labels(agent: AIAgent) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "regent-agent",
        "app.kubernetes.io/instance": agent.metadata.name,
        "app.kubernetes.io/managed-by": "regent",
        **selector(agent),
    }


def selector(agent: AIAgent) -> dict[str, str]:
    """Labels that select the agent's pods; they never change after creation."""
    return {AGENT_LABEL: agent.metadata.name}


def endpoint(agent: AIAgent) -> str:
    """URL of the agent within the cluster."""
    return f"http://{agent.metadata.name}.{agent.metadata.namespace}.svc:{HTTP_PORT}"
