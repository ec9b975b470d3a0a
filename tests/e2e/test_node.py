"""The node of the tests is a real one: what the other e2e tests rest on is shown here, in half a minute."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import cluster
from tests.cluster import archive, build, cgroups, images, ownnode, wait

DEADLINE_S = 60


@pytest.fixture(scope="module")
def node() -> Iterator[cluster.Cluster]:
    with cluster.node("node", images=[images.busybox()]) as running:
        yield running


def pod(name: str, *command: str) -> dict[str, Any]:
    container = {"name": "c", "image": "localhost/busybox:1", "command": list(command)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def closed_to_all(name: str) -> dict[str, Any]:
    spec = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def apply(node: cluster.Cluster, *objects: dict[str, Any]) -> None:
    node.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def last_word(node: cluster.Cluster, name: str) -> str:
    """What `netool watch` said last: ok or blocked."""
    return node.kubectl("logs", name).rpartition(" ")[2].strip()


def test_pods_meet_by_name_until_a_policy_forbids_it(node: cluster.Cluster) -> None:
    apply(node, pod("server", "netool", "serve", ":8080"), service("server"))
    apply(node, pod("watcher", "netool", "watch", "http://server.default.svc.cluster.local/"))
    node.kubectl(
        "wait", "--for=condition=Ready", "pod/server", "pod/watcher", f"--timeout={DEADLINE_S}s", timeout=DEADLINE_S + 5
    )
    wait.until("the watcher gets through", lambda: last_word(node, "watcher") == "ok", DEADLINE_S, step=0.5)
    apply(node, closed_to_all("server"))
    wait.until("the watcher is blocked", lambda: last_word(node, "watcher") == "blocked", DEADLINE_S, step=0.5)
    node.kubectl("delete", "networkpolicy", "server")
    wait.until("the watcher gets through again", lambda: last_word(node, "watcher") == "ok", DEADLINE_S, step=0.5)


def test_an_image_is_loaded_into_the_running_node(node: cluster.Cluster, tmp_path: Path) -> None:
    archive.write(tmp_path / "late.tar", "localhost/late:1", {"pause": build.pause()}, {})
    node.load_image(tmp_path / "late.tar")
    assert "localhost/late:1" in node.exec("ctr", "--namespace", "k8s.io", "images", "list", "--quiet")


def test_a_crash_ends_every_container_and_leaves_nothing() -> None:
    with ownnode.start(f"crash-{os.getpid()}", "full") as node:
        assert node.exec("pgrep", "coredns")
        node.init.signal(signal.SIGKILL)
        assert node.init.gone_within(10)
        node.stop()
        assert not any((h.root / node.record.cgroup).exists() for h in cgroups.here())
        assert not node.record.folder.exists()
