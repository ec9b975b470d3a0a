from tests.unit.chart.helm import Object, one, render

KUBE_DNS = (
    '[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"kube-system"}},'
    '"podSelector":{"matchLabels":{"k8s-app":"kube-dns"}}}]'
)
SHARED_LABELS = {
    "app.kubernetes.io/version": "0.1.0",
    "app.kubernetes.io/part-of": "regent",
    "helm.sh/chart": "regent-0.1.0",
}


def deployment(values: Object | None = None) -> Object:
    return one(render(values), "Deployment")


def container(values: Object | None = None) -> Object:
    (only,) = deployment(values)["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_the_default_is_a_leader_and_a_warm_standby_in_a_restricted_pod() -> None:
    labels = {"app.kubernetes.io/name": "regent-operator", "app.kubernetes.io/instance": "regent"}
    rendered = deployment()
    args = rendered["spec"]["template"]["spec"]["containers"][0].pop("args")

    assert args == [
        "--namespace=regent-system",
        "--runtime-image=localhost/regent-runtime:0.1.0",
        "--signing-keys=/etc/regent/signing",
        "--image-pull-policy=IfNotPresent",
        "--cluster-domain=cluster.local",
        f"--dns-peers={KUBE_DNS}",
        "--dns-port=53",
        "--lease-name=regent-operator",
        "--metrics-port=9090",
        "--canary-port=9797",
    ]
    assert rendered == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "regent-operator",
            "namespace": "regent-system",
            "labels": labels | SHARED_LABELS,
        },
        "spec": {
            "replicas": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels | SHARED_LABELS},
                "spec": {
                    "serviceAccountName": "regent-operator",
                    "automountServiceAccountToken": True,
                    "terminationGracePeriodSeconds": 30,
                    "topologySpreadConstraints": [
                        {
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": {"matchLabels": labels},
                        }
                    ],
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": "operator",
                            "image": "localhost/regent-operator:0.1.0",
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["python3", "-I", "-m", "regent_operator"],
                            "env": [
                                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            ],
                            "ports": [
                                {"name": "metrics", "containerPort": 9090},
                                {"name": "canary", "containerPort": 9797},
                            ],
                            "startupProbe": {
                                "httpGet": {"path": "/livez", "port": "metrics"},
                                "periodSeconds": 2,
                                "timeoutSeconds": 5,
                                "failureThreshold": 150,
                            },
                            "livenessProbe": {
                                "httpGet": {"path": "/livez", "port": "metrics"},
                                "periodSeconds": 10,
                                "timeoutSeconds": 5,
                                "failureThreshold": 6,
                            },
                            "readinessProbe": {
                                "httpGet": {"path": "/readyz", "port": "metrics"},
                                "periodSeconds": 5,
                                "timeoutSeconds": 5,
                            },
                            "resources": {
                                "requests": {"cpu": "50m", "memory": "128Mi"},
                                "limits": {"memory": "256Mi"},
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                            "volumeMounts": [{"name": "signing", "mountPath": "/etc/regent/signing", "readOnly": True}],
                        }
                    ],
                    "volumes": [
                        {"name": "signing", "secret": {"secretName": "regent-operator-signing", "defaultMode": 0o440}}
                    ],
                },
            },
        },
    }


def test_values_become_flags_of_the_operator() -> None:
    args = container(
        {
            "watchNamespaces": ["acme", "beta"],
            "image": {"registry": "mirror.example/x/", "pullPolicy": "Always"},
            "cluster": {
                "cidrs": ["10.96.0.0/12", "fd00::/108"],
                "podCidrs": ["10.244.0.0/16"],
                "domain": "example.local",
                "dnsPeers": [{"ipBlock": {"cidr": "169.254.20.10/32"}}],
                "dnsPorts": [53, 5353],
            },
            "monitoring": {"namespaces": ["monitoring", "tenants"]},
        }
    )["args"]

    assert args == [
        "--namespace=regent-system",
        "--watch-namespace=acme",
        "--watch-namespace=beta",
        "--runtime-image=mirror.example/x/regent-runtime:0.1.0",
        "--signing-keys=/etc/regent/signing",
        "--image-pull-policy=Always",
        "--cluster-cidr=10.96.0.0/12",
        "--cluster-cidr=fd00::/108",
        "--pod-cidr=10.244.0.0/16",
        "--cluster-domain=example.local",
        '--dns-peers=[{"ipBlock":{"cidr":"169.254.20.10/32"}}]',
        "--dns-port=53",
        "--dns-port=5353",
        "--monitoring-namespace=monitoring",
        "--monitoring-namespace=tenants",
        "--lease-name=regent-operator",
        "--metrics-port=9090",
        "--canary-port=9797",
    ]


def test_the_keys_come_from_a_secret_of_the_users_where_one_is_named() -> None:
    objects = render({"signing": {"existingSecret": "house-keys"}})

    (volume,) = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"]["secretName"] == "house-keys"


def test_a_digest_wins_over_the_tag() -> None:
    digest = "sha256:" + "0" * 64
    image = {"repository": "house/operator", "tag": "dev", "digest": digest}

    assert container({"image": {"operator": image}})["image"] == f"localhost/house/operator@{digest}"


def test_all_pods_of_the_chart_can_be_placed_and_marked() -> None:
    everything: Object = {"collector": {"enabled": True}, "autoscaling": {"provider": "Regent"}}
    placement: Object = {
        "imagePullSecrets": [{"name": "pull"}],
        "priorityClassName": "important",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }
    # The last label is of the selectors, which a value cannot break.
    labels = {"team": "x", "app.kubernetes.io/name": "something-else"}
    marked = render(everything | placement | {"podAnnotations": {"a": "b"}, "podLabels": labels})
    found = [o["spec"] for o in marked if "template" in o.get("spec", {})]

    assert len(found) == 3
    for spec in found:
        template = spec["template"]
        assert {key: template["spec"][key] for key in placement} == placement
        assert template["metadata"]["annotations"] == {"a": "b"}
        assert template["metadata"]["labels"]["team"] == "x"
        assert template["metadata"]["labels"].items() >= spec["selector"]["matchLabels"].items()


def test_the_signing_key_is_mounted_by_the_operator_alone() -> None:
    """With every part of the chart on: neither the collector nor the metrics API nor a job could sign a config."""
    everything: Object = {"collector": {"enabled": True}, "autoscaling": {"provider": "Regent"}}
    for more, secret in (
        ({}, "regent-operator-signing"),
        ({"signing": {"existingSecret": "house-keys"}}, "house-keys"),
    ):
        objects = render({**everything, **more})
        workloads = [o for o in objects if "template" in o.get("spec", {}) or "jobTemplate" in o.get("spec", {})]
        assert len(workloads) >= 3
        mounting = [f"{o['kind']} {o['metadata']['name']}" for o in workloads if secret in str(o["spec"])]
        assert mounting == ["Deployment regent-operator"]
