"""HTTPS of the metrics API: whose connection is answered, and certificates that change while it serves."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import PODS
from regent_operator.metrics_api import certificate, listener
from regent_operator.metrics_api.figures import Figures
from regent_operator.metrics_api.frontproxy import FrontProxies, FrontProxy
from regent_operator.metrics_api.listener import HANDSHAKES_AT_ONCE, Listener
from regent_operator.metrics_api.pods import AgentPods
from regent_operator.metrics_api.reviews import Reviews
from regent_operator.metrics_api.server import BASE, MetricsServer
from tests.contract.authority import Authority

NOW = datetime.now(UTC)
HOST = "regent-metrics-api.regent-system.svc"
PATH = f"{BASE}/namespaces/acme/pods/*/active_conversations?labelSelector=regent.dev/agent%3Dhelper"
ADMIN = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}


class Api:
    """What the server asks of the API server and of pods."""

    def __init__(self) -> None:
        self.allowed: bool | None = True
        self.reviews: list[dict[str, Any]] = []

    async def create(self, _: Any, review: dict[str, Any], *, gated: bool) -> dict[str, Any]:
        self.reviews.append(review["spec"])
        if self.allowed is None:
            raise ApiError(503, "Unavailable", "not now")
        return {"status": {"allowed": self.allowed}}

    async def pod_status(self, address: str, seconds: float) -> dict[str, Any]:
        return {"pod": {"uid": "u-1"}, "activeConversations": 7}


class World:
    def __init__(self) -> None:
        self.api = Api()
        self.listener = Listener("127.0.0.1", 0)
        self.proxies = FrontProxies(self.api, self._nothing)  # type: ignore[arg-type]
        self.certificate = certificate.make(HOST, "one", NOW)
        pods = AgentPods()
        pods.seen(PODS, POD, full=True)
        figures = Figures(self.api)  # type: ignore[arg-type]
        reviews = Reviews(self.api)  # type: ignore[arg-type]
        self._server = MetricsServer(self.proxies, reviews, pods, figures, self.listener.is_current)

    async def start(self, authority: Authority) -> None:
        await self.listener.serve(self._server.application())
        await self.use(authority)

    async def use(self, authority: Authority) -> None:
        self.proxies.current = authority.proxy()
        await self.listener.use(self.certificate, authority.proxy())

    async def _nothing(self, _: FrontProxy) -> None:
        """The test gives them."""

    def context(self, own: Path | None, trusted: str = "") -> ssl.SSLContext:
        made = ssl.create_default_context(cadata=trusted or self.certificate.pem)
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if own is not None:
            made.load_cert_chain(own)
        return made

    @asynccontextmanager
    async def client(self, own: Path | None, trusted: str = "") -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=self.context(own, trusted))
        async with aiohttp.ClientSession(f"https://127.0.0.1:{self.listener.port}", connector=connector) as http:
            yield http

    async def get(self, http: aiohttp.ClientSession, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        given = ADMIN if headers is None else headers
        async with http.get(PATH, headers=given, server_hostname=HOST) as answer:
            return answer.status, await answer.json()


POD = {
    "metadata": {
        "namespace": "acme",
        "name": "helper-1",
        "uid": "u-1",
        "resourceVersion": "1",
        "labels": {"regent.dev/agent": "helper"},
    },
    "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "front-proxy-ca")


@pytest.fixture
async def world(authority: Authority) -> AsyncIterator[World]:
    made = World()
    await made.start(authority)
    yield made
    await made.listener.stop()


async def test_the_aggregator_is_answered_with_what_the_pods_say(world: World, authority: Authority) -> None:
    async with world.client(authority.client("front-proxy")) as http:
        status, found = await world.get(http)
    assert status == 200
    (item,) = found["items"]
    described = {"apiVersion": "v1", "kind": "Pod", "namespace": "acme", "name": "helper-1"}
    assert (item["describedObject"], item["metric"]["name"], item["value"]) == (described, "active_conversations", "7")
    assert (found["kind"], found["apiVersion"]) == ("MetricValueList", "custom.metrics.k8s.io/v1beta2")
    assert world.api.reviews == [
        {
            "user": "admin",
            "uid": "",
            "groups": ["system:masters", "system:authenticated"],
            "extra": {},
            "resourceAttributes": {
                "group": "custom.metrics.k8s.io",
                "version": "v1beta2",
                "resource": "pods",
                "subresource": "active_conversations",
                "namespace": "acme",
                "name": "*",
                "verb": "get",
            },
        }
    ]


async def test_who_connects_while_the_authority_changes_is_made_to_connect_anew(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    context, before = world.context(authority.client("front-proxy")), asyncio.all_tasks()
    with socket.create_connection(("127.0.0.1", world.listener.port), 60) as early:
        while asyncio.all_tasks() <= before:  # noqa: ASYNC110 - until it is accepted
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # its handshake begins under the authority that goes
        await world.use(Authority(tmp_path, "front-proxy-ca-2"))

        def answer() -> bytes:
            with context.wrap_socket(early, server_hostname=HOST) as tls:
                tls.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                return tls.recv(64)

        assert await asyncio.to_thread(answer) == b"", "ended, not left open"


async def test_without_a_certificate_of_the_authority_there_is_no_connection(world: World, tmp_path: Path) -> None:
    for own in (None, Authority(tmp_path, "another-ca").client("front-proxy")):
        async with world.client(own) as http:
            with pytest.raises(aiohttp.ClientError):
                await world.get(http)
    assert world.api.reviews == []


async def test_a_certificate_of_another_name_or_no_user_is_nobody(world: World, authority: Authority) -> None:
    async with world.client(authority.client("kubelet")) as http:
        assert (await world.get(http))[0] == 401
    async with world.client(authority.client("front-proxy")) as http:
        assert (await world.get(http, {"X-Remote-Group": "system:masters"}))[0] == 401
    world.proxies.current = None
    async with world.client(authority.client("front-proxy")) as http:
        assert (await world.get(http))[0] == 401
    assert world.api.reviews == []


@pytest.mark.parametrize(("allowed", "status"), [(False, 403), (None, 503)])
async def test_what_the_api_server_does_not_allow_is_not_read(
    world: World, authority: Authority, allowed: bool | None, status: int
) -> None:
    world.api.allowed = allowed
    async with world.client(authority.client("front-proxy")) as http:
        found = await world.get(http)
        assert found[0] == found[1]["code"] == status
        async with http.get(BASE, headers=ADMIN, server_hostname=HOST) as answer:
            assert answer.status == status
            assert "resources" not in await answer.json()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("pods/*/active_conversations", 400),
        ("pods/*/active_conversations?labelSelector=app%3Dhelper", 400),
        ("pods/*/active_conversations?labelSelector=regent.dev/agent%3Dhelper,app%3Dx", 400),
        ("pods/*/active_conversations?labelSelector=regent.dev/agent%3Dhelper&metricLabelSelector=a%3Db", 400),
        ("pods/*/queue_length?labelSelector=regent.dev/agent%3Dhelper", 404),
    ],
)
async def test_what_it_does_not_understand_is_refused_and_not_answered_with_something_else(
    world: World, authority: Authority, path: str, status: int
) -> None:
    async with (
        world.client(authority.client("front-proxy")) as http,
        http.get(f"{BASE}/namespaces/acme/{path}", headers=ADMIN, server_hostname=HOST) as answer,
    ):
        found = await answer.json()
    assert (answer.status, found["kind"], found["code"]) == (status, "Status", status)


async def test_what_is_served_is_told(world: World, authority: Authority) -> None:
    group = {
        "name": "custom.metrics.k8s.io",
        "versions": [{"groupVersion": "custom.metrics.k8s.io/v1beta2", "version": "v1beta2"}],
        "preferredVersion": {"groupVersion": "custom.metrics.k8s.io/v1beta2", "version": "v1beta2"},
    }
    served = {"singularName": "", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}
    names = ["pods/active_conversations", "aiagents.regent.dev/active_conversations"]
    resources = {
        "groupVersion": "custom.metrics.k8s.io/v1beta2",
        "resources": [{"name": each, **served} for each in names],
    }
    expected: list[tuple[str, dict[str, Any]]] = [
        ("/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}),
        ("/apis/custom.metrics.k8s.io", {"kind": "APIGroup", "apiVersion": "v1", **group}),
        (BASE, {"kind": "APIResourceList", "apiVersion": "v1", **resources}),
    ]
    async with world.client(authority.client("front-proxy")) as http:
        for path, document in expected:
            async with http.get(path, headers=ADMIN, server_hostname=HOST) as answer:
                assert await answer.json() == document


async def test_an_agent_has_the_sum_of_its_pods_or_none(world: World, authority: Authority) -> None:
    path = f"{BASE}/namespaces/acme/aiagents.regent.dev"
    async with world.client(authority.client("front-proxy")) as http:
        async with http.get(f"{path}/helper/active_conversations", headers=ADMIN, server_hostname=HOST) as answer:
            (item,) = (await answer.json())["items"]
        async with http.get(f"{path}/other/active_conversations", headers=ADMIN, server_hostname=HOST) as none:
            refused = await none.json()
    described = {"apiVersion": "regent.dev/v1alpha1", "kind": "AIAgent", "namespace": "acme", "name": "helper"}
    assert (item["describedObject"], item["metric"]["name"], item["value"]) == (described, "active_conversations", "7")
    assert (none.status, refused["kind"], refused["code"]) == (503, "Status", 503)


async def test_another_authority_is_followed_and_the_old_one_is_nobodys(
    world: World, authority: Authority, tmp_path: Path
) -> None:
    fresh = Authority(tmp_path, "front-proxy-ca-2")
    async with world.client(authority.client("front-proxy")) as http:
        assert (await world.get(http))[0] == 200
        await world.use(fresh)
        with pytest.raises(aiohttp.ClientError):
            await world.get(http)
        with pytest.raises(aiohttp.ClientError):
            await world.get(http)
    async with world.client(fresh.client("front-proxy")) as http:
        assert (await world.get(http))[0] == 200


async def test_another_certificate_of_its_own_is_served_with_at_the_next_connection(
    world: World, authority: Authority
) -> None:
    before = world.certificate.pem
    world.certificate = certificate.make(HOST, "one", NOW + timedelta(seconds=1))
    await world.use(authority)
    own = authority.client("front-proxy")
    async with world.client(own) as http:
        assert (await world.get(http))[0] == 200
    async with world.client(own, trusted=before) as http:
        with pytest.raises(aiohttp.ClientError):
            await world.get(http)


async def silent(world: World, own: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", world.listener.port, local_addr=(own, 0))


async def test_the_aggregator_is_answered_beside_strangers_of_whom_only_so_many_are_kept(
    world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 600.0)  # no stranger is closed for its slowness
    strangers = [await silent(world) for _ in range(3 * HANDSHAKES_AT_ONCE)]
    async with world.client(authority.client("front-proxy")) as http:
        assert (await world.get(http))[0] == 200
    held = [reader for reader, _ in strangers if not reader.at_eof() and reader.exception() is None]
    assert held == [reader for reader, _ in strangers[-len(held) :]], "the newest"
    assert 0 < len(held) <= HANDSHAKES_AT_ONCE
    for _, writer in strangers:
        writer.close()


async def test_strangers_of_another_address_end_no_handshake_that_takes_long(
    world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 60.0)
    context = world.context(authority.client("front-proxy"))
    with socket.create_connection(("127.0.0.1", world.listener.port), 60) as slow:
        strangers = [await silent(world, "127.0.0.2") for _ in range(4 * HANDSHAKES_AT_ONCE)]

        def answer() -> bytes:
            with context.wrap_socket(slow, server_hostname=HOST) as tls:
                tls.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                return tls.recv(12)

        assert await asyncio.to_thread(answer) == b"HTTP/1.1 401"
    for _, writer in strangers:
        writer.close()


async def test_who_shows_no_certificate_within_the_time_for_it_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.05)
    reader, writer = await silent(world)
    async with asyncio.timeout(30):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_cannot_be_taken_is_taken_later(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, failures = asyncio.get_running_loop(), [OSError(24, "Too many open files")]
    takes = loop.sock_accept

    async def fails_once(bound: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return await takes(bound)

    monkeypatch.setattr(listener, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(loop, "sock_accept", fails_once)
    world = World()
    await world.start(authority)
    async with world.client(authority.client("front-proxy")) as http:
        assert (await world.get(http))[0] == 200
    assert not failures
    await world.listener.stop()


async def test_a_port_that_was_taken_is_served_once_it_is_free(authority: Authority) -> None:
    world = World()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world.listener.port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await world.start(authority)
    await world.use(authority)
    async with world.client(authority.client("front-proxy")) as http:
        assert (await world.get(http))[0] == 200
    await world.listener.stop()
