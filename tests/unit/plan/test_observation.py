from typing import Any

from regent_operator.plan.deployment import build
from regent_operator.plan.observation import DeploymentSeen, PodSeen, deployment_seen, pod_seen
from tests.unit.plan.samples import INSTALLATION, agent

PAIRS = frozenset({("openai", "api-key"), ("openai", "second")})
BUILT = build(agent(), INSTALLATION, PAIRS, 2)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "helper-1", "uid": "u1"}, "spec": BUILT["spec"]["template"]["spec"], "status": status}


def test_a_new_deployment_has_nothing_available() -> None:
    raw = {**BUILT, "metadata": {**BUILT["metadata"], "generation": 1}}
    assert deployment_seen(raw) == DeploymentSeen(replicas=2, credentials=PAIRS)


def test_a_complete_deployment() -> None:
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    raw = {**BUILT, "metadata": {**BUILT["metadata"], "generation": 1}, "status": status}
    assert deployment_seen(raw) == DeploymentSeen(2, available=2, updated=2, total=2, observed=True, credentials=PAIRS)


def test_a_deployment_that_is_stuck_says_why() -> None:
    conditions = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
    ]
    seen = deployment_seen({**BUILT, "status": {"conditions": conditions}})
    assert (seen.deadline_exceeded, seen.replica_failure) == (True, "exceeded quota")


def test_a_replica_failure_that_has_passed_is_none() -> None:
    conditions = [{"type": "ReplicaFailure", "status": "False", "message": "exceeded quota"}]
    assert deployment_seen({**BUILT, "status": {"conditions": conditions}}).replica_failure is None


def test_a_ready_pod() -> None:
    seen = pod_seen(pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}]))
    assert seen == PodSeen("helper-1", "u1", ready=True, credentials=PAIRS)
    assert seen.can_serve


def test_a_pod_that_has_ended_cannot_serve() -> None:
    seen = pod_seen(pod(phase="Failed", conditions=[{"type": "Ready", "status": "True"}]))
    assert (seen.ended, seen.can_serve) == (True, False)


def test_a_deleted_pod_is_seen_as_ending() -> None:
    raw = pod(phase="Running")
    raw["metadata"] = {**raw["metadata"], "deletionTimestamp": "2026-11-25T20:41:00Z"}
    assert pod_seen(raw).deleting


def test_a_crash_loop_is_told_with_its_exit_code() -> None:
    container = {
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    }
    assert pod_seen(pod(containerStatuses=[container])).crash == "CrashLoopBackOff after OOMKilled (exit code 137)"


def test_a_container_that_starts_is_no_crash() -> None:
    assert pod_seen(pod(containerStatuses=[{"state": {"waiting": {"reason": "ContainerCreating"}}}])).crash is None
