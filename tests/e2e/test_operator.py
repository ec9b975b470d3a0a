"""The operator itself: take-over, restart without a write, a start without the policies, and a role without Secrets."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cluster import AuditLog
from tests.e2e import caller, manifests
from tests.e2e.conftest import OPERATOR_USER, SYSTEM, Installed
from tests.e2e.kube import Kube, Object, condition, phases, standing_still, told
from tests.e2e.releases import operators
from tests.e2e.test_edits import operator_away


def leader(kube: Kube) -> str:
    """Name of the pod that holds the lease; empty when none does."""
    leases = kube.all_of("leases", SYSTEM)
    holders = [
        str(lease["spec"].get("holderIdentity") or "") for lease in leases if "regent" in lease["metadata"]["name"]
    ]
    return holders[0].partition("_")[0] if holders else ""


def until_rolled_out(kube: Kube) -> None:
    kube("rollout", "status", "deployment/regent-operator", "--namespace", SYSTEM, "--timeout=120s", timeout=130)


def audit(kube: Kube) -> AuditLog:
    assert kube.cluster.audit, "this test counts requests at the API server"
    return kube.cluster.audit


def reconciled(kube: Kube, pod: str) -> bool:
    """Whether this operator pod has itself reconciled agents, policies and routes."""
    program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
    figures = kube.python(pod, SYSTEM, program)
    kinds = ("AIAgent", "AgentPolicy", "ModelRoute")
    return all(f'last_success_timestamp_seconds{{kind="{kind}"}}' in figures for kind in kinds)


def kill(kube: Kube, pod: str) -> None:
    """SIGKILL, so that nothing is handed over; then the pod goes, so that its name does not come back."""
    container = kube.get("pod", pod, SYSTEM)["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    crictl = ("crictl", "--runtime-endpoint", "unix:///run/containerd/containerd.sock")
    pid = json.loads(kube.cluster.exec(*crictl, "inspect", "--output", "json", container))["info"]["pid"]
    kube.cluster.exec("kill", "-9", str(pid))
    kube("delete", "pod", pod, "--namespace", SYSTEM, "--force", "--grace-period=0")


def test_the_standby_takes_over_when_the_leader_is_killed_in_the_middle(
    regent: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    first = leader(kube)
    names = [f"born-{number}" for number in range(8)]
    with kube.record_all("aiagents", namespace) as history:
        kube.until("the status before is known", lambda: history.of("Ready") == [("True", "Ready")])
        kube.apply(*(manifests.agent(name, namespace, "route") for name in names))
        kill(kube, first)
        began = time.monotonic()
        kube.until("another pod leads", lambda: leader(kube) not in {"", first})
        seconds_printed("leader killed to another one leading", time.monotonic() - began)
        for name in names:
            kube.until_ready(name, namespace)
            kube.until_current("aiagent", name, namespace)
        owners = {agent["metadata"]["name"]: agent["metadata"]["uid"] for agent in kube.all_of("aiagents", namespace)}
        kube.until(
            "the watch has told it",
            lambda: all(told(history.about(uid), "Ready")[-1:] == [("True", "Ready")] for uid in owners.values()),
        )
    served = history.about(owners["helper"])
    assert (told(served, "Ready"), phases(served)) == ([("True", "Ready")], ["Current"])
    for name in names:
        comes_up(history.about(owners[name]))
    for kind in ("deployments", "services", "configmaps", "networkpolicies", "serviceaccounts"):
        children = kube.all_of(kind, namespace, "app.kubernetes.io/managed-by=regent")
        assert {c["metadata"]["name"]: c["metadata"]["ownerReferences"][0]["uid"] for c in children} == owners


def comes_up(versions: list[Object]) -> None:
    """What an agent's status tells from its first version to its last: nothing looks healthy before it is, or failed."""
    first, *between, last = told(versions, "Ready")
    assert first == ("Unknown", "Pending")
    assert {status for status, _ in between} <= {"False"}
    assert last == ("True", "Ready")
    assert phases(versions) == ["InProgress", "Current"]


def writes_since(kube: Kube, mark: int) -> list[tuple[str, str, str, int]]:
    """The operator's, but for its lease."""
    requests = audit(kube).since(mark, user=OPERATOR_USER)
    return [(r.verb, r.resource, r.name, r.code) for r in requests if r.is_write and r.resource != "leases"]


def is_silent(kube: Kube, seconds: float) -> bool:
    mark = audit(kube).mark()
    time.sleep(seconds)
    return not writes_since(kube, mark)


def test_a_restart_with_nothing_changed_writes_nothing_but_its_lease(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace, scaling={"replicas": 2})
    # Counts in statuses lag, and other tests' agents have come and gone.
    kube.until("the operator has had nothing to say for longer", lambda: is_silent(kube, 65), seconds=500)
    mark = audit(kube).mark()
    before = operators(kube)
    with standing_still(kube, namespace):
        kube("rollout", "restart", "deployment/regent-operator", "--namespace", SYSTEM)
        until_rolled_out(kube)
        kube.until("a new pod leads", lambda: leader(kube) not in {"", *before})
        kube.until("it has looked at everything", lambda: reconciled(kube, leader(kube)))
        time.sleep(10)
    requests = audit(kube).since(mark, user=OPERATOR_USER)
    assert any(request.verb == "list" and request.resource == "aiagents" for request in requests)
    assert writes_since(kube, mark) == []


@contextmanager
def policies_withheld(regent: Installed) -> Iterator[None]:
    """The operator may not list policies meanwhile, as if the list came late: it asks until it gets one."""
    kube, role = regent.kube, ("clusterrole", f"regent-operator:{SYSTEM}")
    rules = json.loads(kube("get", *role, "--output", "json"))["rules"]
    fewer = [rule for rule in rules if "agentpolicies" not in rule.get("resources", [])]
    assert fewer != rules
    regent.asked.look()
    kube("patch", *role, "--type=merge", "--patch", json.dumps({"rules": fewer}))
    try:
        yield
    finally:
        kube("patch", *role, "--type=merge", "--patch", json.dumps({"rules": rules}))
        until_rolled_out(kube)  # both have their lists
        regent.asked.forget()


def test_an_operator_that_starts_writes_nothing_before_it_has_the_list_of_the_policies(
    regent: Installed, namespace: str
) -> None:
    """It would plan without them, and let through what they forbid."""
    kube = regent.kube
    regent.slow_agent(namespace)
    kube.until_current("aiagent", "helper", namespace)
    with kube.record("aiagent", "late", namespace) as history:
        with policies_withheld(regent):
            with operator_away(kube):
                mark = audit(kube).mark()
                closed = {"serviceAccounts": [{"name": "someone-else"}]}
                kube.apply(
                    manifests.policy("house", namespace, selector={}, callers=closed),
                    manifests.agent("late", namespace, "route"),
                )
            kube.until("a pod of now leads", lambda: leader(kube) in operators(kube))
            kube.until("it is refused the list", lambda: ("agentpolicies", 403) in answers_since(kube, mark))
            time.sleep(10)
            assert writes_since(kube, mark) == []
            assert told(history.versions, "Ready") == [("Unknown", "Pending")]
            assert kube.find("deployment", "late", namespace) is None
            assert condition(kube.get("aiagent", "helper", namespace), "Ready")["status"] == "True"
        kube.until_ready("late", namespace)
        kube.until_current("aiagent", "late", namespace)
    comes_up(history.versions)
    kube.until_condition("agentpolicy", "house", namespace, "Ready", "True", "Enforced")
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper", f"{namespace}/late")
    for name in ("helper", "late"):
        assert friend.ask(f"{namespace}/{name}").status == 403, "the policy is in force"


def answers_since(kube: Kube, mark: int) -> set[tuple[str, int]]:
    """(Resource, status) of the operator's requests."""
    return {(request.resource, request.code) for request in audit(kube).since(mark, user=OPERATOR_USER)}


def test_the_operator_may_not_read_secrets(regent: Installed) -> None:
    """That it never asks for one, and is refused nothing, is looked at when the session ends."""
    verdict = regent.kube("auth", "can-i", "--list", "--namespace", SYSTEM, f"--as={OPERATOR_USER}")
    assert "secrets" not in verdict
