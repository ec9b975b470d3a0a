"""A Service of the cluster is one to the operator, which opens the way to its pods, and to the process, which takes it."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from regent_api.config import AgentConfig
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.inputs import ServiceFacts
from regent_operator.plan.networkpolicy import build
from regent_runtime.addresses import DestinationRefused, InsideCluster, OutsideHosts
from regent_runtime.audit.webhook import Undeliverable, Webhook
from regent_runtime.credentials import Credentials
from regent_runtime.state.link import Address
from regent_runtime.state.source import refusal_of, rule_for
from regent_runtime.transport import channels
from regent_runtime.wire.format import Outbound
from tests.unit.plan.samples import CLOUD, INSTALLATION, agent, for_all, inputs, route

SERVICES = {"apps/server": ServiceFacts(selector={"app": "server"}, target_ports={8080: (80,)})}
HOSTS = [
    ("server.apps.svc", "cluster.local", True),
    ("server.apps.svc", "corp.example", True),
    ("server.apps.svc.cluster.local", "cluster.local", True),
    ("server.apps.svc.corp.example", "corp.example", True),
    ("server-0.server.apps.svc.corp.example", "corp.example", True),
    ("server.apps.svc.corp.example", "cluster.local", False),
    ("server.apps.svc.cluster.local", "corp.example", False),
    ("apps.svc", "cluster.local", False),
    ("server.corp.example", "corp.example", False),
]
every_host = pytest.mark.parametrize(("host", "domain", "inside"), HOSTS)


def planned(host: str, domain: str) -> tuple[AgentConfig, bool]:
    """The config of an agent whose provider, Redis and webhook are at that host; whether a way to its pods is open."""
    installation = replace(INSTALLATION, cluster_domain=domain)
    provider = {**CLOUD, "baseURL": f"https://{host}:8080/v1"}
    alert = {"name": "refused", "when": "record.outcome == 'refused'", "webhook": f"https://{host}:8080/a"}
    looked_at = inputs(
        agent=agent(state={"redis": {"url": f"rediss://{host}:8080"}}),
        route=route(providers=[provider], rules=[{"name": "all", "providers": [{"name": CLOUD["name"]}]}]),
        policies=(for_all("one", audit={"alerts": [alert]}, egress={"hosts": [host]}),),
        services=SERVICES,
    )
    config = plan_agent(looked_at, installation).config
    assert config is not None
    rules = build(agent(), config, SERVICES, installation)["spec"]["egress"]
    return config, any(peer.get("podSelector") == {"matchLabels": {"app": "server"}} for r in rules for peer in r["to"])


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to an address that no rule admits, so that the refusal tells the rule."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 8080))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def asked(inside: bool) -> str:
    return InsideCluster.reason if inside else OutsideHosts.reason


@every_host
def test_the_network_opens_a_way_to_the_pods_of_a_service(host: str, domain: str, inside: bool) -> None:
    assert planned(host, domain)[1] is inside


@every_host
def test_a_redis_that_is_a_service_must_lie_in_the_cluster(host: str, domain: str, inside: bool) -> None:
    config, _ = planned(host, domain)
    assert rule_for(host, config).reason == asked(inside)
    plain = refusal_of(Address.of(f"redis://{host}:8080"), config)
    assert (plain is None) is inside


@every_host
async def test_a_provider_that_is_a_service_must_lie_in_the_cluster(
    tmp_path: Path, host: str, domain: str, inside: bool
) -> None:
    [channel] = channels(planned(host, domain)[0], Credentials(tmp_path)).values()
    with pytest.raises(DestinationRefused) as refused:
        await channel.post(Outbound("/chat/completions", b"{}"), "application/json")
    await channel.close()
    assert refused.value.reason == asked(inside)


@every_host
async def test_a_webhook_that_is_a_service_must_lie_in_the_cluster(host: str, domain: str, inside: bool) -> None:
    config, _ = planned(host, domain)
    webhook = Webhook(config, f"https://{host}:8080/a")
    with pytest.raises(Undeliverable) as refused:
        await webhook.post(b"{}")
    await webhook.close()
    assert refused.value.reason == asked(inside)
