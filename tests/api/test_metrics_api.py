"""custom.metrics.k8s.io behind the real aggregator, with the permissions that the chart gives it, and the real autoscaler."""

import base64
import json
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import World, agent, policy, route
from tests.api.running_operator import (
    NAMESPACE,
    PERMISSIONS,
    RunningOperator,
    eventually,
    namespace,
    render,
)
from tests.cluster import Cluster, CommandError
from tests.cluster.ownnode import OwnNode
from tests.fakes.ports import free_port

NAME = "regent-metrics-api"
SERVICE = "v1beta2.custom.metrics.k8s.io"
BASE = "/apis/custom.metrics.k8s.io/v1beta2"
CHOSEN = ("--set", "autoscaling.provider=Regent")
Object = dict[str, Any]


def kubeconfig(cluster: Cluster, folder: Path) -> Path:
    """Speaks as the chart's ServiceAccount of the metrics API, with the chart's roles and no others."""
    cluster.kubectl("apply", "-f", "-", text=json.dumps(namespace(NAMESPACE)))
    ours = [o for o in render(cluster, *CHOSEN) if o["metadata"]["name"].startswith(NAME) and o["kind"] in PERMISSIONS]
    cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(ours))
    token = cluster.kubectl("create", "token", NAME, "-n", NAMESPACE, "--duration", "24h").strip()
    admin = yaml.safe_load(cluster.kubeconfig.read_text())
    user = {"name": "metrics", "user": {"token": token}}
    context = {"name": "metrics", "context": {"cluster": admin["clusters"][0]["name"], "user": "metrics"}}
    path = folder / "metrics.kubeconfig"
    path.write_text(yaml.safe_dump(admin | {"contexts": [context], "current-context": "metrics", "users": [user]}))
    return path


class MetricsApi:
    """The server as a process on this machine, and the Service that leads the API server to it."""

    def __init__(self, cluster: OwnNode, folder: Path) -> None:
        self.cluster = cluster
        self.log = folder / "metrics-api.log"
        self.port, self.status_port = free_port(), free_port()
        self._kubeconfig = kubeconfig(cluster, folder)

    @contextmanager
    def running(self) -> Iterator[None]:
        (api_service,) = (o for o in render(self.cluster, *CHOSEN) if o["kind"] == "APIService")
        self.cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump_all([*self._service(), api_service]))
        self._start()
        try:
            yield
        finally:
            self._process.terminate()
            self._process.wait(30)
            self.cluster.kubectl("delete", "apiservice", SERVICE, "--ignore-not-found")
            print(self.log.read_text()[-4000:])  # noqa: T201

    def kill(self) -> None:
        """And another one at once in its place, with a certificate of its own."""
        self._process.kill()
        self._process.wait(30)
        self._start()

    def _start(self) -> None:
        self._process = self.cluster.spawn(
            *(sys.executable, "-I", "-m", "regent_operator.metrics_api"),
            *(f"--namespace={NAMESPACE}", f"--service={NAME}", f"--kubeconfig={self._kubeconfig}"),
            *(f"--host={self.cluster.record.network.host}", f"--port={self.port}", f"--status-port={self.status_port}"),
            output=self.log,
        )

    def trusted(self) -> list[str]:
        """The certificates that the API server takes it by."""
        found = self.cluster.kubectl("get", "apiservice", SERVICE, "--output", "jsonpath={.spec.caBundle}")
        parts = base64.b64decode(found).decode().split("-----END CERTIFICATE-----")
        return [part.strip() for part in parts if part.strip()]

    def _service(self) -> list[Object]:
        meta = {"name": NAME, "namespace": NAMESPACE}
        ports = [{"name": "https", "port": 443, "targetPort": self.port, "protocol": "TCP"}]
        labels = {"kubernetes.io/service-name": NAME}
        slice_: Object = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [self.cluster.record.network.host], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}],
        }
        return [{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}}, slice_]

    def ready(self) -> str:
        """What /readyz says."""
        try:
            url = f"http://{self.cluster.record.network.host}:{self.status_port}/readyz"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())
        except OSError as error:
            return str(error)

    def get(self, path: str, *who: str) -> Object:
        """Raises CommandError."""
        found: Object = json.loads(self.cluster.kubectl("get", "--raw", path, *who))
        return found


@pytest.fixture
def metrics_api(control_plane: Cluster, tmp_path: Path) -> MetricsApi:
    assert isinstance(control_plane, OwnNode), "the server must be reachable from the API server"
    return MetricsApi(control_plane, tmp_path)


def of_pods(metrics_api: MetricsApi, world: World, *who: str) -> dict[str, str]:
    path = f"{BASE}/namespaces/{world.namespace}/pods/*/active_conversations?labelSelector=regent.dev%2Fagent%3Dhelper"
    return {item["describedObject"]["name"]: item["value"] for item in metrics_api.get(path, *who)["items"]}


def figures(metrics_api: MetricsApi, world: World) -> dict[str, str]:
    """Empty while the aggregator has not heard that the API is available: a moment later than its status tells."""
    try:
        return of_pods(metrics_api, world)
    except CommandError:
        return {}


def pods(world: World) -> list[str]:
    return [pod["metadata"]["name"] for pod in world.all("pods") if "deletionTimestamp" not in pod["metadata"]]


def test_an_agent_grows_with_its_conversations(
    world: World, operator: RunningOperator, kubelet: FakeKubelet, metrics_api: MetricsApi
) -> None:
    """The whole way: pods, the server, the aggregator, the autoscaler's controller, the Deployment."""
    auto = {"minReplicas": 2, "maxReplicas": 5, "targets": {"activeConversations": 10}}
    world.apply(route(), policy(selector={}), agent(scaling={"auto": auto}))
    world.await_ready("helper")
    with metrics_api.running():
        eventually("the server is ready", lambda: metrics_api.ready() == "ok")
        kubelet.rules.conversations = 3
        eventually("figures", lambda: [*figures(metrics_api, world).values()] == ["3", "3"])
        path = f"{BASE}/namespaces/{world.namespace}/aiagents.regent.dev/helper/active_conversations"
        (item,) = metrics_api.get(path)["items"]
        assert (item["value"], item["describedObject"]["kind"]) == ("6", "AIAgent")
        active = ("True", "MetricsAvailable")
        eventually("measured", lambda: world.conditions("helper").get("ScalingActive") == active)
        assert len(pods(world)) == 2
        kubelet.rules.conversations = 20
        eventually("as many pods as may be", lambda: len(pods(world)) == 5)
        world.await_ready("helper")
        kubelet.rules.silent, *others = pods(world)
        eventually("left out, and not counted as none", lambda: set(figures(metrics_api, world)) == set(others))
        with pytest.raises(Exception, match="does not tell its figure"):
            metrics_api.get(path)
        kubelet.rules.silent = ""


def test_nobody_reads_it_past_the_api_servers_word(
    world: World, operator: RunningOperator, kubelet: FakeKubelet, metrics_api: MetricsApi
) -> None:
    world.apply(route(), policy(selector={}), agent())
    world.await_ready("helper")
    with metrics_api.running():
        eventually("the API server takes it up", lambda: figures(metrics_api, world))
        groups = {each["name"] for each in metrics_api.get(BASE)["resources"]}
        assert groups == {"pods/active_conversations", "aiagents.regent.dev/active_conversations"}
        with pytest.raises(Exception, match="Forbidden"):
            of_pods(metrics_api, world, "--as", "mallory")
        with pytest.raises(Exception, match="have no metric"):
            metrics_api.get(f"{BASE}/namespaces/{world.namespace}/pods/*/queue_length")
        with pytest.raises(Exception, match="labelSelector"):
            metrics_api.get(f"{BASE}/namespaces/{world.namespace}/pods/*/active_conversations?labelSelector=app")
        with socket.create_connection((metrics_api.cluster.record.network.host, metrics_api.port), 10) as plain:
            plain.sendall(b"GET /apis HTTP/1.1\r\nHost: x\r\nX-Remote-User: admin\r\n\r\n")
            assert b"HTTP/1.1 2" not in plain.recv(4096)


def test_one_that_starts_anew_is_trusted_by_the_aggregator_in_the_place_of_the_one_before(
    world: World, operator: RunningOperator, kubelet: FakeKubelet, metrics_api: MetricsApi
) -> None:
    world.apply(route(), policy(selector={}), agent())
    world.await_ready("helper")
    with metrics_api.running():
        eventually("the API server takes it up", lambda: figures(metrics_api, world))
        (before,) = metrics_api.trusted()
        metrics_api.kill()
        eventually("another certificate in its place", lambda: metrics_api.trusted() != [before])
        eventually("the API server takes it up, too", lambda: figures(metrics_api, world))
        assert len(metrics_api.trusted()) == 1


def test_it_refuses_to_register_beside_another_provider(control_plane: Cluster, metrics_api: MetricsApi) -> None:
    theirs = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.custom.metrics.k8s.io"},
        "spec": {
            "group": "custom.metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": "prometheus-adapter", "namespace": "default"},
        },
    }
    control_plane.kubectl("apply", "-f", "-", text=json.dumps(theirs))
    try:
        with metrics_api.running():
            eventually("it says who has the group", lambda: "default/prometheus-adapter" in metrics_api.ready())
            found = json.loads(control_plane.kubectl("get", "apiservice", SERVICE, "-o", "json"))
            assert "caBundle" not in found["spec"]
    finally:
        control_plane.kubectl("delete", "apiservice", "v1beta1.custom.metrics.k8s.io")
