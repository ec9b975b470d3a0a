"""A real API server with the contract installed; a namespace of its own for each test."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from regent_api import GROUP, VERSION
from regent_api.kinds import KINDS
from tests import cluster
from tests.api.kubectl import Kubectl
from tests.api.operator_fixtures import (  # noqa: F401
    floor,
    kubelet,
    operator,
    operator_kubeconfig,
    session_kubelet,
    shared_operator,
    start_operator,
    world,
)
from tests.api.running_operator import eventually
from tests.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
CONTROLLERS = "garbage-collector-controller,namespace-controller,deployment-controller,replicaset-controller,disruption-controller,horizontal-pod-autoscaler-controller"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """etcd and kube-apiserver with the CRDs established; owner references and namespaces are collected."""
    with cluster.control_plane(f"api-{os.getpid()}", controllers=CONTROLLERS) as c:
        c.kubectl("apply", "--server-side", "--filename", ROOT / "crds")
        c.kubectl("wait", "--for", "condition=Established", "--timeout", "300s", "--filename", ROOT / "crds")
        eventually("the API server's documentation has the kinds", lambda: documented(c))
        yield c


def documented(c: Cluster) -> bool:
    """The API server publishes schemas a moment after it serves kinds; `kubectl explain` reads them there."""
    served = c.kubectl("get", "--raw", "/openapi/v3")
    path = f"/openapi/v3/apis/{GROUP}/{VERSION}"
    return path in served and all(f".{kind.name}" in c.kubectl("get", "--raw", path) for kind in KINDS)


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A fresh one, deleted afterwards without waiting for it."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def kubectl_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kubectl")


@pytest.fixture
def kubectl(control_plane: Cluster, namespace: str, kubectl_cache: Path) -> Kubectl:
    """kubectl with the test's namespace as default."""
    return Kubectl(control_plane, namespace, kubectl_cache)
