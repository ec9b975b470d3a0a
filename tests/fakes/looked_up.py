"""An API server for helm's `lookup`: it knows the objects that it is given, and answers nothing but reads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

Object = dict[str, Any]
KINDS = {
    "v1": ["Namespace", "Pod", "Secret", "Service", "ServiceAccount"],
    "admissionregistration.k8s.io/v1": ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
    "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
    "apiregistration.k8s.io/v1": ["APIService"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    "regent.dev/v1alpha1": ["AgentPolicy"],
}
"""All that the chart renders or asks for."""

OF_THE_CLUSTER = {"Namespace", "CustomResourceDefinition", "APIService", "ClusterRole", "ClusterRoleBinding"}
OF_THE_CLUSTER |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


@contextmanager
def cluster(folder: Path, *objects: Object) -> Iterator[Path]:
    """The kubeconfig, in `folder`, of a server with these objects and the namespace kube-system."""
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
    documents = _discovery() | dict(map(_placed, (system, *objects)))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = documents.get(self.path.partition("?")[0])
            absent = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(absent if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield _kubeconfig(folder, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def _discovery() -> dict[str, Object]:
    """Path -> document; lists are empty."""
    groups = [each.split("/") for each in KINDS if "/" in each]
    versions = [(name, {"groupVersion": f"{name}/{version}", "version": version}) for name, version in groups]
    documents: dict[str, Object] = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [{"name": name, "versions": [each], "preferredVersion": each} for name, each in versions],
        },
    }
    for api, kinds in KINDS.items():
        resources = [{"name": _plural(each), "kind": each, "namespaced": each not in OF_THE_CLUSTER} for each in kinds]
        named = [each | {"verbs": ["get", "list"]} for each in resources]
        documents[_root(api)] = {"kind": "APIResourceList", "groupVersion": api, "resources": named}
        for each in kinds:
            inside = "" if each in OF_THE_CLUSTER else "namespaces/regent-system/"
            empty = {"kind": f"{each}List", "apiVersion": api, "items": []}
            documents[f"{_root(api)}/{inside}{_plural(each)}"] = empty
    return documents


def _root(api: str) -> str:
    return f"/apis/{api}" if "/" in api else f"/api/{api}"


def _plural(kind: str) -> str:
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def _placed(obj: Object) -> tuple[str, Object]:
    """Path, object."""
    api, kind, about = obj["apiVersion"], obj["kind"], obj["metadata"]
    inside = "" if kind in OF_THE_CLUSTER else f"namespaces/{about['namespace']}/"
    return f"{_root(api)}/{inside}{_plural(kind)}/{about['name']}", obj


def _kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    document = {
        "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake"}}],
        "current-context": "fake",
    }
    path.write_text(yaml.safe_dump(document))
    return path
