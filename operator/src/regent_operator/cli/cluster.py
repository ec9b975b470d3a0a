"""The config of an agent that runs in a cluster, asked of kubectl: what reaches the cluster for you does so here."""

import json
import subprocess
from collections.abc import Sequence

from pydantic import ValidationError

from regent_api.config import CONFIG_KEY, AgentConfig

DEADLINE_SECONDS = 30.0


class ClusterError(Exception):
    """kubectl is not there or failed, or what it gave is no AgentConfig; the words are its own."""


class AgentNotFoundError(Exception):
    """The cluster holds no config of such an agent."""


def config_of(name: str, namespace: str | None, context: str | None) -> AgentConfig:
    """What the agent's pods are given. None: kubectl's default. Raises ClusterError and AgentNotFoundError."""
    where = [*(["--namespace", namespace] if namespace else []), *(["--context", context] if context else [])]
    found = _kubectl(["get", "configmap", name, "--output", "json", *where], name)
    try:
        return AgentConfig.model_validate_json(json.loads(found)["data"][CONFIG_KEY])
    except (ValueError, KeyError, TypeError, ValidationError):
        raise ClusterError(f"ConfigMap {name} holds no config that this version of regent knows") from None


def _kubectl(words: Sequence[str], name: str) -> str:
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
        raise AgentNotFoundError(
            f"the cluster has no config of an agent {name}: it does not exist, or is not planned yet"
        )
    if run.returncode:
        raise ClusterError(run.stderr.strip() or f"kubectl ended with {run.returncode}")
    return run.stdout
