import pytest

from regent_operator.metrics_api.settings import parse
from regent_operator.settings import parse_settings
from tests.unit.chart import rbac
from tests.unit.chart.helm import Object, names, one, render

NAME = "regent-metrics-api"
CHOSEN: Object = {"autoscaling": {"provider": "Regent"}}


def test_another_provider_means_no_object_of_it() -> None:
    assert not [name for name in names(render()) if NAME in name or "custom.metrics" in name]


def test_chosen_it_adds_these_objects() -> None:
    assert sorted(set(names(render(CHOSEN))) - set(names(render()))) == [
        "APIService v1beta2.custom.metrics.k8s.io",
        "ClusterRole regent-metrics-api:regent-system",
        "ClusterRoleBinding regent-metrics-api:regent-system",
        "Deployment regent-system/regent-metrics-api",
        "NetworkPolicy regent-system/regent-metrics-api",
        "PodDisruptionBudget regent-system/regent-metrics-api",
        "RoleBinding kube-system/regent-metrics-api-regent-system",
        "Service regent-system/regent-metrics-api",
        "ServiceAccount regent-system/regent-metrics-api",
    ]


@pytest.mark.parametrize("namespaced", [False, True])
def test_it_may_what_the_page_says(*, namespaced: bool) -> None:
    objects = render({**CHOSEN, **({"watchNamespaces": ["acme"]} if namespaced else {})})
    granted = rbac.of_rules(one(objects, "ClusterRole", f"{NAME}:regent-system")["rules"])
    if namespaced:
        inside = [o for o in objects if o["metadata"].get("namespace") == "acme"]
        granted |= rbac.of_rules(one(inside, "Role", NAME)["rules"])
    assert granted == rbac.documented("## The metrics API")


def test_the_apiservice_leads_to_it_and_checks_its_certificate() -> None:
    objects = render(CHOSEN)
    spec = one(objects, "APIService", "v1beta2.custom.metrics.k8s.io")["spec"]
    assert spec["service"] == {"name": NAME, "namespace": "regent-system", "port": 443}
    assert "insecureSkipTLSVerify" not in spec
    assert "caBundle" not in spec, "the server's own, which an upgrade must not take away"


def test_its_flags_are_flags_and_its_pod_is_restricted() -> None:
    spec = one(render({**CHOSEN, "watchNamespaces": ["acme"]}), "Deployment", NAME)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    chosen = parse(container["args"])
    assert (chosen.namespace, chosen.service, chosen.scope) == ("regent-system", NAME, ("acme",))
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "https": chosen.port,
        "status": chosen.status_port,
    }
    patience = container["startupProbe"]
    assert patience["periodSeconds"] * patience["failureThreshold"] == 300, (
        "a start on a busy node is not started again"
    )
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert "volumes" not in spec, "no Secret: the certificate lives in the process"


def test_a_drain_takes_one_of_its_pods_at_a_time() -> None:
    objects = render(CHOSEN)
    budget, pods = one(objects, "PodDisruptionBudget", NAME)["spec"], one(objects, "Deployment", NAME)["spec"]
    assert budget == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": pods["selector"],
    }


@pytest.mark.parametrize(
    "values",
    [
        {"autoscaling": {"provider": "Regent", "replicas": 1}},
        {**CHOSEN, "podDisruptionBudget": {"create": False}},
    ],
    ids=["one pod, of which every drain would wait", "left out"],
)
def test_where_it_has_no_disruption_budget(values: Object) -> None:
    assert f"PodDisruptionBudget regent-system/{NAME}" not in names(render(values))


def test_a_pod_that_ends_serves_until_nobody_is_sent_to_it() -> None:
    pod = one(render(CHOSEN), "Deployment", NAME)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < wait < pod["terminationGracePeriodSeconds"]


KEDA: Object = {"autoscaling": {"provider": "KEDA", "keda": {"namespace": "scalers", "serviceAccount": "keda"}}}


def test_keda_adds_the_server_without_an_api_service() -> None:
    assert sorted(set(names(render(KEDA))) - set(names(render()))) == [
        "ClusterRole regent-metrics-api:regent-system",
        "ClusterRoleBinding regent-metrics-api:regent-system",
        "Deployment regent-system/regent-metrics-api",
        "NetworkPolicy regent-system/regent-metrics-api",
        "PodDisruptionBudget regent-system/regent-metrics-api",
        "Service regent-system/regent-metrics-api",
        "ServiceAccount regent-system/regent-metrics-api",
    ]


def test_the_operators_url_leads_to_the_server_and_kedas_pods_alone_may_ask() -> None:
    objects = render(KEDA)
    (operator,) = one(objects, "Deployment", "regent-operator")["spec"]["template"]["spec"]["containers"]
    url = f"http://{NAME}.regent-system.svc:8080"
    assert f"--keda-url={url}" in operator["args"]
    assert parse_settings(operator["args"]).installation.keda_url == url
    (container,) = one(objects, "Deployment", NAME)["spec"]["template"]["spec"]["containers"]
    chosen = parse(container["args"])
    assert (chosen.serve, chosen.port) == ("keda", 8080)
    assert {"name": "http", "containerPort": 8080} in container["ports"]
    (port,) = one(objects, "Service", NAME)["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, "http")
    (rule,) = one(objects, "NetworkPolicy", NAME)["spec"]["ingress"]
    assert rule == {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "scalers"}}}],
        "ports": [{"protocol": "TCP", "port": 8080}],
    }
    assert "--keda-url" not in str(one(render(CHOSEN), "Deployment", "regent-operator"))


@pytest.mark.parametrize("namespaced", [False, True])
def test_with_keda_they_may_what_the_page_says(*, namespaced: bool) -> None:
    objects = render({**KEDA, **({"watchNamespaces": ["acme"]} if namespaced else {})})
    inside = [o for o in objects if o["metadata"].get("namespace") == "acme"]
    role = one(inside, "Role", NAME) if namespaced else one(objects, "ClusterRole", f"{NAME}:regent-system")
    pods = {each for each in rbac.documented("## The metrics API") if each[1] == "pods"}
    assert rbac.of_rules(role["rules"]) == pods
    plain = render({"watchNamespaces": ["acme"]} if namespaced else {})
    before = [o for o in plain if o["metadata"].get("namespace") == "acme"]
    more = rbac.of_rules(_of_agents(inside if namespaced else objects)) - rbac.of_rules(
        _of_agents(before if namespaced else plain)
    )
    assert more == rbac.documented("With `autoscaling.provider: KEDA` also:")


def _of_agents(objects: list[Object]) -> list[Object]:
    """Rules of the operator's role for agents."""
    found = [o for o in objects if o["metadata"]["name"].startswith("regent-operator")]
    return [rule for o in found if o["kind"] in {"ClusterRole", "Role"} for rule in o["rules"]]


def test_keda_may_make_the_autoscalers_that_bear_an_agents_label() -> None:
    """Its autoscalers have a ScaledObject's labels, and what bears ours is otherwise written by the operator alone."""
    user = "system:serviceaccount:scalers:keda"
    children = one(render(KEDA), "ValidatingAdmissionPolicy", "regent-children.regent-system")
    trusted = next(each["expression"] for each in children["spec"]["variables"] if each["name"] == "trusted")
    assert f"request.userInfo.username == '{user}'" in trusted
    assert user not in str(render(CHOSEN))
    for part in ("children", "operator"):
        rules = one(render(KEDA), "ValidatingAdmissionPolicy", f"regent-{part}.regent-system")["spec"]
        assert "scaledobjects" in [rule["resources"][0] for rule in rules["matchConstraints"]["resourceRules"]]
