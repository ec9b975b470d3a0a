from dataclasses import replace
from typing import Any

import pytest

from regent_operator.plan.deployment import build, with_live_program
from regent_operator.plan.inputs import Installation
from regent_operator.plan.observation import credentials_of
from tests.unit.plan.samples import INSTALLATION, agent

Pairs = frozenset[tuple[str, str]]
NONE: Pairs = frozenset()


def pod_of(made: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


def test_the_whole_deployment_of_the_simplest_agent() -> None:
    labels = {
        "app.kubernetes.io/name": "regent-agent",
        "app.kubernetes.io/instance": "helper",
        "app.kubernetes.io/managed-by": "regent",
        "regent.dev/agent": "helper",
    }
    assert build(agent(), INSTALLATION, NONE, 1) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "helper",
            "namespace": "acme",
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "regent.dev/v1alpha1",
                    "kind": "AIAgent",
                    "name": "helper",
                    "uid": "agent-uid",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"regent.dev/agent": "helper"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "helper",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 332,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "topologySpreadConstraints": [
                        {
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": {"matchLabels": {"regent.dev/agent": "helper"}},
                        }
                    ],
                    "affinity": {
                        "podAntiAffinity": {
                            "preferredDuringSchedulingIgnoredDuringExecution": [
                                {
                                    "weight": 100,
                                    "podAffinityTerm": {
                                        "topologyKey": "topology.kubernetes.io/zone",
                                        "labelSelector": {"matchLabels": {"regent.dev/agent": "helper"}},
                                    },
                                }
                            ]
                        }
                    },
                    "containers": [CONTAINER],
                    "volumes": [
                        {"name": "config", "configMap": {"name": "helper", "defaultMode": 0o444}},
                        {"name": "state", "emptyDir": {"sizeLimit": "1Mi"}},
                        {"name": "audit", "emptyDir": {"sizeLimit": "1Gi"}},
                    ],
                },
            },
        },
    }


CONTAINER = {
    "name": "agent",
    "image": "regent-runtime:1",
    "imagePullPolicy": "IfNotPresent",
    "command": [
        "python3",
        "-I",
        "-m",
        "regent_runtime",
        "--config",
        "/etc/regent/config/agent.json",
        "--credentials",
        "/etc/regent/credentials",
        "--state",
        "/var/lib/regent/state",
        "--audit",
        "/var/lib/regent/audit",
        "--agent-uid",
        "agent-uid",
        "--config-key",
        "ed25519:one",
        "--port",
        "8080",
        "--status-port",
        "9090",
        "--image",
        "regent-runtime:1",
        "--drain-timeout",
        "300",
    ],
    "env": [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {"name": "POD_UID", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}},
    ],
    "ports": [
        {"name": "http", "containerPort": 8080, "protocol": "TCP"},
        {"name": "status", "containerPort": 9090, "protocol": "TCP"},
    ],
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    },
    "startupProbe": {
        "httpGet": {"path": "/livez", "port": "status", "scheme": "HTTP"},
        "periodSeconds": 1,
        "timeoutSeconds": 5,
        "failureThreshold": 300,
    },
    "livenessProbe": {
        "httpGet": {"path": "/livez", "port": "status", "scheme": "HTTP"},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    },
    "readinessProbe": {
        "httpGet": {"path": "/readyz", "port": "status", "scheme": "HTTP"},
        "periodSeconds": 2,
        "timeoutSeconds": 5,
        "failureThreshold": 2,
    },
    "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
    "volumeMounts": [
        {"name": "config", "mountPath": "/etc/regent/config", "readOnly": True},
        {"name": "state", "mountPath": "/var/lib/regent/state"},
        {"name": "audit", "mountPath": "/var/lib/regent/audit"},
    ],
}


def test_a_pod_is_killed_only_after_its_drain_and_its_leave() -> None:
    for stated, drain in (("20s", 20), ("1m1500ms", 62)):
        pod = pod_of(build(agent(drain={"timeout": stated}), INSTALLATION, NONE, 1))
        assert pod["terminationGracePeriodSeconds"] == 2 + drain + 30
        assert pod["containers"][0]["command"][-2:] == ["--drain-timeout", str(drain)]


def test_credentials_are_projected_key_by_key_with_their_hosts() -> None:
    pairs = frozenset({("openai", "api-key"), ("mistral", "a"), ("mistral", "b")})
    pod = pod_of(build(agent(), INSTALLATION, pairs, 1))
    assert pod["volumes"][3] == {
        "name": "credentials",
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {
                    "secret": {
                        "name": "mistral",
                        "optional": True,
                        "items": [
                            {"key": "a", "path": "mistral/a"},
                            {"key": "b", "path": "mistral/b"},
                            {"key": "hosts", "path": "mistral/hosts"},
                        ],
                    }
                },
                {
                    "secret": {
                        "name": "openai",
                        "optional": True,
                        "items": [
                            {"key": "api-key", "path": "openai/api-key"},
                            {"key": "hosts", "path": "openai/hosts"},
                        ],
                    }
                },
            ],
        },
    }
    assert pod["containers"][0]["volumeMounts"][3] == {
        "name": "credentials",
        "mountPath": "/etc/regent/credentials",
        "readOnly": True,
    }
    assert credentials_of(pod) == pairs


def test_every_key_that_seals_is_trusted() -> None:
    command = pod_of(build(agent(), replace(INSTALLATION, config_keys=("a", "b")), NONE, 1))["containers"][0]["command"]
    assert [command[n + 1] for n, word in enumerate(command) if word == "--config-key"] == ["a", "b"]


def test_placement_is_passed_on_as_the_agent_states_it() -> None:
    workload = {
        "nodeSelector": {"pool": "agents"},
        "tolerations": [{"key": "agents", "operator": "Exists"}],
        "priorityClassName": "steady",
        "imagePullSecrets": [{"name": "registry"}],
    }
    pod = pod_of(build(agent(workload=workload), INSTALLATION, NONE, 1))
    assert {name: pod[name] for name in workload} == workload


def resources_of(**resources: Any) -> dict[str, Any]:
    made = pod_of(build(agent(workload={"resources": resources}), INSTALLATION, NONE, 1))
    found: dict[str, Any] = made["containers"][0]["resources"]
    return found


def test_stated_resources_stand_in_place_of_the_defaults() -> None:
    assert resources_of(requests={"cpu": "1", "memory": "1Gi"}, limits={"memory": "2Gi"}) == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
    }


def test_a_large_request_never_meets_the_default_limit() -> None:
    assert resources_of(requests={"memory": "1Gi"}) == {"requests": {"cpu": "50m", "memory": "1Gi"}}


def test_a_small_limit_never_meets_the_default_request() -> None:
    assert resources_of(limits={"memory": "64Mi"}) == {"requests": {"cpu": "50m"}, "limits": {"memory": "64Mi"}}


def test_scaling_does_not_touch_the_pod_template() -> None:
    one = build(agent(), INSTALLATION, NONE, 1)
    three = build(agent(scaling={"replicas": 3}), INSTALLATION, NONE, 3)
    assert one["spec"]["template"] == three["spec"]["template"]


def test_a_chart_upgrade_changes_the_image_alone_and_what_the_pod_is_told_of_it() -> None:
    upgraded = pod_of(build(agent(), replace(INSTALLATION, runtime_image="regent-runtime:2"), NONE, 1))
    told = ["regent-runtime:2" if word == "regent-runtime:1" else word for word in CONTAINER["command"]]
    assert upgraded["containers"] == [{**CONTAINER, "image": "regent-runtime:2", "command": told}]


NEXT = replace(
    INSTALLATION,
    runtime_image="regent/runtime:next",
    image_pull_policy="Always",
    config_keys=("ed25519:next",),
    collector_url="http://collector:8080",
)
PAIRS = frozenset({("keys", "a")})
PLACED = {
    "workload": {"nodeSelector": {"pool": "a"}, "resources": {"limits": {"memory": "1Gi"}}},
    "drain": {"timeout": "90s"},
}


@pytest.mark.parametrize(("live", "installation"), [(INSTALLATION, NEXT), (NEXT, INSTALLATION)])
@pytest.mark.parametrize(("credentials", "wanted_credentials"), [(NONE, PAIRS), (PAIRS, NONE), (PAIRS, PAIRS)])
@pytest.mark.parametrize(("spec", "edit"), [({}, PLACED), (PLACED, {}), (PLACED, PLACED)])
def test_an_edit_with_the_live_program_is_what_the_installation_of_before_makes_of_it(
    live: Installation,
    installation: Installation,
    credentials: Pairs,
    wanted_credentials: Pairs,
    spec: dict[str, Any],
    edit: dict[str, Any],
) -> None:
    before = build(agent(**spec), live, credentials, 1)
    wanted = build(agent(**edit), installation, wanted_credentials, 3)
    assert sorted_volumes(with_live_program(wanted, before)) == sorted_volumes(
        build(agent(**edit), live, wanted_credentials, 3)
    )


@pytest.mark.parametrize("credentials", [NONE, PAIRS])
def test_the_live_template_stays_the_very_same_where_nothing_of_it_is_edited(credentials: Pairs) -> None:
    before = build(agent(), NEXT, credentials, 1)
    assert with_live_program(build(agent(), INSTALLATION, credentials, 1), before) == before


def test_a_command_line_that_an_admission_webhook_has_taken_stays_its_own() -> None:
    before = build(agent(), NEXT, NONE, 1)
    del pod_of(before)["containers"][0]["command"]
    assert "command" not in pod_of(with_live_program(build(agent(), INSTALLATION, NONE, 1), before))["containers"][0]


def sorted_volumes(made: dict[str, Any]) -> dict[str, Any]:
    """New credentials stand behind what was mounted before."""
    pod = pod_of(made)
    pod["volumes"].sort(key=lambda each: each["name"])
    pod["containers"][0]["volumeMounts"].sort(key=lambda each: each["name"])
    return made
