"""The chart's admission policies on a real API server: who writes agents' children, and what the operator may create."""

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from regent_operator.plan.agent import plan_agent
from regent_operator.plan.children import children
from regent_operator.plan.observation import Observation
from tests.api.chart.releases import Releases
from tests.api.chart.releases import agent as applied
from tests.api.running_operator import eventually
from tests.cluster import Cluster, command
from tests.unit.chart.test_admission import PARTS
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, agent, for_all, inputs

Object = dict[str, Any]
IMAGE, NEXT_IMAGE = "localhost/regent-runtime:0.1.0", "localhost/regent-runtime:9.9.9"
ADMIN = ("--as", "alice", "--as-group", "system:masters")
CONTROLLER = ("--as", "system:serviceaccount:kube-system:replicaset-controller", "--as-group", "system:masters")
ALONE = "is written by Regent alone"
OUT = "leave it out of the template"


@pytest.fixture(scope="module")
def scene(bare: Cluster) -> Iterator["Scene"]:
    releases = Releases(bare)
    home, acme = releases.namespace(), releases.namespace()
    releases.install("regent", home)
    made = Scene(releases, home, acme)
    for words, who, refused in (
        (ALONE, ADMIN, made.child("ConfigMap")),
        ("no others", made.operator, labelled("ConfigMap", acme, owner=None)),
        ("runtime image alone", made.operator, fresh(made, "evil")),
        (OUT, ADMIN, templating(acme, "apps/v1", "Deployment", {"selector": SELECTS, "template": TEMPLATE})),
    ):
        eventually("each policy is in force", lambda case=(words, who, refused): case[0] in made.refusal(*case[1:]))
    for kind in ("ServiceAccount", "ConfigMap", "Deployment", "NetworkPolicy"):
        made.write(made.operator, made.child(kind))
    yield made
    releases.uninstall_all()
    made.leave_nothing()


class Scene:
    """An agent's namespace, its children as `plan/` builds them, and people who write there (as dry runs, mostly)."""

    def __init__(self, releases: Releases, home: str, acme: str) -> None:
        self.releases, self.home, self.acme = releases, home, acme
        account = f"system:serviceaccount:{home}:regent-operator"
        self.operator = ("--as", account)
        installation = replace(INSTALLATION, runtime_image=IMAGE, collector_url="http://c.regent-system.svc:8080")
        releases.apply(applied(acme))
        live = releases.get("aiagent", "helper", acme)
        assert live
        made = agent(namespace=acme, **EVERYTHING)
        made = replace(made, metadata=replace(made.metadata, uid=live["metadata"]["uid"]))
        rules = for_all("base", namespace=acme, **LOCAL_HOSTS)
        plan = plan_agent(inputs(agent=made, policies=(rules,)), installation)
        assert plan.credentials
        self.bodies = {body["kind"]: body for body in children(plan, Observation(), "{}").apply}

    def leave_nothing(self) -> None:
        """An operator of a later test would find an agent and a floor here."""
        kubectl = self.releases.cluster.kubectl
        kubectl("delete", "aiagent", "helper", "--namespace", self.acme)
        kubectl("delete", "agentpolicy", "--all", "--namespace", self.home)
        kubectl("delete", "namespace", self.acme, self.home, "--wait=false")

    def child(self, kind: str) -> Object:
        return copy.deepcopy(self.bodies[kind])

    def write(self, who: tuple[str, ...], *objects: Object, dry: bool = False) -> None:
        """Server-side apply. Raises command.CommandError."""
        flags = ("--server-side", "--force-conflicts", *(("--dry-run=server",) if dry else ()))
        text = "\n---\n".join(json.dumps(each) for each in objects)
        self.releases.cluster.kubectl("apply", *flags, *who, "--filename", "-", text=text)

    def refusal(self, who: tuple[str, ...], *objects: Object) -> str:
        """The API server's words; empty when it takes them."""
        return said(lambda: self.write(who, *objects, dry=True))

    def words(self, who: tuple[str, ...], *words: str) -> str:
        return said(lambda: self.releases.cluster.kubectl(*words, "--namespace", self.acme, *who))


EVERYTHING: Object = {
    "scaling": {"replicas": 2},
    "workload": {
        "nodeSelector": {"pool": "agents"},
        "tolerations": [{"key": "agents", "operator": "Exists"}],
        "priorityClassName": "steady",
        "imagePullSecrets": [{"name": "registry"}],
        "resources": {"limits": {"memory": "1Gi"}},
    },
}


def said(act: Callable[[], object]) -> str:
    try:
        act()
    except command.CommandError as error:
        return " ".join(error.stderr.split())
    return ""


def labelled(kind: str, namespace: str, *, owner: str | None, name: str = "helper") -> Object:
    metadata: Object = {"name": name, "namespace": namespace, "labels": {"regent.dev/agent": name}}
    if owner is not None:
        reference = {
            "apiVersion": "regent.dev/v1alpha1",
            "kind": "AIAgent",
            "name": owner,
            "uid": "u",
            "controller": True,
        }
        metadata["ownerReferences"] = [reference]
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def test_the_expressions_have_no_type_errors(scene: Scene) -> None:
    for part in PARTS:
        policy = scene.releases.get("validatingadmissionpolicy", f"regent-{part}.{scene.home}")
        assert policy
        assert not policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings"), policy["status"]


def test_the_operator_writes_every_child_of_the_form_that_it_builds(scene: Scene) -> None:
    assert set(scene.bodies) >= {
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "NetworkPolicy",
        "Deployment",
        "PodDisruptionBudget",
    }
    for kind in scene.bodies:
        assert scene.refusal(scene.operator, scene.child(kind)) == ""


@pytest.mark.parametrize(
    "kind", ["ConfigMap", "Service", "ServiceAccount", "NetworkPolicy", "Deployment", "PodDisruptionBudget"]
)
def test_nobody_else_writes_a_child_not_even_an_admin_of_the_cluster(scene: Scene, kind: str) -> None:
    edited = scene.child(kind)
    edited["metadata"]["labels"]["team"] = "x"
    words = scene.refusal(ADMIN, edited)
    assert ALONE in words
    assert "alice" in words
    assert scene.refusal(CONTROLLER, edited) == ""


def test_a_child_cannot_be_edited_stripped_of_its_label_or_deleted(scene: Scene) -> None:
    for words in (
        ("patch", "configmap", "helper", "--type=merge", "-p", '{"data": {"agent.json": "{}"}}'),
        ("label", "configmap", "helper", "regent.dev/agent-"),
        ("label", "networkpolicy", "helper", "regent.dev/agent=other", "--overwrite"),
        ("delete", "configmap", "helper"),
        ("delete", "networkpolicy", "helper"),
        ("delete", "deployment", "helper"),
        ("set", "image", "deployment/helper", "agent=evil"),
    ):
        assert ALONE in scene.words(ADMIN, *words, "--dry-run=server"), words


def test_a_restart_is_anybodys_and_nothing_else_beside_it(scene: Scene) -> None:
    def edit(annotations: Object, **spec: Any) -> str:
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}, **spec}}
        words = ("patch", "deployment", "helper", "--type=merge", "-p", json.dumps(patch), "--dry-run=server")
        return scene.words(ADMIN, *words)

    restart = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    assert edit(restart) == ""
    assert ALONE in edit({**restart, "sidecar.example.com/inject": "true"})
    assert ALONE in edit(restart, replicas=7)
    assert ALONE in edit(restart, paused=True)
    owner = {"metadata": {"ownerReferences": None}}
    assert ALONE in scene.words(
        ADMIN, "patch", "deployment", "helper", "--type=merge", "-p", json.dumps(owner), "--dry-run=server"
    )


def pod(namespace: str, **spec: Any) -> Object:
    body = {"containers": [{"name": "c", "image": "i"}], **spec}
    return {**labelled("Pod", namespace, owner=None), "spec": body}


def test_a_pod_with_an_agents_label_comes_from_a_controller_and_may_be_deleted_by_whom_rbac_lets(scene: Scene) -> None:
    forged = pod(scene.acme, serviceAccountName="helper", nodeName="n")
    forged["metadata"]["name"] = "forged"
    assert ALONE in scene.refusal(ADMIN, forged)
    scene.write(CONTROLLER, forged)
    assert ALONE in scene.words(ADMIN, "annotate", "pod", "forged", "a=b", "--dry-run=server")
    assert ALONE in scene.words(ADMIN, "debug", "forged", "--image=i", "--container=d", "--attach=false")
    node = ("--as", "system:node:n", "--as-group", "system:nodes", "--as-group", "system:masters")
    assert (
        scene.words(
            node,
            "patch",
            "pod",
            "forged",
            "--subresource=status",
            "--type=merge",
            "-p",
            '{"status": {"phase": "Running"}}',
        )
        == ""
    )
    assert scene.words(node, "delete", "pod", "forged", "--dry-run=server") == ""
    assert scene.words(ADMIN, "delete", "pod", "forged", "--wait=false") == ""


TEMPLATE: Object = {
    "metadata": {"labels": {"regent.dev/agent": "helper"}},
    "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Always"},
}
SELECTS = {"matchLabels": {"regent.dev/agent": "helper"}}
ONCE: Object = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}


def templating(namespace: str, version: str, kind: str, spec: Object) -> Object:
    """An object that makes pods."""
    about = {"name": "forged", "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": about, "spec": spec}


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("apps/v1", "Deployment", {"selector": SELECTS, "template": TEMPLATE}),
        ("apps/v1", "ReplicaSet", {"selector": SELECTS, "template": TEMPLATE}),
        ("apps/v1", "StatefulSet", {"selector": SELECTS, "serviceName": "x", "template": TEMPLATE}),
        ("apps/v1", "DaemonSet", {"selector": SELECTS, "template": TEMPLATE}),
        ("batch/v1", "Job", {"template": ONCE}),
        ("batch/v1", "CronJob", {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": ONCE}}}),
        ("v1", "ReplicationController", {"template": TEMPLATE}),
    ],
)
def test_no_template_of_others_makes_pods_with_an_agents_label(
    scene: Scene, version: str, kind: str, spec: Object
) -> None:
    forged = templating(scene.acme, version, kind, spec)
    assert OUT in scene.refusal(ADMIN, forged)
    assert scene.refusal(CONTROLLER, forged) == ""
    harmless = json.loads(json.dumps(forged).replace("regent.dev/agent", "app"))
    assert scene.refusal(ADMIN, harmless) == ""


ENDPOINTS_CONTROLLER = (
    *("--as", "system:serviceaccount:kube-system:endpointslice-controller"),
    *("--as-group", "system:masters"),
)


def leading(namespace: str, service: str, **labels: str) -> Object:
    """An EndpointSlice that leads a Service to an address of somebody's choice."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "forged",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service, **labels},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.9.9.9"], "conditions": {"ready": True}}],
    }


def named(kind: str, namespace: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def test_nobody_but_controllers_says_where_an_agents_service_leads(scene: Scene) -> None:
    scene.write(scene.operator, scene.child("Service"))
    held = "is written by Kubernetes' controllers alone"
    forged = leading(scene.acme, "helper")
    eventually("its Service is known", lambda: held in scene.refusal(ADMIN, forged))
    assert scene.refusal(ENDPOINTS_CONTROLLER, forged) == ""
    assert scene.refusal(ADMIN, leading(scene.acme, "other")) == ""
    assert scene.refusal(ADMIN, leading(scene.home, "helper")) == "", "no agent of that name is there"
    assert held in scene.refusal(ADMIN, named("Endpoints", scene.acme, "helper"))
    assert scene.refusal(ADMIN, named("Endpoints", scene.acme, "other")) == ""

    marked = leading(scene.acme, "other", **{"regent.dev/agent": "helper"})
    assert ALONE in scene.refusal(ADMIN, marked)
    scene.write(ENDPOINTS_CONTROLLER, marked)
    for words in (
        ("label", "endpointslice", "forged", "regent.dev/agent-"),
        ("patch", "endpointslice", "forged", "--type=merge", "-p", '{"endpoints": []}'),
    ):
        assert ALONE in scene.words(ADMIN, *words, "--dry-run=server"), words
    assert scene.words(ADMIN, "delete", "endpointslice", "forged") == "", "nobody owns it"


def test_a_slice_cannot_be_turned_to_an_agents_service(scene: Scene) -> None:
    scene.write(scene.operator, scene.child("Service"))
    scene.write(ADMIN, leading(scene.acme, "other"))
    turn = ("label", "endpointslice", "forged", "kubernetes.io/service-name=helper", "--overwrite")
    words = "is written by Kubernetes' controllers alone"
    eventually("its Service is known", lambda: words in scene.words(ADMIN, *turn, "--dry-run=server"))
    assert scene.words(ADMIN, "delete", "endpointslice", "forged") == ""


def test_what_no_owner_is_left_of_can_be_deleted(scene: Scene) -> None:
    scene.write(CONTROLLER, labelled("ConfigMap", scene.acme, owner=None, name="orphan"))
    assert ALONE in scene.words(ADMIN, "patch", "configmap", "orphan", "--type=merge", "-p", '{"data": {"a": "b"}}')
    assert scene.words(ADMIN, "delete", "configmap", "orphan") == ""


def in_pod(change: Callable[[Object], object]) -> Callable[[Object], object]:
    return lambda deployment: change(deployment["spec"]["template"]["spec"])


def in_container(change: Callable[[Object], object]) -> Callable[[Object], object]:
    return in_pod(lambda spec: change(spec["containers"][0]))


def in_context(**fields: Any) -> Callable[[Object], object]:
    return in_container(lambda container: container["securityContext"].update(fields))


def volume(**source: Any) -> Callable[[Object], object]:
    return in_pod(lambda spec: spec["volumes"].append({"name": "more", **source}))


def token(**fields: Any) -> Callable[[Object], object]:
    return volume(projected={"sources": [{"serviceAccountToken": {"path": "token", **fields}}]})


FORMS: dict[str, tuple[Callable[[Object], object], str]] = {
    "another image": (in_container(lambda c: c.update(image="evil")), "runtime image alone"),
    "another program": (in_container(lambda c: c.update(command=["sh", "-c", "x", "y"])), "runtime image alone"),
    "a module of others": (in_container(lambda c: c["command"].__setitem__(3, "http.server")), "runtime image alone"),
    "not isolated": (in_container(lambda c: c["command"].remove("-I")), "runtime image alone"),
    "arguments": (in_container(lambda c: c.update(args=["x"])), "runtime image alone"),
    "a variable": (in_container(lambda c: c["env"].append({"name": "A", "value": "b"})), "without variables of others"),
    "variables of a Secret": (
        in_container(lambda c: c.update(envFrom=[{"secretRef": {"name": "s"}}])),
        "without variables",
    ),
    "a port of the node": (
        in_container(lambda c: c["ports"][0].update(hostPort=80, containerPort=80)),
        "runtime image alone",
    ),
    "a second container": (
        in_pod(lambda p: p["containers"].append({"name": "b", "image": IMAGE})),
        "runtime image alone",
    ),
    "an init container": (
        in_pod(lambda p: p.update(initContainers=[{"name": "b", "image": IMAGE}])),
        "runtime image alone",
    ),
    "privileged": (in_context(privileged=True, allowPrivilegeEscalation=True), "restricted"),
    "escalation": (in_context(allowPrivilegeEscalation=True), "restricted"),
    "a capability": (in_context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}), "restricted"),
    "capabilities kept": (in_context(capabilities={}), "restricted"),
    "a writable root": (in_context(readOnlyRootFilesystem=False), "restricted"),
    "root": (in_context(runAsUser=0, runAsNonRoot=False), "restricted"),
    "unconfined": (in_context(seccompProfile={"type": "Unconfined"}), "restricted"),
    "unconfined as a whole": (
        in_pod(lambda p: p["securityContext"].update(seccompProfile={"type": "Unconfined"})),
        "restricted",
    ),
    "root as a whole": (in_pod(lambda p: p["securityContext"].update(runAsUser=0)), "restricted"),
    "the node's network": (in_pod(lambda p: p.update(hostNetwork=True)), "share nothing with their node"),
    "the node's processes": (in_pod(lambda p: p.update(hostPID=True)), "share nothing with their node"),
    "the node's IPC": (in_pod(lambda p: p.update(hostIPC=True)), "share nothing with their node"),
    "a node of choice": (in_pod(lambda p: p.update(nodeName="n")), "the scheduler puts them"),
    "other names": (
        in_pod(lambda p: p.update(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["h"]}])),
        "the scheduler puts",
    ),
    "a system priority": (in_pod(lambda p: p.update(priorityClassName="system-node-critical")), "the scheduler puts"),
    "a folder of the node": (volume(hostPath={"path": "/"}), "a folder of their own"),
    "a Secret as a whole": (volume(secret={"secretName": "s"}), "a folder of their own"),
    "a claim": (volume(persistentVolumeClaim={"claimName": "c"}), "a folder of their own"),
    "a ConfigMap of others": (volume(configMap={"name": "other"}), "a folder of their own"),
    "a token of the API server": (token(), "a folder of their own"),
    "a token for others": (token(audience="vault"), "a folder of their own"),
    "another account": (in_pod(lambda p: p.update(serviceAccountName="admin")), "run as its ServiceAccount"),
    "its account's token": (in_pod(lambda p: p.update(automountServiceAccountToken=True)), "mount no token"),
    "pods of another label": (
        lambda d: (
            d["spec"]["template"]["metadata"]["labels"].update({"regent.dev/agent": "other"}),
            d["spec"]["selector"]["matchLabels"].update({"regent.dev/agent": "other"}),
        ),
        "bear its label",
    ),
}


def fresh(scene: Scene, image: str = IMAGE) -> Object:
    """The Deployment of an agent that has none yet."""
    made: Object = json.loads(
        json.dumps(scene.child("Deployment")).replace('"helper"', '"fresh"').replace(IMAGE, image)
    )
    return made


@pytest.mark.parametrize("form", FORMS)
def test_the_operator_creates_no_deployment_of_another_form(scene: Scene, form: str) -> None:
    change, words = FORMS[form]
    deployment = fresh(scene)
    assert scene.refusal(scene.operator, deployment) == ""
    change(deployment)
    assert words in scene.refusal(scene.operator, deployment)


@contextmanager
def upgraded(scene: Scene) -> Iterator[None]:
    """The release has another runtime image."""
    scene.releases.upgrade("regent", scene.home, {"image.runtime.tag": "9.9.9"})
    try:
        eventually("it may be run", lambda: not scene.refusal(scene.operator, fresh(scene, NEXT_IMAGE)))
        yield
    finally:
        scene.releases.upgrade("regent", scene.home, {"image.runtime.tag": ""})
        eventually("all is as before", lambda: scene.refusal(scene.operator, fresh(scene, NEXT_IMAGE)))


@contextmanager
def running(scene: Scene, image: str) -> Iterator[None]:
    """An operator that gives agents this image."""
    kubectl = scene.releases.cluster.kubectl
    about = {"name": "before", "namespace": scene.home, "labels": {"app.kubernetes.io/name": "regent-operator"}}
    container = {"name": "operator", "image": "i", "args": ["--workers=16", f"--runtime-image={image}"]}
    spec = {"serviceAccountName": "regent-operator", "containers": [container]}
    scene.releases.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
    status = '{"status": {"phase": "Running"}}'
    at = ("before", "--namespace", scene.home)
    kubectl("patch", "pod", *at, "--subresource=status", "--type=merge", "-p", status)
    try:
        yield
    finally:
        kubectl("delete", "pod", *at, "--grace-period=0", "--force")


def test_while_the_operator_of_before_runs_it_makes_agents_of_its_own_image(scene: Scene) -> None:
    """The new one may never start; until it leads, the other does."""
    with running(scene, IMAGE), upgraded(scene):
        eventually("its own", lambda: scene.refusal(scene.operator, fresh(scene)) == "")
        assert scene.refusal(scene.operator, fresh(scene, NEXT_IMAGE)) == ""
        assert "runtime image alone" in scene.refusal(scene.operator, fresh(scene, "localhost/regent-runtime:0.0.9"))


def test_an_agent_of_before_may_keep_its_image_and_gets_no_other_but_the_configured(scene: Scene) -> None:
    mount = volume(projected={"sources": [{"secret": {"name": "new", "items": [{"key": "k", "path": "new/k"}]}}]})
    with upgraded(scene):
        for change in (
            lambda d: d["spec"].update(replicas=0),
            mount,
            in_container(lambda c: c.update(image=NEXT_IMAGE)),
        ):
            deployment = scene.child("Deployment")
            change(deployment)
            assert scene.refusal(scene.operator, deployment) == ""
        for form in ("another image", "another program", "a second container"):
            change, words = FORMS[form]
            deployment = scene.child("Deployment")
            change(deployment)
            assert words in scene.refusal(scene.operator, deployment)
        alone = "runtime image alone"
        eventually("no operator of before runs", lambda: alone in scene.refusal(scene.operator, fresh(scene)))


def test_a_number_of_pods_hangs_on_no_form(scene: Scene) -> None:
    """An agent can be suspended by an operator of before, whatever a later version asks of a template."""
    change, words = FORMS["the node's network"]
    deployment = scene.child("Deployment")
    change(deployment)
    scene.write(CONTROLLER, deployment)
    deployment["spec"]["replicas"] = 0
    assert scene.refusal(scene.operator, deployment) == ""
    in_container(lambda c: c.update(imagePullPolicy="Always"))(deployment)
    assert words in scene.refusal(scene.operator, deployment)
    scene.write(scene.operator, scene.child("Deployment"))


def test_the_operator_writes_nothing_beside_children(scene: Scene) -> None:
    acme = scene.acme
    mine = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "helper", "namespace": "kube-system"}}
    for obj in (
        mine,
        labelled("ConfigMap", acme, owner=None, name="free"),
        labelled("ConfigMap", acme, owner="another", name="free"),
        {**labelled("ServiceAccount", "kube-system", owner=None, name="free")},
    ):
        assert "and no others" in scene.refusal(scene.operator, obj)
    scene.releases.apply({**mine, "metadata": {"name": "theirs", "namespace": acme}})
    taken = labelled("ConfigMap", acme, owner="theirs", name="theirs")
    assert "takes over nothing" in scene.refusal(scene.operator, taken)


def test_garbage_collection_and_the_end_of_a_namespace_are_not_held_up(scene: Scene) -> None:
    releases = scene.releases
    gone = releases.namespace()
    for body in scene.bodies.values():
        moved_there = json.loads(json.dumps(body).replace(f'"{scene.acme}"', f'"{gone}"'))
        moved_there["metadata"]["ownerReferences"][0]["uid"] = str(uuid.uuid4())
        scene.write(scene.operator, moved_there)
    eventually("their owner is not there, so they go", lambda: not releases.get("deployment", "helper", gone))
    scene.write(CONTROLLER, labelled("ConfigMap", gone, owner=None, name="stays"))
    releases.cluster.kubectl("delete", "namespace", gone, "--wait=false")
    eventually("the namespace is gone", lambda: not releases.get("namespace", gone))
