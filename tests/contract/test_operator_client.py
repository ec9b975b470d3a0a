"""The operator's client on the wire: what it sends, and what it makes of every kind of answer."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from regent_operator.engine import client as clients
from regent_operator.engine.access import ClusterAccess, TokenFile
from regent_operator.engine.answers import WatchEvent
from regent_operator.engine.client import PAGE, ApiClient
from regent_operator.engine.errors import ApiError, NotLeadingError
from regent_operator.engine.metrics import Metrics
from regent_operator.engine.resources import AGENTS, CONFIG_MAPS, NAMESPACES, PODS

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "a"}, "data": {"k": "v"}}


class Server:
    """Answers with what a test has laid ready, in turn; remembers the requests."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str], bytes]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.path, dict(request.query), dict(request.headers), body))
        answer = self.answers.pop(0)
        if callable(answer):
            return await answer(request)
        if isinstance(answer, web.Response):
            return answer
        return web.json_response(answer)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(server: Server, metrics: Metrics) -> AsyncIterator[ApiClient]:
    async with ApiClient(ClusterAccess(server.url), metrics) as made:
        yield made


def refusal(status: int, reason: str, **headers: str) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": f"{reason} it is", "code": status}
    return web.json_response(body, status=status, headers=headers)


async def test_an_apply_is_a_forced_and_strict_ssa_patch_of_json(server: Server, client: ApiClient) -> None:
    server.answers = [OBJECT]
    assert await client.apply(CONFIG_MAPS, OBJECT) == OBJECT
    [(method, path, query, headers, body)] = server.requests
    assert (method, path) == ("PATCH", "/api/v1/namespaces/n/configmaps/a")
    assert query == {"fieldManager": "regent", "force": "true", "fieldValidation": "Strict"}
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(body) == OBJECT


async def test_a_status_is_a_merge_patch_of_the_subresource(server: Server, client: ApiClient) -> None:
    server.answers = [{}]
    await client.merge(AGENTS, "n", "a", {"status": {"x": 1}}, subresource="status")
    [(method, path, _, headers, _)] = server.requests
    assert (method, path) == ("PATCH", "/apis/regent.dev/v1alpha1/namespaces/n/aiagents/a/status")
    assert headers["Content-Type"] == "application/merge-patch+json"


async def test_a_delete_names_the_uid_and_forgives_that_it_is_gone(server: Server, client: ApiClient) -> None:
    server.answers = [refusal(404, "NotFound")]
    await client.delete(CONFIG_MAPS, "n", "a", "uid")
    assert json.loads(server.requests[0][4])["preconditions"] == {"uid": "uid"}


async def test_what_does_not_exist_is_none(server: Server, client: ApiClient) -> None:
    server.answers = [refusal(404, "NotFound")]
    assert await client.get(CONFIG_MAPS, "n", "a") is None


async def test_a_list_follows_its_pages_and_asks_for_metadata_where_told(server: Server, client: ApiClient) -> None:
    server.answers = [
        {"metadata": {"resourceVersion": "5", "continue": "more"}, "items": [{"a": 1}]},
        {"metadata": {"resourceVersion": "5"}, "items": [{"a": 2}]},
    ]
    listing = await client.list(NAMESPACES, labels="x=y", fields="metadata.name=n", metadata_only=True)
    assert listing.items == [{"a": 1}, {"a": 2}]
    assert listing.resource_version == "5"
    first, second = (query for _, _, query, _, _ in server.requests)
    assert first == {"limit": str(PAGE), "labelSelector": "x=y", "fieldSelector": "metadata.name=n"}
    assert second["continue"] == "more"
    headers = server.requests[0][3]
    assert "as=PartialObjectMetadataList" in headers["Accept"]
    assert headers["Accept-Encoding"] == "identity"


async def test_objects_of_a_page_are_read_one_by_one(server: Server, client: ApiClient) -> None:
    listed = {"metadata": {"resourceVersion": "5", "continue": "more"}, "items": [{"a": 1}, ["no object"]]}
    server.answers = [listed, {"metadata": {"resourceVersion": "5"}, "items": None}]
    pages = client.pages(NAMESPACES)
    items = iter((await anext(pages)).items)
    assert next(items) == {"a": 1}
    with pytest.raises(ApiError, match="NotJson"):
        next(items)
    assert list((await anext(pages)).items) == []
    with pytest.raises(StopAsyncIteration):
        await anext(pages)


@pytest.mark.parametrize(
    "answer", [{"items": []}, {"metadata": {}}, {"metadata": {"resourceVersion": "5"}, "items": {}}, []]
)
async def test_what_is_no_list_is_an_error(server: Server, client: ApiClient, answer: Any) -> None:
    server.answers = [answer]
    with pytest.raises(ApiError, match="NotJson"):
        await client.list(NAMESPACES)


async def test_a_refusal_carries_status_reason_and_words(server: Server, client: ApiClient) -> None:
    server.answers = [refusal(422, "Invalid")]
    with pytest.raises(ApiError) as refused:
        await client.apply(CONFIG_MAPS, OBJECT)
    assert (refused.value.status, refused.value.reason, refused.value.message) == (422, "Invalid", "Invalid it is")
    assert not refused.value.of_transport


async def test_an_answer_that_is_no_json_is_an_error_of_its_own(server: Server, client: ApiClient) -> None:
    server.answers = [web.Response(text="<html>"), web.Response(status=502, text="bad gateway")]
    with pytest.raises(ApiError, match="NotJson"):
        await client.get(CONFIG_MAPS, "n", "a")
    with pytest.raises(ApiError) as refused:
        await client.get(CONFIG_MAPS, "n", "a")
    assert refused.value.of_transport


async def test_an_answer_that_is_nested_too_deeply_is_an_error_of_its_own(server: Server, client: ApiClient) -> None:
    server.answers = [web.Response(text="[" * 100_000)]
    with pytest.raises(ApiError, match="NotJson"):
        await client.get(CONFIG_MAPS, "n", "a")


async def test_too_many_requests_are_waited_out_as_the_server_says(server: Server, client: ApiClient) -> None:
    server.answers = [refusal(429, "TooManyRequests", **{"Retry-After": "1"}), OBJECT]
    started = time.monotonic()
    assert await client.get(CONFIG_MAPS, "n", "a") == OBJECT
    assert time.monotonic() - started >= 1.0


async def test_a_server_that_is_away_is_unreachable(metrics: Metrics) -> None:
    async with ApiClient(ClusterAccess("http://127.0.0.1:1"), metrics) as client:
        with pytest.raises(ApiError) as refused:
            await client.get(CONFIG_MAPS, "n", "a")
    assert (refused.value.status, refused.value.reason) == (0, "Unreachable")


async def test_a_refused_token_is_read_again(server: Server, metrics: Metrics, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    async with ApiClient(ClusterAccess(server.url, token=TokenFile(file)), metrics) as client:
        server.answers = [OBJECT, refusal(401, "Unauthorized"), OBJECT]
        await client.get(CONFIG_MAPS, "n", "a")
        file.write_text("new\n")
        await client.get(CONFIG_MAPS, "n", "a")
    tokens = [headers["Authorization"] for *_, headers, _ in server.requests]
    assert tokens == ["Bearer old", "Bearer old", "Bearer new"]


async def test_without_leading_no_write_leaves_the_process(server: Server, metrics: Metrics) -> None:
    async with ApiClient(ClusterAccess(server.url), metrics, may_write=lambda: False) as client:
        for write in (
            client.apply(CONFIG_MAPS, OBJECT),
            client.create(CONFIG_MAPS, OBJECT),
            client.replace(CONFIG_MAPS, OBJECT),
            client.merge(PODS, "n", "a", {}),
            client.json_patch(CONFIG_MAPS, "n", "a", []),
            client.delete(CONFIG_MAPS, "n", "a", "uid"),
        ):
            with pytest.raises(NotLeadingError):
                await write
        assert server.requests == []
        server.answers = [OBJECT]
        await client.create(CONFIG_MAPS, OBJECT, gated=False)
        assert len(server.requests) == 1


async def test_a_write_that_loses_its_leave_on_its_way_to_the_socket_is_not_sent(
    server: Server, metrics: Metrics
) -> None:
    """As when the process is frozen in between for longer than the lease lasts."""
    leave = [True, False]
    async with ApiClient(ClusterAccess(server.url), metrics, may_write=lambda: leave.pop(0)) as client:
        for write in (client.apply(CONFIG_MAPS, OBJECT), client.delete(CONFIG_MAPS, "n", "a", "uid")):
            leave[:] = [True, False, False, False]
            with pytest.raises((ApiError, NotLeadingError)):
                await write
        leave[:] = [True, True]
        server.answers = [OBJECT]
        await client.apply(CONFIG_MAPS, OBJECT)
    assert [request[0] for request in server.requests] == ["PATCH"]


async def test_requests_are_counted(server: Server, client: ApiClient, metrics: Metrics) -> None:
    server.answers = [OBJECT, OBJECT]
    await client.get(CONFIG_MAPS, "n", "a")
    await client.apply(CONFIG_MAPS, OBJECT)
    text = metrics.text().decode()
    assert 'regent_operator_requests_total{code="200",resource="configmaps",verb="APPLY"} 1.0' in text
    assert 'regent_operator_writes_total{resource="configmaps"} 1.0' in text


async def test_a_config_is_handed_to_a_pod_and_is_no_write_to_the_api_server(
    server: Server, client: ApiClient, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "STATUS_PORT", int(server.url.rpartition(":")[2]))
    data = {"agent.json": '{"words": "caf\u00e9"}', "agent.seal.json": "{}"}
    server.answers = [{"pod": {"uid": "u"}}, web.Response(status=409, text="seal: older")]
    assert await client.offer_config("127.0.0.1", data, 5) == {"pod": {"uid": "u"}}
    method, path, _, headers, body = server.requests[0]
    assert (method, path, json.loads(body)) == ("PUT", "/config", data)
    assert headers["Content-Type"].startswith("application/json")
    assert "Authorization" not in headers
    with pytest.raises(ApiError) as refused:
        await client.offer_config("127.0.0.1", data, 5)
    assert refused.value.status == 409
    text = metrics.text().decode()
    assert 'regent_operator_requests_total{code="200",resource="config",verb="OFFER"} 1.0' in text
    assert "regent_operator_writes_total{" not in text


async def test_a_connection_to_a_pod_ends_with_its_answer(
    server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod is asked again in a minute: thousands of idle connections would take more memory than agents."""
    monkeypatch.setattr(clients, "STATUS_PORT", int(server.url.rpartition(":")[2]))
    server.answers = [{"pod": {"uid": "u"}}, OBJECT]
    await client.pod_status("127.0.0.1", 5)
    await client.get(CONFIG_MAPS, "n", "a")
    asked, served = (headers for _, _, _, headers, _ in server.requests)
    assert (asked.get("Connection"), served.get("Connection")) == ("close", None)


async def test_a_pod_is_connected_to_in_one(server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_turn(*_: Any, **__: Any) -> Any:
        raise AssertionError("there is one address")

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", in_turn)
    monkeypatch.setattr(clients, "STATUS_PORT", int(server.url.rpartition(":")[2]))
    server.answers = [{"pod": {"uid": "u"}}]
    assert await client.pod_status("127.0.0.1", 5) == {"pod": {"uid": "u"}}


async def test_a_pod_that_is_away_is_unreachable(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setattr(clients, "STATUS_PORT", closed.getsockname()[1])
    for beyond in (None, 1):
        with pytest.raises(ApiError, match="Unreachable: ClientOSError"):
            await client.pod_status("127.0.0.1", 5, beyond=beyond)


async def test_a_pod_that_no_packet_reaches_is_given_up_in_time(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", lost)
    with pytest.raises(ApiError, match="Unreachable: TimeoutError"):
        await client.pod_status("127.0.0.1", 0.05)


async def test_what_is_asked_as_pods_are_is_asked_over_plain_http(client: ApiClient) -> None:
    with pytest.raises(ApiError, match="Unreachable: NonHttpUrlClientError"):
        await client.told_by("https://127.0.0.1:1/", 5, "findings")


async def test_a_watch_yields_events_of_any_size_until_it_ends(server: Server, client: ApiClient) -> None:
    big = {"metadata": {"name": "x" * 300_000}}

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        line = json.dumps({"type": "ADDED", "object": big}).encode() + b"\n"
        for at in range(0, len(line), 50_000):
            await answer.write(line[at : at + 50_000])
        await answer.write(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}\n')
        return answer

    server.answers = [stream]
    events = [event async for event in client.watch(CONFIG_MAPS, "7", labels="a=b")]
    assert events == [WatchEvent("ADDED", big), WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "9"}})]
    query = server.requests[0][2]
    assert (query["resourceVersion"], query["allowWatchBookmarks"], query["labelSelector"]) == ("7", "true", "a=b")


async def test_a_version_that_is_too_old_is_expired_in_the_stream_and_before_it(
    server: Server, client: ApiClient
) -> None:
    status = {"code": 410, "reason": "Expired", "message": "too old"}
    server.answers = [
        web.Response(text=json.dumps({"type": "ERROR", "object": status}) + "\n"),
        refusal(410, "Expired"),
    ]
    for _ in range(2):
        with pytest.raises(ApiError) as refused:
            async for _event in client.watch(CONFIG_MAPS, "1"):
                pass
        assert refused.value.expired


async def test_a_fault_of_the_event_loop_is_no_answer(
    server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop's, about a descriptor that was closed too soon: a part of the operator that died of it would end all."""

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("File descriptor 9 is used by transport")

    monkeypatch.setattr("aiohttp.BaseConnector.connect", broken)
    for call in (client.get(CONFIG_MAPS, "n", "a"), client.pod_status("127.0.0.1", 5), anext(client.watch(PODS, "1"))):
        with pytest.raises(ApiError, match="Unreachable"):
            await call


async def test_a_call_ends_at_its_deadline(server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regent_operator.engine.client.WRITE_SECONDS", 0.2)

    given_up = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await given_up.wait()
        return web.Response()

    server.answers = [silent]
    with pytest.raises(ApiError, match="Unreachable"):
        await client.apply(CONFIG_MAPS, OBJECT)
    given_up.set()
