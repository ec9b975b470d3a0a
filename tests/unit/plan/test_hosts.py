import pytest

from regent_api.types import in_cluster
from regent_operator.plan.hosts import port_of, services_at, services_of, webhooks_of
from tests.unit.plan.samples import agent, policy, route


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("llm.models.svc", "models/llm"),
        ("llm.models.svc.cluster.local", "models/llm"),
        ("llm-0.llm.models.svc", "models/llm"),
        ("models.svc", None),
        ("svc", None),
        ("llm.models", None),
        ("llm.models.svc.example.com", None),
        ("api.openai.com", None),
        ("10.1.2.3", None),
    ],
)
def test_which_service_a_host_names(host: str, service: str | None) -> None:
    assert in_cluster(host, "cluster.local") == service


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://llm.test/v1", 443),
        ("http://llm.models.svc/v1", 80),
        ("http://llm.models.svc:8080/v1", 8080),
        ("redis://redis.data.svc", 6379),
        ("rediss://ann@cache.example.com:6380/2", 6380),
    ],
)
def test_the_port_is_the_urls_or_its_schemes(url: str, port: int) -> None:
    assert port_of(url) == port


def test_the_services_of_a_route_are_those_of_its_providers_within_the_cluster() -> None:
    assert services_of(agent().spec, route().spec, "cluster.local") == {"models/llm"}


def test_the_webhooks_of_policies_are_those_of_their_alerts() -> None:
    when = "record.outcome == 'refused'"
    alerts = [{"name": "a", "when": when, "webhook": "http://hooks.ops.svc/a"}, {"name": "b", "when": when}]
    found = list(webhooks_of([policy("p", audit={"alerts": alerts}), policy("q")]))
    assert found == ["http://hooks.ops.svc/a"]
    assert services_at(found, "cluster.local") == {"ops/hooks"}
