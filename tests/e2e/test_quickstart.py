"""examples/quickstart on a real node: the real model answers whom the policy lets in, and nobody else."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.cluster import foreign
from tests.e2e import caller
from tests.e2e.caller import Caller
from tests.e2e.conftest import ROOT, SYSTEM, Installed
from tests.e2e.kube import Kube, condition, kstatus
from tests.enforces import enforces

WHERE = "quickstart"
AGENT = f"{WHERE}/helper"


@pytest.fixture(scope="module")
def applied_at(regent: Installed) -> float:
    """The moment before the example was applied."""
    return time.monotonic()


@pytest.fixture(scope="module")
def quickstart(regent: Installed, applied_at: float) -> Iterator[Kube]:
    kube = regent.kube
    kube.apply(ROOT / "examples" / "quickstart")
    fresh = kube.get("aiagent", "helper", WHERE)
    assert condition(fresh, "Ready")["status"] != "True"
    assert kstatus(fresh) == ["InProgress"]
    kube.until_ready("helper", WHERE)
    yield kube
    regent.discard(WHERE)


@pytest.fixture(scope="module")
def visitor(quickstart: Kube) -> Caller:
    return caller.start(quickstart, "visitor", WHERE, "visitor", AGENT, f"{WHERE}/other")


def test_the_real_model_answers_a_visitor(
    applied_at: float, visitor: Caller, seconds_printed: Callable[[str, float], None]
) -> None:
    answer = visitor.ask(AGENT, "Say hello in one short sentence.", stream=False)
    seconds_printed("apply to first answer, the caller's pod included", time.monotonic() - applied_at)
    assert answer.status == 200
    assert answer.text.strip()
    assert answer.body["usage"]["completion_tokens"] > 0
    assert "x-regent-turn" in answer.headers


def test_the_real_model_streams(visitor: Caller) -> None:
    answer = visitor.ask(AGENT, "Count from one to ten.", stream=True)
    assert answer.status == 200
    assert len(answer.pieces) > 1
    assert answer.finish in {"stop", "length"}
    assert answer.error is None


def test_without_a_token_nobody_gets_in(visitor: Caller) -> None:
    answer = visitor.ask(AGENT, token=None)
    assert answer.status == 401
    assert answer.body["error"]["message"]


def test_a_token_for_another_agent_is_refused(visitor: Caller) -> None:
    assert visitor.ask(AGENT, token=f"{WHERE}/other").status == 401


@enforces("callers.serviceAccounts.name")
def test_an_unlisted_service_account_of_an_allowed_namespace_is_refused(quickstart: Kube) -> None:
    stranger = caller.start(quickstart, "stranger", WHERE, "stranger", AGENT)
    answer = stranger.ask(AGENT)
    assert answer.status == 403
    assert answer.body["error"]["type"]


@enforces("callers.serviceAccounts.namespace")
def test_a_pod_of_a_namespace_that_is_not_allowed_cannot_connect(
    quickstart: Kube, regent: Installed, visitor: Caller
) -> None:
    outside = regent.namespace()
    outsider = caller.start(quickstart, "outsider", outside, "visitor", AGENT)
    resolve = f"import socket; print(socket.gethostbyname('helper.{WHERE}.svc'))"
    address = quickstart.get("service", "helper", WHERE)["spec"]["clusterIP"]
    assert quickstart.python("outsider", outside, resolve).strip() == address, "it knows where to connect to"
    reached, refused, still_reached = (
        visitor.ask(AGENT, token=None),
        outsider.ask(AGENT, timeout=4),
        visitor.ask(AGENT, token=None),
    )
    assert (reached.status, still_reached.status) == (401, 401), "whom the walls let in gets an answer"
    assert refused.unreachable == "TimeoutError"
    regent.discard(outside)


def test_kubectl_get_tells_the_truth(quickstart: Kube) -> None:
    rows = [line.split() for line in quickstart("get", "regent", "--all-namespaces").splitlines() if line]
    headers = {tuple(row[1:]) for row in rows if row[0] == "NAMESPACE"}
    assert headers == {
        ("NAME", "READY", "REASON", "ROUTE", "POLICIES", "REPLICAS", "CONVERSATIONS", "ENDPOINT", "AGE"),
        ("NAME", "READY", "REASON", "MODE", "AGENTS", "ENFORCED", "AGE"),
        ("NAME", "READY", "REASON", "PROVIDERS", "RULES", "AGENTS", "ENFORCED", "AGE"),
    }
    ours = {row[1]: row[2:-1] for row in rows if row[0] == WHERE}
    endpoint = f"http://helper.{WHERE}.svc:8080"
    *told, conversations, at = ours["aiagent.regent.dev/helper"]
    assert (told, at) == (["True", "Ready", "local", "2", "1"], endpoint)
    assert conversations.isdigit()
    assert ours["agentpolicy.regent.dev/house-rules"][:4] == ["True", "Enforced", "Enforce", "1"]
    assert ours["modelroute.regent.dev/local"][:5] == ["True", "Enforced", "1", "1", "1"]


def test_status_says_what_is_in_force(quickstart: Kube) -> None:
    found = quickstart.until_ready("helper", WHERE)
    status = found["status"]
    assert status["enforced"] == "1/1"
    assert status["digests"]["config"].startswith("sha256:")
    floor = {(use["namespace"], use["name"]) for use in status["policies"]}
    assert ("regent-system", "floor") in floor
    assert any(use["namespace"] == WHERE for use in status["policies"])
    anonymous = next(entry for entry in status["effective"] if entry["field"] == "callers.anonymous")
    assert anonymous["value"] == '"Deny"'
    assert "regent-system/floor" in anonymous["from"]
    assert kstatus(found) == ["Current"]


def test_every_object_of_the_example_is_current(quickstart: Kube) -> None:
    for kind in ("agentpolicy", "modelroute"):
        for found in quickstart.all_of(kind, WHERE):
            name = found["metadata"]["name"]
            assert kstatus(quickstart.until_condition(kind, name, WHERE, "Ready", "True")) == ["Current"]


UNPRIVILEGED = """
import json
facts = dict(line.rstrip().split(":\\t", 1) for line in open("/proc/1/status") if ":\\t" in line)
mounts = [line.split() for line in open("/proc/1/mounts")]
(root,) = [options.split(",") for _, place, _, options, *_ in mounts if place == "/"]
print(json.dumps({
    "users": sorted(set(facts["Uid"].split() + facts["Gid"].split())),
    "capabilities": [int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no new privileges": facts["NoNewPrivs"],
    "seccomp filter": facts["Seccomp"],
    "root": root[0],
}))
"""
"""What the kernel says of a pod's first process."""


@pytest.mark.parametrize(
    ("where", "labels"),
    [
        (SYSTEM, "app.kubernetes.io/name=regent-operator"),
        (WHERE, "regent.dev/agent=helper"),
        (WHERE, "app.kubernetes.io/name=demo-model"),
    ],
    ids=["operator", "agent", "model"],
)
def test_every_image_runs_as_nobody_on_a_root_that_cannot_be_written(quickstart: Kube, where: str, labels: str) -> None:
    pods = [pod for pod in quickstart.all_of("pods", where, labels) if "deletionTimestamp" not in pod["metadata"]]
    assert pods
    for pod in pods:
        said = json.loads(quickstart.python(pod["metadata"]["name"], where, UNPRIVILEGED))
        assert said == {
            "users": ["65532"],
            "capabilities": [0, 0, 0, 0],
            "no new privileges": "1",
            "seccomp filter": "2",
            "root": "ro",
        }


TRANSCRIPT = r"""\$ helm upgrade --install regent .+
\$ kubectl apply -f examples/quickstart
.+condition met
.+
endpoint   http://helper\.quickstart\.svc:8080, forwarded to (http://127\.0\.0\.1:[0-9]+)
token      [-_.A-Za-z0-9]+

visitor  > .+
helper   > .+

stranger > .+
helper   > 403 caller_not_allowed: .+
           \(house-rules lets in `visitor` alone: .+\)
"""


def test_the_demo_for_a_cluster_installs_applies_asks_and_is_refused(quickstart: Kube) -> None:
    """The program of `make cluster-demo`, on the node of the tests: what it installs and applies is there already."""
    pods = quickstart.pod_uids("helper", WHERE)
    given = {foreign.GIVEN: str(quickstart.cluster.kubeconfig), foreign.LOADER: "true"}
    done = subprocess.run(
        (sys.executable, "tools/cluster_demo.py"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**quickstart.cluster.environment, **given},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    match = re.search(TRANSCRIPT, done.stdout, re.DOTALL)
    assert match is not None, done.stdout
    assert re.search(r"^first answer [0-9.]+ s after the manifests were applied", done.stderr, re.MULTILINE)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(match[1]).port or 0), 5)
    assert quickstart.pod_uids("helper", WHERE) == pods
