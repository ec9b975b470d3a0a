"""The whole process of the metrics API while its own certificate and the aggregator's authority are replaced."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_operator.engine.answers import Page
from regent_operator.engine.resources import Resource
from regent_operator.metrics_api import app, frontproxy
from regent_operator.metrics_api.certificate import LIFETIME, RENEW_BEFORE
from regent_operator.metrics_api.server import BASE
from regent_operator.metrics_api.settings import Settings
from tests.contract.authority import Authority

NOW = datetime.now(UTC)
HOST = "regent-metrics-api.regent-system.svc"
Object = dict[str, Any]


class Cluster:
    """The API server, as far as this process asks it."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority.pem
        spec = {"service": {"namespace": "regent-system", "name": "regent-metrics-api"}}
        self.service: Object = {"metadata": {"resourceVersion": "1"}, "spec": spec}

    @property
    def trusted(self) -> str:
        return base64.b64decode(self.service["spec"].get("caBundle", "")).decode()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        if resource.kind == "ConfigMap":
            headers = {"requestheader-username-headers": json.dumps(["X-Remote-User"])}
            return {"data": {"requestheader-client-ca-file": self.authority, **headers}}
        return self.service if name == "v1beta2.custom.metrics.k8s.io" else None

    async def merge(self, resource: Resource, namespace: str | None, name: str, patch: Object) -> Object:
        self.service["spec"] |= patch["spec"]
        return self.service

    async def create(self, _: Any, review: Object, *, gated: bool) -> Object:
        return {"status": {"allowed": True}}

    async def pages(self, *_: Any, **__: Any) -> AsyncIterator[Page]:
        yield Page([], "1")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield None


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def eventually(met: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await met():  # noqa: ASYNC110 - another part's work, which tells nobody
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(cluster: Cluster, clock: Clock) -> AsyncIterator[app.MetricsApi]:
    settings = Settings("regent-system", "regent-metrics-api", (), "127.0.0.1", 0, 0, None)
    api = app.MetricsApi(settings, cluster, clock)  # type: ignore[arg-type]
    async with api.running():

        async def ready() -> bool:
            return api.missing() == ""

        await eventually(ready)
        yield api


async def served(api: app.MetricsApi, own: Path, trusted: str) -> tuple[int, str]:
    """Status and certificate that a new connection meets; (0, "") where either side refuses the other."""
    context = ssl.create_default_context(cadata=trusted)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_cert_chain(own)
    request = f"GET {BASE} HTTP/1.1\r\nHost: {HOST}\r\nX-Remote-User: ann\r\nConnection: close\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", api.listener.port, ssl=context, server_hostname=HOST
        )
        try:
            writer.write(request.encode())
            words = (await reader.readline()).split()
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.close()
    except OSError:
        return 0, ""
    return (int(words[1]), ssl.DER_cert_to_PEM_cert(der)) if words else (0, "")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "REGISTER_SECONDS", 0.05)
    monkeypatch.setattr(app, "TRUST_SECONDS", 0.5)
    monkeypatch.setattr(frontproxy, "POLL_SECONDS", 0.05)


async def test_a_certificate_that_is_due_is_trusted_before_it_is_served_with(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "front-proxy-ca")
    own, cluster = authority.client("front-proxy"), Cluster(authority)
    clock = Clock(NOW - LIFETIME + RENEW_BEFORE - timedelta(minutes=30))
    async with serving(cluster, clock) as api:
        (status, first), before = await served(api, own, cluster.trusted), cluster.trusted
        assert status == 200
        clock.now = NOW

        async def renewed() -> bool:
            trusted = cluster.trusted
            status, present = await served(api, own, trusted)
            assert status == 200 or trusted != cluster.trusted, "nobody who trusts what is there is turned away"
            return status == 200 and present != first

        await eventually(renewed)
        assert await served(api, own, before) == (0, "")


async def test_while_api_servers_take_a_new_certificate_up_the_one_before_is_served_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "TRUST_SECONDS", 3600.0)
    authority = Authority(tmp_path, "front-proxy-ca")
    own, cluster = authority.client("front-proxy"), Cluster(authority)
    clock = Clock(NOW - LIFETIME + RENEW_BEFORE - timedelta(minutes=30))
    async with serving(cluster, clock) as api:
        before = cluster.trusted
        clock.now = NOW

        async def both_are_trusted() -> bool:
            return cluster.trusted.count("BEGIN CERTIFICATE") == 2

        await eventually(both_are_trusted)
        assert before in cluster.trusted
        assert await served(api, own, before) == (200, before)


async def test_another_authority_in_the_cluster_is_followed(tmp_path: Path) -> None:
    old, fresh = Authority(tmp_path, "front-proxy-ca"), Authority(tmp_path, "front-proxy-ca-2")
    cluster = Cluster(old)
    async with serving(cluster, Clock(NOW)) as api:
        former, follower = old.client("front-proxy"), fresh.client("front-proxy")
        assert (await served(api, former, cluster.trusted))[0] == 200
        assert (await served(api, follower, cluster.trusted))[0] == 0
        cluster.authority = fresh.pem

        async def followed() -> bool:
            return (await served(api, follower, cluster.trusted))[0] == 200

        await eventually(followed)
        assert (await served(api, former, cluster.trusted))[0] == 0


async def test_it_says_what_keeps_it_from_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is another's, or the pods are not known: a pod that is not ready, and a reason."""
    monkeypatch.setattr(app, "RETRY_SECONDS", 0.05)
    cluster = Cluster(Authority(tmp_path, "front-proxy-ca"))
    async with serving(cluster, Clock(NOW)) as api, aiohttp.ClientSession() as http:
        ours, page = cluster.service["spec"]["service"], f"http://127.0.0.1:{api.status_port}/readyz"

        async def readiness() -> tuple[int, str]:
            async with http.get(page) as answer:
                return answer.status, await answer.text()

        async def ready() -> bool:
            return await readiness() == (200, "ok")

        async def names_the_other() -> bool:
            status, said = await readiness()
            return status == 503 and "monitoring/prometheus-adapter" in said

        assert await ready()
        cluster.service["spec"]["service"] = {"namespace": "monitoring", "name": "prometheus-adapter"}
        await eventually(names_the_other)
        cluster.service["spec"]["service"] = ours
        await eventually(ready)
        [reflector] = api._reflectors
        reflector.synced.clear()
        status, said = await readiness()
        assert (status, "pods in all namespaces" in said) == (503, True)


async def test_an_authority_that_is_no_certificate_serves_nobody_and_is_told(tmp_path: Path) -> None:
    old = Authority(tmp_path, "front-proxy-ca")
    cluster = Cluster(old)
    async with serving(cluster, Clock(NOW)) as api:
        cluster.authority = "rubbish"

        async def told() -> bool:
            return "requestheader-client-ca-file" in api.missing()

        await eventually(told)
        assert (await served(api, old.client("front-proxy"), cluster.trusted))[0] == 401
        cluster.authority = old.pem

        async def well() -> bool:
            return api.missing() == ""

        await eventually(well)
