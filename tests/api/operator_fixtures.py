"""What the tests of the running operator share: its namespace, its permissions, a kubelet, manifests."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.fake_kubelet import FakeKubelet, Rules
from tests.api.running_operator import NAMESPACE, RunningOperator, eventually, install_permissions, namespace
from tests.cluster import Cluster

Object = dict[str, Any]
Start = Callable[..., AbstractContextManager[RunningOperator]]
CHILDREN = ("serviceaccount", "networkpolicy", "configmap", "service", "deployment")


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_permissions(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="session")
def session_kubelet(control_plane: Cluster) -> Iterator[FakeKubelet]:
    with FakeKubelet(control_plane.kubeconfig) as running:
        yield running


@pytest.fixture
def kubelet(session_kubelet: FakeKubelet) -> Iterator[FakeKubelet]:
    """With the rules of an ordinary kubelet at the start of each test."""
    session_kubelet.rules = Rules()
    yield session_kubelet
    session_kubelet.rules = Rules()


@pytest.fixture(scope="module")
def shared_operator(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningOperator]:
    """One operator for all tests of a module that neither stop it nor count what it does."""
    folder = tmp_path_factory.mktemp("shared")
    operator = RunningOperator(control_plane, operator_kubeconfig, folder, "shared").start()
    yield operator
    operator.stop()


@pytest.fixture
def operator(shared_operator: RunningOperator, kubelet: FakeKubelet, floor: Object) -> Iterator[RunningOperator]:
    """A running operator, with a kubelet and a floor policy; its log is shown when the test fails."""
    before = len(shared_operator.log)
    yield shared_operator
    print(shared_operator.log[before:][-8000:])  # noqa: T201


@pytest.fixture
def start_operator(control_plane: Cluster, operator_kubeconfig: Path, tmp_path: Path) -> Start:
    @contextmanager
    def start(name: str = "one", *flags: str, server: str | None = None) -> Iterator[RunningOperator]:
        operator = RunningOperator(control_plane, operator_kubeconfig, tmp_path, name, flags, server).start()
        try:
            yield operator
        finally:
            if operator.process and operator.process.poll() is None:
                operator.stop()
            print(operator.log[-6000:])  # noqa: T201

    return start


@dataclass(frozen=True)
class World:
    """One namespace of agents, as a person sees it."""

    cluster: Cluster
    namespace: str

    def apply(self, *objects: Object) -> None:
        for obj in objects:
            obj["metadata"].setdefault("namespace", self.namespace)
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(objects))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        return self.cluster.reader.find(kind, name, namespace or self.namespace)

    def all(self, kind: str) -> list[Object]:
        return self.cluster.reader.all(kind, self.namespace)

    def delete(self, kind: str, name: str, *words: str, namespace: str | None = None) -> None:
        self.cluster.kubectl("delete", kind, name, "-n", namespace or self.namespace, "--wait=false", *words)

    def patch(self, kind: str, name: str, patch: Object, *words: str) -> None:
        text = json.dumps(patch)
        self.cluster.kubectl("patch", kind, name, "-n", self.namespace, "--type=merge", "-p", text, *words)

    def conditions(self, name: str, kind: str = "aiagent", namespace: str | None = None) -> dict[str, tuple[str, str]]:
        """Type -> (status, reason)."""
        return _conditions(self.get(kind, name, namespace))

    def ready(self, name: str, kind: str = "aiagent", namespace: str | None = None) -> tuple[str, str]:
        return self.conditions(name, kind, namespace).get("Ready", ("", ""))

    def await_known(self, policy: str) -> None:
        """Each kind has a watch of its own: an agent applied in the same moment may be heard of first.

        What was never told of stands there as Pending from the start: the API server fills that in.
        """
        eventually("the policy is known", lambda: self.ready(policy, "agentpolicy")[1] not in {"", "Pending"})

    def await_ready(self, name: str, status: str = "True", reason: str = "Ready", kind: str = "aiagent") -> Object:
        """The object as it said so: a moment later it may say something else."""

        def holds() -> Object:
            found = self.get(kind, name) or {}
            assert _conditions(found).get("Ready") == (status, reason), found.get("status")
            return found

        found: Object = eventually(f"{kind} {name} {status} {reason}", holds)
        return found

    def configs_digest(self, name: str) -> str:
        return ((self.get("aiagent", name) or {}).get("status", {}).get("digests") or {}).get("config", "")


def _conditions(found: Object | None) -> dict[str, tuple[str, str]]:
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


@pytest.fixture
def world(control_plane: Cluster) -> Iterator[World]:
    name = f"agents-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("apply", "-f", "-", text=json.dumps(namespace(name)))
    yield World(control_plane, name)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def floor(control_plane: Cluster) -> Iterator[Object]:
    """The cluster's floor as the chart states it; taken away afterwards."""
    policy = {
        "apiVersion": "regent.dev/v1alpha1",
        "kind": "AgentPolicy",
        "metadata": {"name": "floor", "namespace": NAMESPACE},
        "spec": {
            "selector": {},
            "callers": {"serviceAccounts": [{"name": "*"}], "anonymous": "Deny", "mayInstruct": "Deny"},
            "models": {"localHosts": ["*.svc", "*.svc.cluster.local"]},
        },
    }
    control_plane.kubectl("apply", "-f", "-", text=json.dumps(namespace(NAMESPACE)))
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(policy))
    yield policy
    control_plane.kubectl("delete", "agentpolicy", "floor", "-n", NAMESPACE, "--ignore-not-found")


def agent(name: str = "helper", **spec: Any) -> Object:
    base = {
        "instructions": {"inline": "You answer customers."},
        "modelRouteRef": {"name": "local"},
        "sensitivity": "Internal",
    }
    return {
        "apiVersion": "regent.dev/v1alpha1",
        "kind": "AIAgent",
        "metadata": {"name": name, "labels": {"team": "support"}},
        "spec": base | spec,
    }


def policy(name: str = "internal", **spec: Any) -> Object:
    return {"apiVersion": "regent.dev/v1alpha1", "kind": "AgentPolicy", "metadata": {"name": name}, "spec": spec}


def route(name: str = "local", **spec: Any) -> Object:
    base = {
        "providers": [
            {
                "name": "demo",
                "type": "Local",
                "baseURL": "http://demo-model.models.svc:8080/v1",
                "api": "ChatCompletions",
                "model": "smollm2",
                "maxSensitivity": "Restricted",
            }
        ],
        "rules": [{"name": "all", "providers": [{"name": "demo"}]}],
    }
    return {
        "apiVersion": "regent.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": name},
        "spec": base | spec,
    }
