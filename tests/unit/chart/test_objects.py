import json
import re

import kubernetes_validate
import pytest

from tests.cluster import command, tools
from tests.unit.chart.helm import CHART, ROOT, Object, names, render

NAMESPACED: Object = {"watchNamespaces": ["acme", "beta"], "providerNamespaces": ["models", "acme"]}
EVERYTHING: Object = {
    "image": {"registry": "mirror.example/", "runtime": {"digest": "sha256:" + "a" * 64}},
    "imagePullSecrets": [{"name": "pull"}],
    "cluster": {"cidrs": ["10.96.0.0/12"], "podCidrs": ["10.244.0.0/16"]},
    "monitoring": {"namespaces": ["monitoring"]},
    "serviceAccount": {"annotations": {"example.com/role": "x"}},
    "metricsService": {"annotations": {"example.com/scrape": "true"}},
    "priorityClassName": "important",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"team": "platform"},
}
NOTHING_OPTIONAL: Object = {
    "admissionPolicies": {"create": False},
    "aggregatedRoles": {"create": False},
    "floorPolicy": {"create": False},
    "networkPolicy": {"create": False},
    "metricsService": {"create": False},
    "podDisruptionBudget": {"create": False},
}
EVERY_FEATURE: Object = EVERYTHING | {
    "collector": {"enabled": True, "sinks": {"jsonLines": True, "webhook": {"url": "https://siem.example.com/in"}}},
    "autoscaling": {"provider": "Regent"},
}
ALL_VALUES = pytest.mark.parametrize(
    "values", [{}, NAMESPACED, EVERYTHING, NOTHING_OPTIONAL], ids=["default", "namespaced", "everything", "least"]
)


def test_the_default_installs_the_operator_for_the_whole_cluster() -> None:
    assert names(render()) == [
        "AgentPolicy regent-system/floor",
        "ClusterRole regent-admin",
        "ClusterRole regent-edit",
        "ClusterRole regent-operator:regent-system",
        "ClusterRole regent-view",
        "ClusterRoleBinding regent-operator:regent-system",
        "Deployment regent-system/regent-operator",
        "NetworkPolicy regent-system/regent-operator",
        "PodDisruptionBudget regent-system/regent-operator",
        "Role regent-system/regent-operator",
        "RoleBinding regent-system/regent-operator",
        "Service regent-system/regent-operator-metrics",
        "ServiceAccount regent-system/regent-operator",
        *(
            f"{kind} regent-{part}.regent-system"
            for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
            for part in ("children", "deployments", "endpoints", "operator", "templates")
        ),
    ]


def test_named_namespaces_get_roles_of_their_own() -> None:
    roles = [name for name in names(render(NAMESPACED)) if name.startswith("Role ")]

    assert roles == [
        "Role acme/regent-operator-agents",
        "Role beta/regent-operator-agents",
        "Role models/regent-operator-providers-regent-system",
        "Role regent-system/regent-operator",
    ]


def test_what_is_optional_can_be_left_out() -> None:
    assert names(render(NOTHING_OPTIONAL)) == [
        "ClusterRole regent-operator:regent-system",
        "ClusterRoleBinding regent-operator:regent-system",
        "Deployment regent-system/regent-operator",
        "Role regent-system/regent-operator",
        "RoleBinding regent-system/regent-operator",
        "ServiceAccount regent-system/regent-operator",
    ]


def test_one_replica_has_no_disruption_budget() -> None:
    assert not [o for o in render({"replicas": 1}) if o["kind"] == "PodDisruptionBudget"]


@ALL_VALUES
@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_objects_are_strictly_valid_for_the_oldest_and_the_newest_kubernetes(values: Object, version: str) -> None:
    builtin = [o for o in render(values) if not o["apiVersion"].startswith("regent.dev/")]

    for document in builtin:
        kubernetes_validate.validate(document, version, strict=True)


WORDS: Object = {
    "watchNamespaces": ["no", "123", "1e3"],
    "providerNamespaces": ["on", "0x1"],
    "monitoring": {"namespaces": ["no", "123"]},
    "priorityClassName": "off",
    "signing": {"existingSecret": "123"},
    "autoscaling": {"provider": "KEDA", "keda": {"namespace": "yes", "serviceAccount": "1"}},
    "image": {"registry": "", "operator": {"repository": "1", "tag": "30"}},
}
"""Names that YAML 1.1 reads as something else."""


@pytest.mark.parametrize("storage", ["123", "null"])
def test_names_stay_names_whatever_else_yaml_reads_in_them(storage: str) -> None:
    mine = {"enabled": True, "storage": {"storageClassName": storage}, "signingKey": {"secretName": "1.5"}}
    objects = render(WORDS | {"collector": mine}, "--namespace", "456", release="true")
    objects += render(WORDS | {"autoscaling": {"provider": "Regent"}}, "--namespace", "off", release="7")

    for document in (o for o in objects if not o["apiVersion"].startswith("regent.dev/")):
        kubernetes_validate.validate(document, "1.37", strict=True)
    floors = [o["metadata"]["namespace"] for o in objects if o["kind"] == "AgentPolicy"]
    assert floors == ["456", "off"]


@ALL_VALUES
def test_every_namespaced_object_names_its_namespace(values: Object) -> None:
    cluster_scoped = {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }

    for document in render(values):
        assert (document["kind"] in cluster_scoped) == ("namespace" not in document["metadata"]), document


def test_without_a_cluster_to_ask_each_rendering_is_the_same() -> None:
    """Argo CD compares them with what is there."""
    words = ("template", "regent", CHART, "--namespace", "regent-system", "--include-crds", "--values", "-")
    once, again = (command.run(tools.helm(), *words, text=json.dumps(EVERY_FEATURE)) for _ in range(2))

    assert "kind: StatefulSet" in once
    assert "kind: APIService" in once
    assert once == again


@pytest.mark.parametrize(
    ("watched", "named"), [([], {"quickstart"}), (["acme", "beta"], {"acme", "beta"}), (["quickstart"], {"quickstart"})]
)
def test_the_notes_name_no_namespace_whose_agents_are_not_run(watched: list[str], named: set[str]) -> None:
    words = ("install", "regent", CHART, "--namespace", "regent-system", "--dry-run=client")
    said = command.run(tools.helm(), *words, "--set-json", f"watchNamespaces={json.dumps(watched)}")
    notes = said.partition("\nNOTES:\n")[2]

    assert set(re.findall(r"--namespace (\S+)", notes)) == named | {"regent-system"}
    assert ("kubectl get regent --all-namespaces" in notes) == (not watched)


def test_helm_lint_finds_nothing() -> None:
    said = command.run(tools.helm(), "lint", "--strict", CHART)

    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_the_chart_carries_the_crds_of_the_contract() -> None:
    crds = [o for o in render({}, "--include-crds") if o["kind"] == "CustomResourceDefinition"]

    assert [crd["metadata"]["name"] for crd in crds] == [
        "agentpolicies.regent.dev",
        "aiagents.regent.dev",
        "modelroutes.regent.dev",
    ]
    assert {crd["metadata"]["annotations"]["helm.sh/resource-policy"] for crd in crds} == {"keep"}
    assert sorted(p.name for p in (CHART / "crds").iterdir()) == sorted(p.name for p in (ROOT / "crds").glob("*.yaml"))


def test_argo_cd_applies_all_that_governs_before_the_operator() -> None:
    """It sorts by wave, then by kind, and kinds that it does not know come after Deployments."""
    waves: dict[int, set[str]] = {}
    for document in render(EVERY_FEATURE, "--include-crds"):
        about = document["metadata"]
        wave = int(about.get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))
        part = about["name"] if document["kind"] == "ClusterRole" and ":" not in about["name"] else document["kind"]
        waves.setdefault(wave, set()).add(part)

    plain = waves.pop(0)
    assert "Deployment" in plain
    assert waves == {
        -20: {"CustomResourceDefinition"},
        -10: {"regent-view", "regent-edit", "regent-admin"},
        -5: {"AgentPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"},
    }
    assert not plain & {"AgentPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(command.CommandError, match=r"requires kubeVersion: >=1\.33\.0-0"):
        render({}, "--kube-version", "1.32.9")
