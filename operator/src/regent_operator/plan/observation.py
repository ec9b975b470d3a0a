"""What was seen of an agent's children: read from the API server's objects, with what pods say themselves (echo.py).

Parsed once at the edge, so that conditions are computed from a handful of plain facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from regent_operator.plan.echo import MOST_ERROR_CHARACTERS, Echo
from regent_operator.plan.remembered import Shared
from regent_operator.plan.trial import Trial

CREDENTIALS_VOLUME = "credentials"
CONVERSATIONS = "active_conversations"
"""The metric that agents are scaled by."""
CredentialPair = tuple[str, str]
"""(Secret, key)."""


@dataclass(frozen=True, slots=True)
class PodSeen:
    name: str
    uid: str
    ready: bool = False
    deleting: bool = False
    ended: bool = False
    """Phase Succeeded or Failed."""
    credentials: frozenset[CredentialPair] = frozenset()
    crash: str | None = None
    """Why its container restarts again and again or cannot start, in the kubelet's words; None: it does not."""
    echo: Echo | None = None
    """None: not asked yet, or no answer. Use `with_echo`, so that another pod's echo never counts."""
    trial: Trial | None = None
    """Of its NetworkPolicy, by this operator; None: not tried yet."""

    @property
    def can_serve(self) -> bool:
        """Ready, or ending with turns that still run. A pod that never served does not count."""
        if self.ended:
            return False
        if self.ready:
            return True
        return self.deleting and self.echo is not None and self.echo.oldest_turn is not None

    def with_echo(self, echo: Echo | None) -> "PodSeen":
        """The pod with its echo; one that bears another uid (address reuse) is dropped."""
        return replace(self, echo=echo if echo is not None and echo.pod_uid == self.uid else None)


@dataclass(frozen=True, slots=True)
class DeploymentSeen:
    """`replicas` is spec.replicas; `observed` whether the controller has seen the current generation."""

    replicas: int
    available: int = 0
    updated: int = 0
    total: int = 0
    observed: bool = False
    deadline_exceeded: bool = False
    replica_failure: str | None = None
    """Words of the ReplicaFailure condition (quota, admission) while pods cannot be made; None: they can."""
    credentials: frozenset[CredentialPair] = frozenset()
    """Mounted by the live template."""


@dataclass(frozen=True, slots=True)
class AutoscalerSeen:
    """What an autoscaler says of itself; only what a condition hangs on, none of its figures."""

    told: bool = False
    """Whether its controller has looked at it yet."""
    able: bool = True
    active: bool = False
    message: str = ""
    """Of what does not hold: why it cannot scale, or has no figure."""
    measured: frozenset[str] = frozenset()
    """Names of the metrics that it has a figure of."""


@dataclass(frozen=True)
class Refusal:
    """A child that the API server refused, or that another owner holds."""

    child: str
    """KIND NAMESPACE/NAME."""
    message: str


@dataclass(frozen=True, slots=True)
class LogFinding:
    """What the audit collector refused of a pod: `code` is fork, gap or foreign."""

    pod_uid: str
    code: str


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known of the agent's children at one moment. The default is a new agent's: nothing is there."""

    deployment: DeploymentSeen | None = None
    pods: tuple[PodSeen, ...] = ()
    name_conflicts: tuple[str, ...] = ()
    """Foreign objects in the place of children, as KIND NAMESPACE/NAME."""
    predecessor: bool = False
    """Children of a deleted agent of the same name wait for garbage collection."""
    refused: tuple[Refusal, ...] = ()
    let_through: Mapping[str, Any] | None = None
    """The NetworkPolicy's `spec` as we applied it last, while a pod does not echo the plan's config digest; None: not
    known. Never the live one: a hand's edit of it would become ours."""
    overdue: bool = False
    """The config was applied more than 60 s ago: what waits for echoes (closing, scaling to zero) waits no longer."""
    log_findings: tuple[LogFinding, ...] = ()
    """What the audit collector refused of pods of this agent."""
    held_back: bool = False
    """A new version of the Deployment waits for its wave."""
    autoscaler: AutoscalerSeen | None = None
    """None: there is none, or it was not read yet."""
    unread: str | None = None
    """Why it cannot be read what scales the agent, in the API server's words."""

    @property
    def conversations(self) -> int:
        """Active, as the pods that can serve have said last. Two observations may be equal but for these."""
        return sum(pod.echo.active_conversations for pod in self.pods if pod.can_serve and pod.echo)


def deployment_seen(raw: Mapping[str, Any]) -> DeploymentSeen:
    """Read an apps/v1 Deployment."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    progressing = conditions.get("Progressing") or {}
    failure = conditions.get("ReplicaFailure") or {}
    return DeploymentSeen(
        replicas=spec.get("replicas", 1),
        available=status.get("availableReplicas", 0),
        updated=status.get("updatedReplicas", 0),
        total=status.get("replicas", 0),
        observed=status.get("observedGeneration", 0) >= raw["metadata"].get("generation", 0),
        deadline_exceeded=progressing.get("reason") == "ProgressDeadlineExceeded",
        replica_failure=failure.get("message", "pods cannot be created") if failure.get("status") == "True" else None,
        credentials=credentials_of((spec.get("template") or {}).get("spec") or {}),
    )


def autoscaler_seen(raw: Mapping[str, Any]) -> AutoscalerSeen:
    """Read an autoscaling/v2 HorizontalPodAutoscaler."""
    status = raw.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    able, active = conditions.get("AbleToScale") or {}, conditions.get("ScalingActive") or {}
    failing = next((each for each in (able, active) if each.get("status") == "False"), {})
    return AutoscalerSeen(
        told="ScalingActive" in conditions or able.get("status") == "False",
        able=able.get("status") != "False",
        active=active.get("status") == "True",
        message=str(failing.get("message", ""))[:MOST_ERROR_CHARACTERS],
        measured=frozenset(filter(None, map(_measured, status.get("currentMetrics") or []))),
    )


def _measured(metric: Mapping[str, Any]) -> str | None:
    """The name of a metric with a figure. One that its controller could not get has none, or no type at all."""
    match metric:
        case {"type": "Pods", "pods": {"metric": {"name": str(name)}, "current": {"averageValue": _}}}:
            return name
        case {"type": "Resource", "resource": {"name": str(name), "current": {"averageUtilization": _}}}:
            return name
        case {"type": "External", "external": {"current": {"averageValue": _}}}:
            return CONVERSATIONS
    return None


def pod_seen(raw: Mapping[str, Any]) -> PodSeen:
    """Read a core/v1 Pod; its echo is added by `with_echo`."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    return PodSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        ready=ready,
        deleting="deletionTimestamp" in metadata,
        ended=status.get("phase") in {"Succeeded", "Failed"},
        credentials=credentials_of(raw.get("spec") or {}),
        crash=next(filter(None, map(_crash, status.get("containerStatuses") or [])), None),
    )


def credentials_of(pod_spec: Mapping[str, Any]) -> frozenset[CredentialPair]:
    """The (Secret, key) pairs that a pod mounts as credentials, `hosts` left out."""
    volumes = [v for v in pod_spec.get("volumes") or [] if v.get("name") == CREDENTIALS_VOLUME]
    secrets = [s["secret"] for v in volumes for s in (v.get("projected") or {}).get("sources") or [] if "secret" in s]
    return once(
        frozenset(
            (secret["name"], item["key"])
            for secret in secrets
            for item in secret.get("items") or []
            if item["key"] != "hosts"
        )
    )


def once(pairs: frozenset[CredentialPair]) -> frozenset[CredentialPair]:
    """The very same for equal ones: thousands of pods mount what their route names, or nothing."""
    return _pairs.of(*sorted(pairs), make=lambda: pairs)


_pairs: Shared[frozenset[CredentialPair]] = Shared()


_CRASHES = {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"}


def _crash(container: Mapping[str, Any]) -> str | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") not in _CRASHES:
        return None
    ended = (container.get("lastState") or {}).get("terminated") or {}
    last = f" after {ended.get('reason', 'an end')} (exit code {ended['exitCode']})" if "exitCode" in ended else ""
    return f"{waiting['reason']}{last}"
