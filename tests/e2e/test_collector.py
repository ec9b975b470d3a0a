"""The audit collector on the node: turns wait for its disk, its death denies them, and what it kept verifies."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import caller, manifests
from tests.e2e.conftest import SYSTEM, Installed, install
from tests.e2e.kube import Kube, Object, condition

NAME = "regent-collector"
POD = f"{NAME}-0"
LOGS = "/var/lib/regent-collector/logs"
STORAGE_CLASS = "regent-e2e"
FOLDER = "/var/lib/regent-e2e-collector"
COLLECTOR = {"enabled": True, "storage": {"storageClassName": STORAGE_CLASS, "size": "1Gi", "mostBytes": 900_000_000}}


def volume() -> list[Object]:
    """A static volume of the node, and a pod that makes its folder the collector's: hostPath knows no fsGroup."""
    program = f"import os; os.chown({FOLDER!r}, 65532, 65532)"
    host = {"name": "data", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}}
    container = {
        "name": "chown",
        "image": caller.IMAGE,
        "command": ["python3", "-c", program],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "data", "mountPath": FOLDER}],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "collector-volume", "namespace": "default"},
            "spec": {"restartPolicy": "Never", "containers": [container], "volumes": [host]},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "regent-e2e-collector"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "storageClassName": STORAGE_CLASS,
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": FOLDER},
            },
        },
    ]


@pytest.fixture(scope="module")
def collecting(regent: Installed) -> Iterator[Installed]:
    """With the collector, and without it again for the tests that come after."""
    kube = regent.kube
    kube.apply(*volume())
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kube("wait", "--namespace", "default", done, "pod/collector-volume", "--timeout=120s", timeout=130)
    install(kube, f"--set-json=collector={json.dumps(COLLECTOR)}")
    yield regent
    install(kube)
    kube.delete("pod", "collector-volume", "default")
    kube.delete("persistentvolumeclaim", f"data-{POD}", SYSTEM)
    kube("delete", "persistentvolume", "regent-e2e-collector", "--ignore-not-found")


def audited(regent: Installed, namespace: str) -> caller.Caller:
    """A Ready agent whose turns wait for the collector, and one who may talk to it."""
    durable = manifests.policy("durable", namespace, selector={}, audit={"durability": "Collector"})
    regent.kube.apply(durable)
    regent.standin("cloud", namespace)
    quick = manifests.provider("cloud", f"cloud.{namespace}.svc")
    regent.kube.apply(manifests.route("route", namespace, [quick]), manifests.agent("helper", namespace, "route"))
    regent.kube.until_ready("helper", namespace)
    return caller.start(regent.kube, "friend", namespace, "friend", f"{namespace}/helper")


def verified(kube: Kube) -> list[Object]:
    """What `regent audit verify` says of the volume, asked in the collector's pod with the collector's key."""
    program = (
        "import subprocess, sys, urllib.request as u\n"
        "key = u.urlopen('http://127.0.0.1:9090/key').read().decode().strip()\n"
        f"words = [sys.executable, '-I', '-m', 'regent_api.audit', 'verify', {LOGS!r}, '--key', key, '--output', 'json']\n"
        "done = subprocess.run(words, capture_output=True, text=True)\n"
        "print(done.stdout, end=''); print(done.stderr, file=sys.stderr); sys.exit(done.returncode)\n"
    )
    return [json.loads(line) for line in kube.python(POD, SYSTEM, program).splitlines()]


def signed(kube: Kube, namespace: str) -> dict[str, int]:
    """Signed records of each log of a namespace, once all that is there is signed."""
    found: list[Object] = []

    def all_signed() -> bool:
        found[:] = [each for each in verified(kube) if each["log"].startswith(f"{namespace}/")]
        return bool(found) and all(each["signed"] == each["size"] and not each["problem"] for each in found)

    kube.until("every record is under a checkpoint", all_signed)
    return {each["log"]: each["signed"] for each in found}


def test_without_a_collector_a_policy_that_wants_one_says_what_to_do(regent: Installed, namespace: str) -> None:
    regent.standin("cloud", namespace)
    quick = manifests.provider("cloud", f"cloud.{namespace}.svc")
    durable = manifests.policy("durable", namespace, selector={}, audit={"durability": "Collector"})
    regent.kube.apply(durable, manifests.route("route", namespace, [quick]))
    regent.kube.apply(manifests.agent("helper", namespace, "route"))
    found = regent.kube.until_condition("aiagent", "helper", namespace, "Ready", "False", "CollectorRequired")
    assert "collector.enabled=true" in condition(found, "Accepted")["message"]
    assert regent.kube.find("deployment", "helper", namespace) is None


def test_a_turns_records_are_at_the_collector_signed_and_the_death_of_its_pod_loses_none(
    collecting: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = collecting.kube
    friend = audited(collecting, namespace)
    assert friend.ask(f"{namespace}/helper").status == 200
    (pod,) = kube.pods("helper", namespace)
    log = f"{namespace}/helper/{pod['metadata']['uid']}"
    before = signed(kube, namespace)
    assert before.keys() == {log}
    assert before[log] >= 4, "started, intent, attempt, outcome"

    kube("delete", "pod", POD, "--namespace", SYSTEM, "--force", "--grace-period=0")
    began = time.monotonic()
    kube.until("a turn is answered again", lambda: friend.ask(f"{namespace}/helper").status == 200)
    seconds_printed("collector's pod killed to the next answer", time.monotonic() - began)
    after = signed(kube, namespace)
    assert after.keys() == {log}, "the agent's pod was not replaced"
    assert after[log] >= before[log] + 3


def test_while_the_collector_is_away_turns_are_denied_and_they_recover_by_themselves(
    collecting: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = collecting.kube
    friend = audited(collecting, namespace)
    assert friend.ask(f"{namespace}/helper").status == 200
    pods = kube.pod_uids("helper", namespace)
    kube("scale", "statefulset", NAME, "--namespace", SYSTEM, "--replicas=0")
    try:
        kube.until("the collector is gone", lambda: kube.find("pod", POD, SYSTEM) is None)
        denied = friend.ask(f"{namespace}/helper")
        assert (denied.status, denied.code) == (503, "audit_unavailable")
    finally:
        kube("scale", "statefulset", NAME, "--namespace", SYSTEM, "--replicas=1")
    began = time.monotonic()
    kube.until("a turn is answered again", lambda: friend.ask(f"{namespace}/helper").status == 200)
    seconds_printed("collector wanted again to the next answer", time.monotonic() - began)
    assert kube.pod_uids("helper", namespace) == pods
    assert signed(kube, namespace)


def test_a_log_that_is_not_in_order_is_a_condition_and_an_event_of_the_agent(
    collecting: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    """A process in the pod that sends with the pod's own token what no log in order has."""
    kube = collecting.kube
    friend = audited(collecting, namespace)
    assert friend.ask(f"{namespace}/helper").status == 200
    (pod,) = kube.pods("helper", namespace)
    assert condition(kube.get("aiagent", "helper", namespace), "AuditLogBroken") == {}
    name = f"{namespace}/helper/{pod['metadata']['uid']}"
    program = (
        "import urllib.request as u, urllib.error\n"
        "from regent_api.audit.chain import Chain\n"
        "from regent_api.audit.frame import RECORD, frame\n"
        "from regent_api.audit.record import Kind, Record\n"
        f"made = Record(kind=Kind.OUTCOME, id='x', time='2026-01-01T00:00:00.000000Z', agent='{namespace}/helper')\n"
        f"data = frame(RECORD, Chain({name!r}).seal(made))\n"
        "token = open('/etc/regent/collector/token').read().strip()\n"
        f"asked = u.Request('http://{NAME}.{SYSTEM}.svc:8080/v1/log', data, {{'Authorization': 'Bearer ' + token}})\n"
        "try: print(u.urlopen(asked).status)\n"
        "except urllib.error.HTTPError as error: print(error.status, error.read().decode())\n"
    )
    said = kube.python(pod["metadata"]["name"], namespace, program)
    assert said.startswith("409 ")
    assert '"fork"' in said
    began = time.monotonic()
    found = kube.until_condition("aiagent", "helper", namespace, "AuditLogBroken", "True", "LogForked")
    seconds_printed("a forged record to the condition", time.monotonic() - began)
    assert pod["metadata"]["name"] in condition(found, "AuditLogBroken")["message"]
    assert condition(found, "Ready")["status"] == "True"
    words = ("get", "events", "--namespace", namespace, "--field-selector", "reason=LogForked", "--output", "json")
    kube.until("the Event is there", lambda: json.loads(kube(*words))["items"])
    assert friend.ask(f"{namespace}/helper").status == 200, "the pod's own log goes on"


def test_nobody_but_agents_reaches_the_collector(collecting: Installed, namespace: str) -> None:
    kube = collecting.kube
    friend = audited(collecting, namespace)
    address = kube.get("pod", POD, SYSTEM)["status"]["podIP"]
    for port in (8080, 9090):
        program = (
            "import socket\n"
            f"try: socket.create_connection(({address!r}, {port}), 3); print('connected')\n"
            "except OSError: print('refused')"
        )
        assert kube.python(friend.pod, namespace, program).strip() == "refused", port
