"""The operator with exactly the flags and the permissions that the chart gives it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.chart.releases import ROOT, Releases
from tests.api.running_operator import eventually
from tests.cluster import Cluster, Request

CHILDREN = ("serviceaccount", "configmap", "service", "networkpolicy", "deployment")


def kubeconfig(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """Speaks as the operator's ServiceAccount."""
    token = cluster.kubectl("create", "token", "regent-operator", "--namespace", namespace, "--duration", "2h").strip()
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    document["users"][0]["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


@contextmanager
def operator(releases: Releases, home: str, folder: Path) -> Iterator[None]:
    """The container of the release's Deployment, run on this machine."""
    deployment = releases.get("deployment", "regent-operator", home)
    assert deployment
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    here = [
        "--metrics-host=127.0.0.1",
        "--metrics-port=0",
        f"--kubeconfig={kubeconfig(releases.cluster, home, folder)}",
    ]
    log = folder / "operator.log"
    process = releases.cluster.spawn(
        sys.executable,
        *container["command"][1:],
        *[flag for flag in container["args"] if not flag.startswith("--metrics-port")],
        *here,
        output=log,
        environment={"POD_NAME": "one", "PATH": os.environ["PATH"]},
    )
    try:
        yield
        assert process.poll() is None, "the operator ended by itself"
    finally:
        process.terminate()
        process.wait(60)
        print(log.read_text()[-6000:])  # noqa: T201


def example(namespace: str) -> list[dict[str, Any]]:
    """Agent, policy and route of the quickstart, in another namespace."""
    texts = [(ROOT / "examples" / "quickstart" / f"{name}.yaml").read_text() for name in ("agent", "policy", "route")]
    return [document for text in texts for document in yaml.safe_load_all(text.replace("quickstart", namespace))]


def asked(releases: Releases, home: str, mark: int) -> list[Request]:
    assert releases.cluster.audit
    return releases.cluster.audit.since(mark, user=f"system:serviceaccount:{home}:regent-operator")


@pytest.mark.parametrize("namespaced", [False, True], ids=["cluster-wide", "namespaced"])
def test_the_operator_makes_an_agent_and_is_refused_nothing(
    releases: Releases, tmp_path: Path, namespaced: bool
) -> None:
    assert releases.cluster.audit
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home, {"watchNamespaces": [acme]} if namespaced else None)
    mark = releases.cluster.audit.mark()

    with operator(releases, home, tmp_path):
        releases.apply(*example(acme))
        for kind in CHILDREN:
            eventually(f"a {kind} of the agent", lambda kind=kind: releases.get(kind, "helper", acme), 120)
        eventually("the floor is looked at", lambda: looked_at(releases, "agentpolicy", "floor", home), 60)
        eventually("an agent that is looked at", lambda: looked_at(releases, "aiagent", "helper", acme), 60)

    requests = asked(releases, home, mark)
    assert [r for r in requests if r.code == 403] == []
    assert [r for r in requests if r.resource == "secrets"] == []
    assert {r.namespace for r in requests if r.is_write} == {home, acme}


def looked_at(releases: Releases, kind: str, name: str, namespace: str) -> bool:
    found = releases.get(kind, name, namespace) or {}
    return "observedGeneration" in found.get("status", {})
