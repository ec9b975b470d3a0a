"""What an agent's pod needs to reach the audit collector: a token that names the pod, an address, and a way there.

All of it hangs on the installation alone, not on the policy, so that an edit of `audit.durability` replaces no pod.
"""

from typing import Any

from regent_operator.plan.inputs import Installation
from regent_operator.plan.peers import NAMESPACE_NAME

AUDIENCE = "regent-collector"
PORT = 8080
STATUS_PORT = 9090
FINDINGS_PATH = "/findings"
"""Of the status port."""
TOKEN_DIR = "/etc/regent/collector"
TOKEN_SECONDS = 3600
"""The kubelet renews it at 80 % of this age."""
_VOLUME = "collector-token"
PODS = {"app.kubernetes.io/name": "regent-collector"}


def flags(installation: Installation) -> list[str]:
    """Of the runtime's command line."""
    if installation.collector_url is None:
        return []
    return ["--collector", installation.collector_url, "--collector-token", f"{TOKEN_DIR}/token"]


def volumes(installation: Installation) -> list[dict[str, Any]]:
    """A token of the collector's audience, bound to the pod: no other server takes it, the API server least."""
    if installation.collector_url is None:
        return []
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    sources = [{"serviceAccountToken": token}]
    return [{"name": _VOLUME, "projected": {"defaultMode": 0o440, "sources": sources}}]


def mounts(installation: Installation) -> list[dict[str, Any]]:
    if installation.collector_url is None:
        return []
    return [{"name": _VOLUME, "mountPath": TOKEN_DIR, "readOnly": True}]


def egress(installation: Installation) -> list[dict[str, Any]]:
    """The rule of the agent's NetworkPolicy."""
    if installation.collector_url is None:
        return []
    namespace = {"matchLabels": {NAMESPACE_NAME: installation.namespace}}
    peer = {"namespaceSelector": namespace, "podSelector": {"matchLabels": PODS}}
    return [{"to": [peer], "ports": [{"port": PORT, "protocol": "TCP"}]}]
