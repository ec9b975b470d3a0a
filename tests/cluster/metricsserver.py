"""metrics-server beside a node of ours: real CPU of its pods, for autoscalers.

On this machine and not in a pod: no image to build, and the API server reaches it at the host's end of the node's wire.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.ports import free_port

from . import build, wait
from .ownnode import OwnNode

SERVICE = "v1beta1.metrics.k8s.io"
RESOLUTION_S = 10
"""The shortest that it takes: a figure of CPU needs two looks at a pod."""
AVAILABLE_S = 120
Object = dict[str, Any]


@contextmanager
def beside(node: OwnNode, folder: Path) -> Iterator[None]:
    """Serves while open; `folder` takes its certificate and its log."""
    host, port = node.record.network.host, free_port(node.record.network.host)
    keys = node.record.folder / "pki"
    access = [f"--{use}kubeconfig={node.kubeconfig}" for use in ("", "authentication-", "authorization-")]
    process = node.spawn(
        build.metrics_server(),
        *access,
        *(f"--bind-address={host}", f"--secure-port={port}", f"--cert-dir={folder}"),
        f"--kubelet-certificate-authority={keys / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        *(f"--metric-resolution={RESOLUTION_S}s", f"--kubelet-request-timeout={RESOLUTION_S // 2}s"),
        output=folder / "metrics-server.log",
    )
    try:
        node.kubectl("apply", "--filename", "-", text=json.dumps(_objects(host, port)))
        wait.until(
            "metrics-server is available", lambda: process.poll() is not None or _is_available(node), AVAILABLE_S
        )
        if process.poll() is not None:
            raise RuntimeError((folder / "metrics-server.log").read_text()[-2000:])
        yield
    finally:
        node.kubectl("delete", "apiservice", SERVICE, "--ignore-not-found")
        process.terminate()
        process.wait()


def _is_available(node: OwnNode) -> bool:
    found = json.loads(node.kubectl("get", "apiservice", SERVICE, "--output", "json"))
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)


def _objects(host: str, port: int) -> Object:
    meta = {"name": "metrics-server", "namespace": "kube-system"}
    service = {"ports": [{"name": "https", "port": 443, "targetPort": port, "protocol": "TCP"}]}
    registered = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": meta,
    }
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, "labels": {"kubernetes.io/service-name": meta["name"]}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": SERVICE},
                "spec": registered,
            },
        ],
    }
