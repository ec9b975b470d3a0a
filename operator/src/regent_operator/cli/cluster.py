"""The config of an agent that runs in a cluster, asked of kubectl: what reaches the cluster for you does so here."""

import json
import subprocess
from collections.abc import Sequence

from pydantic import ValidationError

from regent_api import GROUP
from regent_api.config import CONFIG_KEY, AgentConfig, RouteConfig
from regent_api.kinds import MODEL_ROUTE
from regent_api.objects import Invalid, parse
from regent_api.route import ModelRouteSpec
from regent_operator.plan.config import declared_route

DEADLINE_SECONDS = 30.0


class ClusterError(Exception):
    """kubectl is not there or failed, or what it gave is no AgentConfig; the words are its own."""


class AgentNotFoundError(Exception):
    """The cluster holds no config of such an agent."""


def config_of(name: str, namespace: str | None, context: str | None) -> AgentConfig:
    """What the agent's pods are given. None: kubectl's default. Raises ClusterError and AgentNotFoundError."""
    found = _kubectl(["get", "configmap", name, "--output", "json", *_where(namespace, context)])
    if found is None:
        raise AgentNotFoundError(
            f"the cluster has no config of an agent {name}: it does not exist, or is not planned yet"
        )
    try:
        return AgentConfig.model_validate_json(json.loads(found)["data"][CONFIG_KEY])
    except (ValueError, KeyError, TypeError, ValidationError):
        raise ClusterError(f"ConfigMap {name} holds no config that this version of regent knows") from None


def declared_of(config: AgentConfig, context: str | None) -> RouteConfig:
    """The route of a config as it stands in the cluster now. Raises ClusterError."""
    name, where = config.route.name, _where(config.agent.namespace, context)
    found = _kubectl(["get", f"{MODEL_ROUTE.plural}.{GROUP}", name, "--output", "json", *where])
    if found is None:
        raise ClusterError(f"the cluster has no ModelRoute {name}")
    try:
        route = parse(json.loads(found), ModelRouteSpec)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ClusterError(f"kubectl gave no ModelRoute {name}") from None
    if isinstance(route, Invalid):
        raise ClusterError(f"ModelRoute {name} is invalid: {route.error}")
    return declared_route(route.metadata.name, route.spec)


def _where(namespace: str | None, context: str | None) -> list[str]:
    return [*(["--namespace", namespace] if namespace else []), *(["--context", context] if context else [])]


def _kubectl(words: Sequence[str]) -> str | None:
    """None: there is no such object."""
    try:
        run = subprocess.run(  # noqa: S603 - the words are ours, kubectl is the user's
            ["kubectl", *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ClusterError("kubectl is not on the PATH; install it, or explain manifests with -f") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"kubectl gave no answer within {DEADLINE_SECONDS:.0f} s") from None
    if run.returncode and "NotFound" in run.stderr:
        return None
    if run.returncode:
        raise ClusterError(run.stderr.strip() or f"kubectl ended with {run.returncode}")
    return run.stdout
