import pytest

from tests.cluster import command
from tests.unit.chart.helm import Object, one, render

AGENTS = {
    "namespaceSelector": {},
    "podSelector": {
        "matchLabels": {"app.kubernetes.io/name": "regent-agent", "app.kubernetes.io/managed-by": "regent"}
    },
}


def policy(values: Object | None = None) -> Object:
    return dict(one(render(values), "NetworkPolicy")["spec"])


def tcp(*ports: int) -> list[Object]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def test_the_operator_reaches_the_api_server_names_and_agents_who_may_knock_at_its_canary_alone() -> None:
    kube_dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    assert policy() == {
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "regent-operator", "app.kubernetes.io/instance": "regent"}
        },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [AGENTS], "ports": tcp(9797)}],
        "egress": [
            {"ports": tcp(443, 6443)},
            {"to": [kube_dns], "ports": [{"protocol": "UDP", "port": 53}, *tcp(53)]},
            {"to": [AGENTS], "ports": tcp(9090)},
        ],
    }


@pytest.mark.parametrize(
    "values",
    [{"cluster": {"dnsPeers": []}}, {"cluster": {"dnsPeers": [{}]}}, {"networkPolicy": {"apiServerPorts": []}}],
    ids=["no name servers", "any name server", "no port"],
)
def test_empty_lists_which_would_open_everything_are_refused(values: Object) -> None:
    with pytest.raises(command.CommandError, match=r"minItems|minProperties"):
        render(values)


@pytest.mark.parametrize(
    ("given", "ports"),
    [([5353], [5353]), ([53, 5353], [53, 5353]), (None, [53])],
    ids=["one", "two", "an older chart's"],
)
def test_all_pods_of_the_chart_ask_for_names_on_the_ports_of_the_pods_that_answer(
    given: list[int] | None, ports: list[int]
) -> None:
    everything: Object = {"collector": {"enabled": True}, "autoscaling": {"provider": "Regent"}}
    policies = [o for o in render({**everything, "cluster": {"dnsPorts": given}}) if o["kind"] == "NetworkPolicy"]
    assert len(policies) == 3
    both = [{"protocol": protocol, "port": port} for port in ports for protocol in ("UDP", "TCP")]
    for each in policies:
        (names,) = (rule for rule in each["spec"]["egress"] if "kube-dns" in str(rule.get("to")))
        assert names["ports"] == both


def test_monitoring_namespaces_may_scrape() -> None:
    def named(name: str) -> Object:
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}

    assert policy({"monitoring": {"namespaces": ["a", "b"]}})["ingress"] == [
        {"from": [AGENTS], "ports": tcp(9797)},
        {"from": [named("a"), named("b")], "ports": tcp(9090)},
    ]


def test_the_api_servers_ports_can_be_narrowed() -> None:
    assert policy({"networkPolicy": {"apiServerPorts": [443]}})["egress"][0] == {"ports": tcp(443)}
