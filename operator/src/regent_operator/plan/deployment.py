"""The Deployment: pods that may do nothing but serve the agent.

The pod template holds only what needs a new pod: image, placement, resources, which Secret keys are mounted, and by
which keys a config must be sealed. Policy, route and instructions reach running pods through the ConfigMap, so their
edits never change the template.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Any

from regent_api.agent import Resources, Workload
from regent_api.config import CONFIG_KEY
from regent_api.drain import TIMEOUT_DEFAULT
from regent_api.objects import AIAgent
from regent_api.types import seconds
from regent_operator.plan import collector
from regent_operator.plan.child import HTTP_PORT, STATUS_PORT, child, labels, selector
from regent_operator.plan.inputs import Installation
from regent_operator.plan.observation import CREDENTIALS_VOLUME, CredentialPair

CONFIG_DIR = "/etc/regent/config"
CREDENTIALS_DIR = "/etc/regent/credentials"
STATE_DIR = "/var/lib/regent/state"
"""What outlives a container's restart, as long as the pod: which config it accepted last."""

STATE_LIMIT = "1Mi"
AUDIT_DIR = "/var/lib/regent/audit"
AUDIT_VOLUME = "audit"
AUDIT_VOLUME_SIZE = "1Gi"
"""A third more than the runtime lets the log take: the kubelet ends a pod that fills its volume."""
NOBODY = 65532

STARTUP_SECONDS = 300
"""Before the kubelet starts it again. Where many start at once all are slow, and a second start slows them further."""

DEREGISTER_SECONDS = 2
"""How long a pod keeps taking turns before it is told to end, until every node has dropped it from the Service."""

LEAVE_SECONDS = 30
"""After `drain.timeout`: to tell callers whose turns were cut, to close the audit log and to ship it."""

AGENTS_FLAGS = frozenset({"--agent-uid", "--drain-timeout"})
"""Those of the command line whose values are the agent's; all others are the same for all agents."""

AGENTS_FIELDS = (
    "terminationGracePeriodSeconds",
    "nodeSelector",
    "tolerations",
    "priorityClassName",
    "imagePullSecrets",
)
"""Those of a pod's spec that the agent's own spec says."""

DEFAULT_REQUESTS = {"cpu": "50m", "memory": "128Mi"}
DEFAULT_LIMITS = {"memory": "256Mi"}
"""No CPU limit: throttling would only add latency."""


def build(
    agent: AIAgent, installation: Installation, credentials: frozenset[CredentialPair], replicas: int | None
) -> dict[str, Any]:
    """`replicas` None: an autoscaler says how many, and the field is its own."""
    return child(
        agent,
        "apps/v1",
        "Deployment",
        spec={
            **({} if replicas is None else {"replicas": replicas}),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": selector(agent)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels(agent)}, "spec": _pod(agent, installation, credentials)},
        },
    )


def with_live_program(wanted: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """What is wanted, in pods that are `live`'s (our fields of it) but for what the agent's own spec says of them.

    Image and command line would not do: they belong to the mounts, probes and collector of the version that made them.
    What a hand has removed from them is there again.
    """
    edit = wanted["spec"]["template"]["spec"]
    pod = edit | live["spec"]["template"]["spec"]
    kept = {name: value for name, value in pod.items() if name not in AGENTS_FIELDS}
    own = {name: edit[name] for name in AGENTS_FIELDS if name in edit}
    parts = {
        "containers": [_with_live_program(edit["containers"][0], pod["containers"][0])],
        "volumes": _with_credentials(pod["volumes"], edit["volumes"]),
    }
    template = live["spec"]["template"] | {"spec": kept | own | parts}
    return wanted | {"spec": wanted["spec"] | {"template": template}}


def _with_live_program(wanted: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """A command line that is another's (a webhook's, say) is not ours to edit."""
    said = {flag: word for flag, word in pairwise(wanted["command"]) if flag in AGENTS_FLAGS}
    words = [said.get(flag, word) for flag, word in pairwise(("", *live.get("command", ())))]
    mounts = _with_credentials(live.get("volumeMounts", wanted["volumeMounts"]), wanted["volumeMounts"])
    edit = {"resources": wanted["resources"], "volumeMounts": mounts}
    standing = {name: value for name, value in wanted.items() if name not in {"image", "command"}}
    return standing | live | edit | ({"command": words} if words else {})


def _with_credentials(live: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In their place: another order of the same would be another template."""
    own = [each for each in wanted if each["name"] == CREDENTIALS_VOLUME]
    if all(each["name"] != CREDENTIALS_VOLUME for each in live):
        return [*live, *own]
    return [new for each in live for new in (own if each["name"] == CREDENTIALS_VOLUME else [each])]


def _pod(agent: AIAgent, installation: Installation, credentials: frozenset[CredentialPair]) -> dict[str, Any]:
    return {
        "serviceAccountName": agent.metadata.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": DEREGISTER_SECONDS + _drain_seconds(agent) + LEAVE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [_over_nodes(agent)],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [_over_zones(agent)]}},
        "containers": [_container(agent, installation, mounts_credentials=bool(credentials))],
        "volumes": [*_volumes(agent, credentials), *collector.volumes(installation)],
        **_placement(agent.spec.workload or Workload()),
    }


def _container(agent: AIAgent, installation: Installation, *, mounts_credentials: bool) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
        {"name": "state", "mountPath": STATE_DIR},
        {"name": AUDIT_VOLUME, "mountPath": AUDIT_DIR},
    ]
    if mounts_credentials:
        mounts.append({"name": CREDENTIALS_VOLUME, "mountPath": CREDENTIALS_DIR, "readOnly": True})
    return {
        "name": "agent",
        "image": installation.runtime_image,
        "imagePullPolicy": installation.image_pull_policy,
        "command": [*_command(agent, installation), *collector.flags(installation)],
        "env": [_downward("POD_NAME", "metadata.name"), _downward("POD_UID", "metadata.uid")],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "status", "containerPort": STATUS_PORT, "protocol": "TCP"},
        ],
        "resources": _resources(agent),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "startupProbe": _probe("/livez", period=1, failures=STARTUP_SECONDS),
        "livenessProbe": _probe("/livez", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": DEREGISTER_SECONDS}}},
        "volumeMounts": [*mounts, *collector.mounts(installation)],
    }


def _command(agent: AIAgent, installation: Installation) -> list[str]:
    files = ["--config", f"{CONFIG_DIR}/{CONFIG_KEY}", "--credentials", CREDENTIALS_DIR]
    folders = ["--state", STATE_DIR, "--audit", AUDIT_DIR]
    trust = ["--agent-uid", agent.metadata.uid]
    for key in installation.config_keys:
        trust += ["--config-key", key]
    ports = ["--port", str(HTTP_PORT), "--status-port", str(STATUS_PORT)]
    image = ["--image", installation.runtime_image]
    drain = ["--drain-timeout", str(_drain_seconds(agent))]
    return ["python3", "-I", "-m", "regent_runtime", *files, *folders, *trust, *ports, *image, *drain]


def _drain_seconds(agent: AIAgent) -> int:
    """In the template, so that the process and the kubelet that would kill it go by the same number; rounded up."""
    drain = agent.spec.drain
    return math.ceil(seconds((drain and drain.timeout) or TIMEOUT_DEFAULT))


def _downward(name: str, field_path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field_path}}}


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "status", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _resources(agent: AIAgent) -> dict[str, Any]:
    """What the agent states; the defaults stand for a resource of which it states nothing, so they never collide."""
    stated = (agent.spec.workload and agent.spec.workload.resources) or Resources()
    requests = stated.requests.wire() if stated.requests else {}
    limits = stated.limits.wire() if stated.limits else {}
    stated_of = requests.keys() | limits.keys()
    whole = {
        "requests": {**_without(DEFAULT_REQUESTS, stated_of), **requests},
        "limits": {**_without(DEFAULT_LIMITS, stated_of), **limits},
    }
    return {name: amounts for name, amounts in whole.items() if amounts}


def _without(defaults: Mapping[str, str], names: AbstractSet[str]) -> dict[str, str]:
    return {name: amount for name, amount in defaults.items() if name not in names}


def _volumes(agent: AIAgent, credentials: frozenset[CredentialPair]) -> list[dict[str, Any]]:
    """The config, the audit log, and exactly the keys that the route names, each Secret with its `hosts`."""
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": agent.metadata.name, "defaultMode": 0o444}},
        {"name": "state", "emptyDir": {"sizeLimit": STATE_LIMIT}},
        {"name": AUDIT_VOLUME, "emptyDir": {"sizeLimit": AUDIT_VOLUME_SIZE}},
    ]
    if credentials:
        keys = defaultdict(list)
        for secret, key in sorted(credentials):
            keys[secret].append(key)
        sources = [_projection(secret, [*names, "hosts"]) for secret, names in keys.items()]
        volumes.append({"name": CREDENTIALS_VOLUME, "projected": {"defaultMode": 0o440, "sources": sources}})
    return volumes


def _projection(secret: str, keys: Iterable[str]) -> dict[str, Any]:
    """Optional: a missing Secret or key must not keep the pod from starting and from saying what is missing."""
    items = [{"key": key, "path": f"{secret}/{key}"} for key in keys]
    return {"secret": {"name": secret, "optional": True, "items": items}}


def _over_nodes(agent: AIAgent) -> dict[str, Any]:
    """Where possible. Also for one pod: scaling up must not replace it for a changed template."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(agent)},
    }


def _over_zones(agent: AIAgent) -> dict[str, Any]:
    """Where possible. Not a second spread constraint: of two, the scheduler obeys neither on nodes without a zone."""
    term = {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": selector(agent)}}
    return {"weight": 100, "podAffinityTerm": term}


def _placement(workload: Workload) -> dict[str, Any]:
    stated = workload.wire()
    names = ("nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets")
    return {name: stated[name] for name in names if name in stated}
