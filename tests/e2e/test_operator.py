"""The operator itself: take-over, restart without a write, and nothing but what its role gives."""

import json
import time
from collections.abc import Callable

from tests.cluster import AuditLog
from tests.e2e import manifests
from tests.e2e.conftest import OPERATOR_USER, SYSTEM, Installed
from tests.e2e.kube import Kube

OPERATOR = "app.kubernetes.io/name=regent-operator"


def leader(kube: Kube) -> str:
    """The pod that holds the lease, as the operator names itself."""
    leases = kube.all_of("leases", SYSTEM)
    return next(str(lease["spec"]["holderIdentity"]) for lease in leases if "regent" in lease["metadata"]["name"])


def audit(kube: Kube) -> AuditLog:
    assert kube.cluster.audit, "this test counts requests at the API server"
    return kube.cluster.audit


def test_the_standby_takes_over_when_the_leader_is_killed(
    regent: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    first = leader(kube)
    pod = next(p for p in kube.all_of("pods", SYSTEM, OPERATOR) if p["metadata"]["name"] in first)
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    state = json.loads(kube.cluster.exec("crictl", "inspect", "--output", "json", container))
    began = time.monotonic()
    kube.cluster.exec("kill", "-9", str(state["info"]["pid"]))
    kube.apply(manifests.agent("born-meanwhile", namespace, "route"))
    kube.until_ready("born-meanwhile", namespace)
    seconds_printed("kill -9 of the leader to an agent of the standby Ready", time.monotonic() - began)
    assert leader(kube) != first


def test_a_restart_with_nothing_changed_writes_nothing_but_its_lease(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace, scaling={"replicas": 2})
    kube.until("all is said", lambda: kube.get("aiagent", "helper", namespace)["status"]["enforced"] == "2/2")
    time.sleep(10)  # other tests' leftovers settle
    mark = audit(kube).mark()
    kube("rollout", "restart", "deployment/regent-operator", "--namespace", SYSTEM)
    kube("rollout", "status", "deployment/regent-operator", "--namespace", SYSTEM, "--timeout=120s", timeout=130)
    kube.until("a new leader reconciles", lambda: leader(kube) != "")
    time.sleep(20)  # long enough for every agent to have been looked at
    requests = audit(kube).since(mark, user=OPERATOR_USER)
    assert any(request.verb == "list" and request.resource == "aiagents" for request in requests)
    writes = [(r.verb, r.resource, r.name, r.code) for r in requests if r.is_write and r.resource != "leases"]
    assert writes == []


def test_the_operator_is_never_refused_and_never_asks_for_secrets(regent: Installed) -> None:
    requests = audit(regent.kube).since(0, user=OPERATOR_USER)
    assert requests
    # An Event into a namespace that is being deleted is refused by admission, whoever writes it.
    refused = [(r.verb, r.resource, r.uri) for r in requests if r.code == 403 and r.resource != "events"]
    assert refused == []
    assert not [r for r in requests if r.resource == "secrets"]
    verdict = regent.kube("auth", "can-i", "--list", "--namespace", SYSTEM, f"--as={OPERATOR_USER}")
    assert "secrets" not in verdict
