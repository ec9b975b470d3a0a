from dataclasses import replace
from typing import Any

import pytest

from regent_api.config import AgentConfig
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.inputs import Installation, ServiceFacts
from regent_operator.plan.networkpolicy import build, union, unreachable
from regent_operator.plan.ranges import outside
from tests.enforces import enforces
from tests.unit.plan.samples import CLOUD, INSTALLATION, LOCAL_HOSTS, ONPREM, SERVICES, agent, for_all, inputs, route

DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}


def config_of(**changes: Any) -> AgentConfig:
    made = plan_agent(inputs(**changes), INSTALLATION).config
    assert made is not None
    return made


def spec_of(installation: Installation = INSTALLATION, services: Any = SERVICES, **changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = build(agent(), config_of(**changes), services, installation)["spec"]
    return spec


def of_namespaces(*names: str) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(names)}
    return {"namespaceSelector": {"matchExpressions": [expression]}}


def only(provider: dict[str, Any]) -> Any:
    return route(providers=[provider], rules=[{"name": "all", "providers": [{"name": provider["name"]}]}])


def test_the_whole_policy_of_an_agent_with_a_local_provider() -> None:
    assert spec_of(route=only(ONPREM)) == {
        "podSelector": {"matchLabels": {"regent.dev/agent": "helper"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [of_namespaces("acme")], "ports": [{"port": 8080, "protocol": "TCP"}]},
            {"from": [of_namespaces("regent-system")], "ports": [{"port": 9090, "protocol": "TCP"}]},
        ],
        "egress": [
            DNS,
            {
                "to": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "models"}},
                        "podSelector": {"matchLabels": {"app": "llm"}},
                    }
                ],
                "ports": [{"port": 9000, "protocol": "TCP"}],
            },
        ],
    }


@enforces("callers.ingressFrom.namespaceSelector", "callers.ingressFrom.podSelector")
def test_peers_that_a_policy_names_may_connect() -> None:
    gate = {
        "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["edge"]}]},
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["gate"]}]},
    }
    policies = (for_all("base", callers={"ingressFrom": [gate]}, **LOCAL_HOSTS),)
    (calls, _) = spec_of(policies=policies)["ingress"]
    assert calls["from"] == [of_namespaces("acme"), gate]


def test_the_monitoring_namespaces_reach_the_status_port() -> None:
    watched = replace(INSTALLATION, monitoring_namespaces=("monitoring",))
    assert spec_of(watched)["ingress"][-1]["from"] == [of_namespaces("monitoring", "regent-system")]


def test_an_outside_provider_is_reached_on_its_port_at_public_addresses() -> None:
    elsewhere = {**CLOUD, "name": "other", "baseURL": "https://llm.test:8443/v1"}
    two = route(
        providers=[CLOUD, elsewhere], rules=[{"name": "all", "providers": [{"name": "cloud"}, {"name": "other"}]}]
    )
    assert spec_of(route=two)["egress"] == [
        DNS,
        {
            "to": [{"ipBlock": block} for block in outside(None, INSTALLATION.cluster_cidrs)],
            "ports": [{"port": 443, "protocol": "TCP"}, {"port": 8443, "protocol": "TCP"}],
        },
    ]


def test_stated_ranges_take_the_place_of_public_addresses() -> None:
    stated = for_all("cidrs", egress={"cidrs": ["10.0.0.0/8", "8.8.8.0/24"]}, **LOCAL_HOSTS)
    more = for_all("more", egress={"cidrs": ["10.1.0.0/16", "2001:db8::/32"]})
    assert spec_of(route=only(CLOUD), policies=(stated, more))["egress"][-1] == {
        "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "ports": [{"port": 443, "protocol": "TCP"}],
    }


def test_an_excluded_provider_gets_no_way_out() -> None:
    inside_only = for_all("inside", models={"localHosts": ["*.svc"], "allow": [{"host": "*.svc"}]})
    assert spec_of(policies=(inside_only,)) == spec_of(route=only(ONPREM))


def test_a_local_provider_that_is_no_service_is_reached_within_the_cluster() -> None:
    by_name = {**ONPREM, "baseURL": "http://llm.internal:8080/v1"}
    local = for_all("local", models={"localHosts": ["llm.internal"]})
    assert spec_of(route=only(by_name), policies=(local,))["egress"] == [
        DNS,
        {
            "to": [{"ipBlock": {"cidr": "10.211.0.0/16"}}, {"ipBlock": {"cidr": "10.212.0.0/16"}}],
            "ports": [{"port": 8080, "protocol": "TCP"}],
        },
    ]


def test_without_ranges_of_the_cluster_there_is_no_way_to_a_local_provider_that_is_no_service() -> None:
    by_name = {**ONPREM, "baseURL": "http://llm.internal:8080/v1"}
    local = for_all("local", models={"localHosts": ["llm.internal"]})
    unknown = replace(INSTALLATION, cluster_cidrs=())
    config = plan_agent(inputs(route=only(by_name), policies=(local,)), unknown).config
    assert config is not None
    assert build(agent(), config, {}, unknown)["spec"]["egress"] == [DNS]


def test_names_are_asked_for_on_the_ports_of_the_pods_that_answer() -> None:
    openshift = replace(INSTALLATION, dns_ports=(53, 5353))
    config = plan_agent(inputs(), openshift).config
    assert config is not None
    first, *_ = build(agent(), config, SERVICES, openshift)["spec"]["egress"]
    both = [{"port": port, "protocol": protocol} for port in (53, 5353) for protocol in ("UDP", "TCP")]
    assert first == {**DNS, "ports": both}


def test_no_rule_lets_everything_through() -> None:
    closed = replace(INSTALLATION, cluster_cidrs=(), dns_peers=())
    nowhere = for_all("nowhere", egress={"cidrs": ["169.254.0.0/16"]}, **LOCAL_HOSTS)
    config = plan_agent(inputs(policies=(nowhere,)), closed).config
    assert config is not None
    spec = build(agent(), config, SERVICES, closed)["spec"]
    assert all(rule["to"] and rule["ports"] for rule in spec["egress"])
    assert all(rule["from"] and rule["ports"] for rule in spec["ingress"])


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (None, "the Service models/llm does not exist or may not be read"),
        (ServiceFacts({}, {8080: (8080,)}), "has no selector, so its pods cannot be named in a NetworkPolicy"),
        (ServiceFacts({"app": "llm"}, {80: (80,)}), "the Service models/llm has no port 8080"),
        (ServiceFacts({"app": "llm"}, {8080: ()}), "names its target port for 8080, and no pod of it is there"),
        (ServiceFacts({}, {}, external_name=True), "is an ExternalName, which is never followed"),
    ],
)
def test_a_service_that_gives_no_way_to_its_pods_stays_closed_and_is_named(
    facts: ServiceFacts | None, why: str
) -> None:
    services = {"models/llm": facts}
    assert spec_of(services=services, route=only(ONPREM))["egress"] == [DNS]
    (words,) = unreachable(config_of(route=only(ONPREM)), services, INSTALLATION)
    assert why in words


def test_a_port_that_two_generations_of_pods_understand_differently_is_opened_for_both() -> None:
    moving = {"models/llm": ServiceFacts({"app": "llm"}, {8080: (8000, 9000)})}
    assert spec_of(services=moving, route=only(ONPREM))["egress"][1]["ports"] == [
        {"port": 8000, "protocol": "TCP"},
        {"port": 9000, "protocol": "TCP"},
    ]


def test_the_union_lets_through_what_either_does() -> None:
    old, new = spec_of(route=only(CLOUD)), spec_of(route=only(ONPREM))
    both = union(old, new)
    assert all(rule in both["egress"] for rule in (*old["egress"], *new["egress"]))
    assert both["ingress"] == new["ingress"]
    assert len(both["egress"]) == 3


def test_the_union_with_itself_is_itself() -> None:
    spec = spec_of()
    assert union(spec, spec) == spec


HOOK = {"name": "hook", "when": "record.outcome == 'refused'"}


@pytest.mark.parametrize(
    ("webhook", "hosts", "port"),
    [
        ("https://alerts.test:8443/a", ["alerts.test"], 8443),
        ("https://alerts.test/a", ["*.test"], None),
        ("https://alerts.test:8443/a", ["other.test"], None),
        ("https://alerts.test:8443/a", None, None),
        ("http://llm.models.svc:8080/a", ["llm.models.svc"], 9000),
        ("http://llm.models.svc:8080/a", None, None),
    ],
)
def test_the_way_to_a_webhook_is_open_where_the_egress_names_its_host(
    webhook: str, hosts: list[str] | None, port: int | None
) -> None:
    named = {"egress": {"hosts": [*hosts, "api.openai.com"]}} if hosts else {}
    without = for_all("p", **named)
    stated = for_all("p", audit={"alerts": [{**HOOK, "webhook": webhook}]}, **named)
    before, after = (spec_of(route=only(CLOUD), policies=(each,))["egress"] for each in (without, stated))
    opened = {each["port"] for rule in after for each in rule["ports"]}
    opened -= {each["port"] for rule in before for each in rule["ports"]}
    assert opened == ({port} if port else set())
