"""The bundle that the API server trusts, and whose group it is."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.metrics_api.certificate import LIFETIME, make
from regent_operator.metrics_api.registration import MOST_CERTIFICATES, OURS, Registration, _split, bundle
from tests.unit.engine.fake_client import FakeClient

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOST = "regent-metrics-api.regent-system.svc"
SERVICE = {"namespace": "regent-system", "name": "regent-metrics-api"}
Object = dict[str, Any]


def service(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name, "resourceVersion": "7"}, "spec": spec}


class Scene:
    def __init__(self, *services: Object) -> None:
        self.patches: list[Object] = []
        self.failure: ApiError | None = None
        client = FakeClient()
        live = {each["metadata"]["name"]: each for each in services}

        async def get(_: Any, namespace: str | None, name: str) -> Object | None:
            assert namespace is None
            return live.get(name)

        async def merge(*words: Any) -> Object:
            if self.failure:
                raise self.failure
            self.patches.append(words[-1])
            return {}

        client.get = get  # type: ignore[assignment, method-assign]
        client.merge = merge  # type: ignore[method-assign]
        self.registration = Registration(client, "regent-system", "regent-metrics-api")  # type: ignore[arg-type]


def test_the_youngest_in_force_for_the_host_are_trusted_each_once() -> None:
    old, young = make(HOST, "a", NOW - timedelta(hours=20)), make(HOST, "b", NOW)
    expired, foreign = make(HOST, "c", NOW - LIFETIME), make("other.svc", "d", NOW)
    found = bundle([old.pem], [young.pem, old.pem, expired.pem, foreign.pem, "rubbish"], HOST, NOW)
    assert found == young.pem + old.pem


def test_a_replica_that_starts_again_and_again_pushes_out_no_other_that_serves() -> None:
    sibling = make(HOST, "b", NOW - timedelta(hours=3)).pem
    held = sibling
    for minute in range(2 * MOST_CERTIFICATES):
        mine = make(HOST, "a", NOW + timedelta(minutes=minute)).pem
        held = bundle([mine], _split(held), HOST, NOW)
        assert held == mine + sibling


def test_while_a_replica_renews_its_certificate_another_one_keeps_both() -> None:
    current, fresh = make(HOST, "b", NOW - timedelta(hours=3)).pem, make(HOST, "b", NOW).pem
    mine = make(HOST, "a", NOW - timedelta(hours=1)).pem
    held = bundle([fresh, current], [mine], HOST, NOW)
    assert bundle([mine], _split(held), HOST, NOW) == held == fresh + mine + current


def test_of_many_replicas_the_eldest_certificates_go_and_never_our_own() -> None:
    mine = make(HOST, "a", NOW)
    seconds = range(1, MOST_CERTIFICATES + 3)
    others = [make(HOST, f"b{second}", NOW + timedelta(seconds=second)).pem for second in seconds]
    found = bundle([mine.pem], others, HOST, NOW)
    assert found.count("BEGIN") == MOST_CERTIFICATES
    assert found.endswith(others[3] + mine.pem)


async def test_another_replicas_certificate_stays_and_nothing_is_written_twice() -> None:
    mine, theirs = make(HOST, "a", NOW), make(HOST, "b", NOW - timedelta(hours=1))
    held = base64.b64encode(theirs.pem.encode()).decode()
    scene = Scene(service(OURS, service=SERVICE, caBundle=held))
    await scene.registration.present([mine.pem], NOW)
    (patch,) = scene.patches
    assert patch["metadata"] == {"resourceVersion": "7"}, "whoever else writes meanwhile is not overwritten"
    both = base64.b64decode(patch["spec"]["caBundle"]).decode()
    assert both == mine.pem + theirs.pem
    assert scene.registration.problem == ""
    again = Scene(service(OURS, service=SERVICE, caBundle=patch["spec"]["caBundle"]))
    await again.registration.present([mine.pem], NOW)
    assert again.patches == []


async def test_it_is_registered_when_what_it_serves_with_is_trusted_and_not_before() -> None:
    mine = make(HOST, "a", NOW).pem
    scene = Scene(service(OURS, service=SERVICE, caBundle=""))
    scene.failure = ApiError(403, "Forbidden", "by somebody's webhook")
    with pytest.raises(ApiError):
        await scene.registration.present([mine], NOW)
    assert "does not trust the certificate" in scene.registration.problem
    scene.failure = None
    await scene.registration.present([mine], NOW)
    assert scene.registration.problem == ""


async def test_while_what_it_serves_with_is_trusted_a_newer_one_that_is_not_yet_is_no_problem() -> None:
    mine, fresh = make(HOST, "a", NOW - timedelta(hours=1)).pem, make(HOST, "a", NOW).pem
    scene = Scene(service(OURS, service=SERVICE, caBundle=base64.b64encode(mine.encode()).decode()))
    await scene.registration.present([mine], NOW)
    scene.failure = ApiError(403, "Forbidden", "by somebody's webhook")
    with pytest.raises(ApiError):
        await scene.registration.present([fresh, mine], NOW)
    assert scene.registration.problem == ""


@pytest.mark.parametrize(
    "services",
    [
        (),
        (service(OURS, service={"namespace": "monitoring", "name": "prometheus-adapter"}),),
        (
            service(OURS, service=SERVICE),
            service("v1beta1.custom.metrics.k8s.io", service={"namespace": "keda", "name": "adapter"}),
        ),
        (service(OURS),),
    ],
)
async def test_nothing_is_written_where_the_group_is_not_ours(services: tuple[Object, ...]) -> None:
    scene = Scene(*services)
    await scene.registration.present([make(HOST, "a", NOW).pem], NOW)
    assert scene.patches == []
    assert scene.registration.problem
