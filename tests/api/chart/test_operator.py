"""The operator with exactly the flags and the permissions that the chart gives it."""

import base64
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from regent_operator.engine.resources import OURS
from tests.api.chart.releases import ROOT, Releases
from tests.api.chart.test_rbac import may
from tests.api.running_operator import PATIENCE_SECONDS, eventually
from tests.cluster import Cluster, Request
from tests.unit.chart import rbac
from tests.unit.chart.test_rbac import AGENTS, CLUSTER, FLOOR, OWN

CHILDREN = ("serviceaccount", "configmap", "service", "networkpolicy", "deployment")


def kubeconfig(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """Speaks as the operator's ServiceAccount."""
    token = cluster.kubectl("create", "token", "regent-operator", "--namespace", namespace, "--duration", "2h").strip()
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    document["users"][0]["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


def signing_keys(releases: Releases, namespace: str, folder: Path) -> Path:
    """What the chart's Secret is mounted as."""
    secret = releases.get("secret", "regent-operator-signing", namespace)
    assert secret
    mounted = folder / "signing"
    mounted.mkdir()
    for name, value in secret["data"].items():
        (mounted / name).write_bytes(base64.b64decode(value))
    return mounted


@contextmanager
def operator(releases: Releases, home: str, folder: Path) -> Iterator[None]:
    """The container of the release's Deployment, run on this machine."""
    deployment = releases.get("deployment", "regent-operator", home)
    assert deployment
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    here = [
        "--metrics-host=127.0.0.1",
        "--metrics-port=0",
        "--canary-port=0",
        f"--kubeconfig={kubeconfig(releases.cluster, home, folder)}",
        f"--signing-keys={signing_keys(releases, home, folder)}",
    ]
    log = folder / "operator.log"
    process = releases.cluster.spawn(
        sys.executable,
        *container["command"][1:],
        *[
            flag
            for flag in container["args"]
            if not flag.startswith(("--metrics-port", "--canary-port", "--signing-keys"))
        ],
        *here,
        output=log,
        environment={"POD_NAME": "one", "PATH": os.environ["PATH"]},
    )
    try:
        yield
        assert process.poll() is None, "the operator ended by itself"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        print(log.read_text()[-6000:])  # noqa: T201


def example(namespace: str) -> list[dict[str, Any]]:
    """Agent, policy and route of the quickstart, in another namespace."""
    texts = [(ROOT / "examples" / "quickstart" / f"{name}.yaml").read_text() for name in ("agent", "policy", "route")]
    return [document for text in texts for document in yaml.safe_load_all(text.replace("quickstart", namespace))]


def asked(releases: Releases, home: str, mark: int) -> list[Request]:
    assert releases.cluster.audit
    found = releases.cluster.audit.since(mark, user=f"system:serviceaccount:{home}:regent-operator")
    return [r for r in found if not r.agent.startswith("kubectl")]  # who asked what it may do


@pytest.mark.parametrize("namespaced", [False, True], ids=["cluster-wide", "namespaced"])
def test_the_operator_makes_an_agent_and_is_refused_nothing(
    releases: Releases, tmp_path: Path, namespaced: bool
) -> None:
    assert releases.cluster.audit
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home, {"watchNamespaces": [acme]} if namespaced else None)
    mark = releases.cluster.audit.mark()
    known = ("list", "aiagents.regent.dev", "--namespace", acme)
    eventually("its roles are known", lambda: may(releases, f"system:serviceaccount:{home}:regent-operator", *known))

    with operator(releases, home, tmp_path):
        releases.apply(*example(acme))
        for kind in CHILDREN:
            eventually(f"a {kind} of the agent", lambda kind=kind: releases.get(kind, "helper", acme))
        eventually("the floor is looked at", lambda: looked_at(releases, "agentpolicy", "floor", home))
        eventually("an agent that is looked at", lambda: looked_at(releases, "aiagent", "helper", acme))
        eventually("a route that is looked at", lambda: looked_at(releases, "modelroute", "local", acme))
        scale_and_edit_by_hand(releases, acme)
        eventually("an Event", lambda: any(r.resource == "events" for r in asked(releases, home, mark)))

    def every_permission_is_used() -> bool:
        seldom = SELDOM | ({FLOOR_KEYS} if namespaced else set())
        assert unused(asked(releases, home, mark), home, acme, namespaced) == seldom
        return True

    eventually("every permission is used (a watch is logged when it has ended)", every_permission_is_used)

    requests = asked(releases, home, mark)
    assert [r for r in requests if r.code == 403] == []
    assert [r for r in requests if r.resource == "secrets"] == []
    written = {r.namespace for r in requests if r.is_write}
    assert written == {home, acme} if namespaced else written >= {home, acme}, "agents of other tests may be left"


def scale_and_edit_by_hand(releases: Releases, acme: str) -> None:
    """What needs a disruption budget and an autoscaler, their deletion, an Event, and each child read."""
    past_admission = ("--as", "system:serviceaccount:kube-system:by-hand", "--as-group", "system:masters")
    label, _, ours = OURS.partition("=")

    def patch(kind: str, spec: str, *who: str) -> None:
        words = ("patch", kind, "helper", "-n", acme, "--type=merge", "-p", f'{{"spec": {spec}}}')
        releases.cluster.kubectl(*words, *who)

    def labelled(kind: str) -> bool:
        return (releases.get(kind, "helper", acme) or {"metadata": {}})["metadata"].get("labels", {}).get(label) == ours

    patch("aiagent", '{"scaling": {"auto": {"minReplicas": 1, "maxReplicas": 2}}}')
    eventually("a disruption budget", lambda: releases.get("poddisruptionbudget", "helper", acme))
    eventually("an autoscaler", lambda: releases.get("horizontalpodautoscaler", "helper", acme))
    for kind in (*CHILDREN, "poddisruptionbudget"):  # no watch tells of it then: made anew it is refused, and then read
        releases.cluster.kubectl("label", kind, "helper", "-n", acme, f"{label}-", *past_admission)
        eventually(f"a {kind} with our label again", lambda kind=kind: labelled(kind))
    patch("aiagent", '{"scaling": {"auto": null, "replicas": 1}}')
    eventually("no autoscaler", lambda: not releases.get("horizontalpodautoscaler", "helper", acme))
    eventually("no budget for one pod", lambda: not releases.get("poddisruptionbudget", "helper", acme))
    patch("networkpolicy", '{"ingress": [{}]}', *past_admission)


SELDOM = {
    ("regent.dev", "aiagents", "get"): "what the watches have missed is read one by one",
    ("regent.dev", "agentpolicies", "get"): "as above",
    ("regent.dev", "modelroutes", "get"): "as above",
    ("regent.dev", "aiagents/finalizers", "update"): "asked for by an admission plugin that is off here",
    ("events.k8s.io", "events", "patch"): "an Event that repeats after ten minutes",
    ("", "pods", "patch"): "needs pods that run",
}.keys()
"""Permissions that this short run does not need."""

FLOOR_KEYS = ("", "configmaps", "get")
"""In the operator's own namespace: for a floor that names the key set of an OIDC issuer."""


def unused(requests: list[Request], home: str, acme: str, namespaced: bool) -> set[rbac.Permission]:
    """What docs/reference/rbac.md grants and nobody asked for, each in the namespaces that it is granted in."""
    own = OWN | FLOOR if namespaced else OWN
    granted = {home: own, acme: AGENTS, "": CLUSTER}
    return {
        permission
        for namespace, permissions in granted.items()
        for permission in permissions
        if not any(uses(r, permission) for r in requests if not (namespaced and namespace) or r.namespace == namespace)
    }


def uses(request: Request, permission: rbac.Permission) -> bool:
    group, what, verb = permission
    resource = what.partition(" named ")[0]
    if group == "-":
        return request.verb == verb and request.uri.partition("?")[0] == resource
    asked_for = "/".join(filter(None, (request.resource, request.subresource)))
    made = request.verb == "patch" and request.code == 201  # server-side apply: logged as a patch, authorized as both
    return (request.group, asked_for) == (group, resource) and verb in {request.verb, "create" if made else ""}


def looked_at(releases: Releases, kind: str, name: str, namespace: str) -> bool:
    found = releases.get(kind, name, namespace) or {}
    return "observedGeneration" in found.get("status", {})
