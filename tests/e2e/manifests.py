"""Manifests that the tests vary; whole cases stand in examples/."""

from pathlib import Path
from typing import Any

from tests.e2e.kube import Object

STANDIN = (Path(__file__).parents[2] / "images/demo-model/src/regent_demo_model/cloud.py").read_text()
LOCAL_MODEL = "smollm2-135m-instruct"


def namespace(name: str, **labels: str) -> Object:
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted | labels}}


def regent(kind: str, name: str, where: str, spec: dict[str, Any]) -> Object:
    return {
        "apiVersion": "regent.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": where},
        "spec": spec,
    }


def agent(name: str, where: str, route: str, **spec: Any) -> Object:
    base = {
        "instructions": {"inline": "Answer briefly."},
        "modelRouteRef": {"name": route},
        "sensitivity": "Internal",
    }
    return regent("AIAgent", name, where, base | spec)


def policy(name: str, where: str, **spec: Any) -> Object:
    return regent("AgentPolicy", name, where, spec)


def provider(
    name: str, host: str, *, type_: str = "OpenAI", model: str = "quick", top: str = "Internal", **more: Any
) -> Object:
    return {
        "name": name,
        "type": type_,
        "baseURL": f"http://{host}:8080/v1",
        "api": "ChatCompletions",
        "model": model,
        "maxSensitivity": top,
    } | more


def route(name: str, where: str, providers: list[Object], *rules: Object) -> Object:
    everything = {"name": "all", "providers": [{"name": each["name"]} for each in providers]}
    return regent("ModelRoute", name, where, {"providers": providers, "rules": list(rules) or [everything]})


def rule(name: str, *providers: str, at_least: str | None = None) -> Object:
    match = {"match": {"sensitivity": {"atLeast": at_least}}} if at_least else {}
    return {"name": name, **match, "providers": [{"name": each} for each in providers]}


def standin(name: str, where: str) -> list[Object]:
    """A stand-in for a cloud at http://NAME.WHERE.svc:8080: regent_demo_model.cloud in the bare Python image."""
    labels = {"app": name}
    container = {
        "name": "provider",
        "image": "localhost/python:3.11",
        "command": ["python3", "/srv/cloud.py", name, "--host=0.0.0.0"],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "program", "mountPath": "/srv"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": name}}],
    }
    meta = {"name": name, "namespace": where, "labels": labels}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"cloud.py": STANDIN}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 8080}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        },
    ]


def redis(name: str, where: str, password: str) -> list[Object]:
    """A Redis at redis://NAME.WHERE.svc, and the Secret NAME whose key `password` an agent of the namespace may use."""
    labels = {"app": name}
    meta = {"name": name, "namespace": where, "labels": labels}
    words = ["redis-server", "--save", "", "--appendonly", "no", "--requirepass", "$(PASSWORD)"]
    container = {
        "name": "redis",
        "image": "localhost/redis:7",
        "command": words,
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": "password"}}}],
        "ports": [{"containerPort": 6379}],
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta,
            "stringData": {"password": password, "hosts": f"{name}.{where}.svc"},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 6379}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
    ]
