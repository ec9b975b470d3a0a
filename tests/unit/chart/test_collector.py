import kubernetes_validate
import pytest

from regent_operator.collector.settings import parse
from regent_operator.plan import collector as plan
from tests.cluster import command
from tests.unit.chart import rbac
from tests.unit.chart.helm import Object, names, one, render

ENABLED: Object = {"collector": {"enabled": True}}
NAME = "regent-collector"


def enabled(**more: Object | str | bool) -> list[Object]:
    return render({"collector": {"enabled": True, **more}})


def pod(objects: list[Object]) -> Object:
    return dict(one(objects, "StatefulSet", NAME)["spec"]["template"]["spec"])


def test_it_is_off_by_default_and_agents_get_no_token_for_it() -> None:
    assert not [name for name in names(render()) if NAME in name]
    (container,) = one(render(), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert not [flag for flag in container["args"] if flag.startswith("--collector")]


def test_enabled_it_adds_these_objects_and_tells_the_operator_where_it_is() -> None:
    objects = render(ENABLED)

    assert sorted(set(names(objects)) - set(names(render()))) == [
        "ClusterRole regent-collector:regent-system",
        "ClusterRoleBinding regent-collector:regent-system",
        "NetworkPolicy regent-system/regent-collector",
        "Service regent-system/regent-collector",
        "ServiceAccount regent-system/regent-collector",
        "StatefulSet regent-system/regent-collector",
    ]
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert "--collector-url=http://regent-collector.regent-system.svc:8080" in container["args"]


def test_it_may_read_the_clusters_public_keys_and_nothing_else() -> None:
    objects = render(ENABLED)

    assert rbac.of_rules(one(objects, "ClusterRole", f"{NAME}:regent-system")["rules"]) == rbac.documented(
        "## The collector"
    )
    binding = one(objects, "ClusterRoleBinding", f"{NAME}:regent-system")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": NAME, "namespace": "regent-system"}]
    assert binding["roleRef"]["name"] == f"{NAME}:regent-system"


def test_its_pod_is_restricted_and_writes_nowhere_but_its_volume() -> None:
    spec = pod(render(ENABLED))
    (container,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [(each["name"], each.get("readOnly", False)) for each in container["volumeMounts"]] == [
        ("data", False),
        ("key", True),
    ]


def test_its_flags_are_such_as_the_program_takes() -> None:
    sinks = {"jsonLines": True, "webhook": {"url": "https://siem.example.com/in"}}
    (container,) = pod(enabled(sinks=sinks, minRetention="7y"))["containers"]
    command, arguments = container["command"], container["args"]

    assert command == ["python3", "-I", "-m", "regent_operator.collector"]
    chosen = parse(arguments)
    assert (chosen.min_retention, chosen.most_bytes) == (7 * 365 * 86_400, 9_000_000_000)
    assert (chosen.json_lines, chosen.webhook, chosen.name) == (True, sinks["webhook"]["url"], f"{NAME}/regent-system")  # type: ignore[index]
    assert {each["containerPort"] for each in container["ports"]} == {chosen.port, chosen.status_port}


def test_only_agents_pods_and_the_operator_may_connect_and_it_may_connect_to_the_api_server_alone() -> None:
    spec = one(render(ENABLED), "NetworkPolicy", NAME)["spec"]
    agents = {"app.kubernetes.io/name": "regent-agent", "app.kubernetes.io/managed-by": "regent"}
    operator = {"app.kubernetes.io/name": "regent-operator", "app.kubernetes.io/instance": "regent"}

    assert spec["ingress"] == [
        {
            "from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": agents}}],
            "ports": [{"protocol": "TCP", "port": plan.PORT}],
        },
        {
            "from": [{"podSelector": {"matchLabels": operator}}],
            "ports": [{"protocol": "TCP", "port": plan.STATUS_PORT}],
        },
    ]
    assert [sorted(port["port"] for port in rule["ports"]) for rule in spec["egress"]] == [[443, 6443], [53, 53]]
    assert "to" in spec["egress"][1], "names are asked of kube-dns alone"


def test_the_operator_may_ask_it_what_it_found() -> None:
    egress = one(render(ENABLED), "NetworkPolicy", "regent-operator")["spec"]["egress"]
    labels = one(render(ENABLED), "StatefulSet", NAME)["spec"]["template"]["metadata"]["labels"]

    (rule,) = [
        each for each in egress if each not in one(render(), "NetworkPolicy", "regent-operator")["spec"]["egress"]
    ]
    assert rule["ports"] == [{"protocol": "TCP", "port": plan.STATUS_PORT}]
    assert labels.items() >= rule["to"][0]["podSelector"]["matchLabels"].items()


def test_a_webhook_opens_its_ports() -> None:
    sinks: Object = {"webhook": {"url": "https://siem.example.com:8443/in", "ports": [8443]}}
    egress = one(enabled(sinks=sinks), "NetworkPolicy", NAME)["spec"]["egress"]

    assert {"ports": [{"protocol": "TCP", "port": 8443}]} in egress


def test_the_agents_rule_names_the_labels_that_its_pods_bear() -> None:
    labels = one(render(ENABLED), "StatefulSet", NAME)["spec"]["template"]["metadata"]["labels"]

    assert labels.items() >= plan.PODS.items()


def test_the_signing_key_is_mounted_by_the_collector_alone_and_none_is_made_without_a_cluster_to_ask() -> None:
    objects = render(ENABLED)

    assert not [o for o in objects if o["kind"] == "Secret"]
    assert {"name": "key", "secret": {"secretName": f"{NAME}-key", "defaultMode": 0o440}} in pod(objects)["volumes"]
    mounting = [o for o in objects if "template" in o.get("spec", {}) and f"{NAME}-key" in str(o["spec"]["template"])]
    assert [o["kind"] for o in mounting] == ["StatefulSet"]


def test_a_secret_of_ones_own_takes_the_place_of_the_made_one() -> None:
    objects = enabled(signingKey={"secretName": "mine"})

    assert {"name": "key", "secret": {"secretName": "mine", "defaultMode": 0o440}} in pod(objects)["volumes"]


def test_its_volume_outlives_it_unless_it_is_for_trying() -> None:
    lasting, trying = (
        one(enabled(storage=storage), "StatefulSet", NAME)["spec"]
        for storage in ({"size": "2Gi", "storageClassName": "fast", "mostBytes": 2_000_000_000}, {"emptyDir": True})
    )
    (claim,) = lasting["volumeClaimTemplates"]

    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "2Gi"}},
    }
    assert lasting["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert "volumeClaimTemplates" not in trying
    assert {"name": "data", "emptyDir": {}} in trying["template"]["spec"]["volumes"]


@pytest.mark.parametrize("size", ["5Gi", "9G", "8500Mi", "9000000000"])
def test_logs_that_would_outgrow_their_volume_are_refused(size: str) -> None:
    with pytest.raises(command.CommandError, match=rf"mostBytes \(9000000000\) has to be below .*size \({size}\)"):
        enabled(storage={"size": size})

    enabled(storage={"size": size, "emptyDir": True})


@pytest.mark.parametrize("size", ["9.1G", "9Gi", "0.01Ti", "9000000001", "9000001k", "1Pi"])
def test_logs_may_grow_to_what_is_below_their_volume(size: str) -> None:
    enabled(storage={"size": size})


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_its_objects_are_strictly_valid(version: str) -> None:
    for document in render({**ENABLED, "monitoring": {"namespaces": ["m"]}}):
        if NAME in document["metadata"]["name"]:
            kubernetes_validate.validate(document, version, strict=True)
