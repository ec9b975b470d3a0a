"""The transport is the only way out: what it refuses is never connected to, and nothing else connects at all."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from regent_runtime import transport
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import provider, status
from tests.fakes.resolver import ELSEWHERE, loopback
from tests.fakes.serving import Served, serving


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Host -> addresses; Services are on loopback."""
    ELSEWHERE.clear()
    monkeypatch.setattr(socket, "getaddrinfo", loopback)
    return ELSEWHERE


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(address, port) of every connection that this process opens; what is not on loopback is refused."""
    opened = []
    real = asyncio.SelectorEventLoop.sock_connect

    async def watched(self: asyncio.SelectorEventLoop, sock: socket.socket, address: Any) -> None:
        opened.append(address[:2])
        if not ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError
        return await real(self, sock, address)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", watched)
    return opened


def moving(host: str, *answers: str) -> Callable[..., list[Any]]:
    """In the place of socket.getaddrinfo: the host is elsewhere each time that it is asked for, and stays at the last."""
    left = list(answers)

    def resolve(name: str, *arguments: Any, **options: Any) -> list[Any]:
        if name == host:
            ELSEWHERE[host] = [left.pop(0) if len(left) > 1 else left[0]]
        return loopback(name, *arguments, **options)

    return resolve


def cloud(url: str, **more: Any) -> dict[str, Any]:
    return configs.provider_config("cloud", url, type="OpenAI", **more)


async def outcome(served: Served) -> tuple[str, list[tuple[str, str, str]]]:
    """Code of the refusal, and the attempts."""
    _, answer = await served.ask()
    return answer["error"]["code"], await served.attempts()


@pytest.mark.parametrize(
    ("addresses", "cidrs"),
    [
        (["10.1.2.3"], None),
        (["192.168.1.1"], None),
        (["169.254.169.254"], None),
        (["169.254.169.254"], [["0.0.0.0/0"]]),
        (["127.0.0.1"], [["0.0.0.0/0"]]),
        (["0.0.0.0"], [["0.0.0.0/0"]]),
        (["::1"], [["::/0"]]),
        (["fe80::1"], [["::/0"]]),
        (["::ffff:169.254.169.254"], [["::/0", "0.0.0.0/0"]]),
        (["64:ff9b::a9fe:a9fe"], [["::/0", "0.0.0.0/0"]]),
        (["2002:a9fe:a9fe::1"], [["::/0", "0.0.0.0/0"]]),
        (["fd00::1"], None),
        (["8.8.8.8", "10.1.2.3"], None),
        (["8.8.8.8"], [["1.0.0.0/8"]]),
        (["8.8.8.8"], [["8.0.0.0/8"], ["1.0.0.0/8"]]),
        (["10.96.0.10"], [["10.0.0.0/8"]]),
    ],
)
@enforces("egress.cidrs")
async def test_an_outside_host_at_a_wrong_address_is_not_connected_to(
    tmp_path: Path,
    names: dict[str, list[str]],
    connections: list[tuple[str, int]],
    addresses: list[str],
    cidrs: Any,
) -> None:
    names["api.example.com"] = addresses
    document = configs.document(
        cloud("https://api.example.com/v1"),
        policy={"egress": {"cidrs": cidrs} if cidrs else {}},
        clusterCidrs=["10.96.0.0/16"],
    )
    async with serving(tmp_path, document) as served:
        assert await outcome(served) == (
            "no_provider_allowed",
            [("cloud", "destination_refused", "address_not_allowed")],
        )
    assert all(port in {served.runtime.serving.port, served.runtime.telling.port} for _, port in connections)


@pytest.mark.usefixtures("names")
async def test_a_service_that_moves_once_it_was_judged_is_connected_to_where_it_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", moving("model.demo.svc", "127.0.0.1", "8.8.8.8"))
    async with provider() as fake:
        local = configs.provider_config("local", f"http://model.demo.svc:{fake.port}/v1")
        async with serving(tmp_path, configs.document(local)) as served:
            assert (await served.ask())[0] == 200
        assert [address for address, port in connections if port == fake.port] == ["127.0.0.1"]


@pytest.mark.parametrize("later", ["169.254.169.254", "127.0.0.1", "10.1.2.3"])
@pytest.mark.usefixtures("names")
async def test_an_outside_host_that_moves_once_it_was_judged_is_connected_to_where_it_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[tuple[str, int]], later: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", moving("api.example.com", "8.8.8.8", later))
    async with serving(tmp_path, configs.document(cloud("https://api.example.com/v1"))) as served:
        code, attempts = await outcome(served)
    assert (code, [each[:2] for each in attempts]) == ("provider_failed", [("cloud", "connect")])
    assert {address for address, port in connections if port == 443} == {"8.8.8.8"}


@pytest.mark.parametrize("kind", ["Local", "OpenAI"])
async def test_a_service_that_resolves_to_the_outside_is_refused(
    tmp_path: Path,
    names: dict[str, list[str]],
    connections: list[tuple[str, int]],
    kind: str,
) -> None:
    names["model.demo.svc"] = ["8.8.8.8"]
    document = configs.document(configs.provider_config("local", "http://model.demo.svc/v1", type=kind))
    async with serving(tmp_path, document) as served:
        assert await outcome(served) == (
            "no_provider_allowed",
            [("local", "destination_refused", "address_outside_cluster")],
        )
    assert ("8.8.8.8", 80) not in connections


async def test_a_local_provider_written_as_an_address_outside_is_refused(
    tmp_path: Path, connections: list[tuple[str, int]]
) -> None:
    document = configs.document(
        configs.provider_config("local", "http://8.8.8.8/v1"),
        policy={"models": {"localHosts": [["8.8.8.8"]]}},
    )
    async with serving(tmp_path, document) as served:
        assert (await outcome(served))[1] == [("local", "destination_refused", "address_outside_cluster")]
    assert ("8.8.8.8", 80) not in connections


async def test_an_outside_provider_written_as_a_metadata_address_is_refused(
    tmp_path: Path, connections: list[tuple[str, int]]
) -> None:
    async with serving(tmp_path, configs.document(cloud("https://169.254.169.254/v1"))) as served:
        assert (await outcome(served))[1] == [("cloud", "destination_refused", "address_not_allowed")]
    assert ("169.254.169.254", 443) not in connections


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0177.0.0.1", "0x7f000001", "127.0.0.01", "10.1", "1.2.3.4."])
@pytest.mark.parametrize("kind", ["Local", "OpenAI"])
async def test_a_host_that_only_looks_like_an_address_is_refused_before_it_is_resolved(
    tmp_path: Path, names: dict[str, list[str]], host: str, kind: str
) -> None:
    names[host] = ["127.0.0.1" if kind == "Local" else "8.8.8.8"]
    document = configs.document(
        configs.provider_config("odd", f"https://{host}/v1", type=kind), policy={"models": {"localHosts": [[host]]}}
    )
    async with serving(tmp_path, document) as served:
        assert (await outcome(served))[1] == [("odd", "destination_refused", "not_an_address")]


async def test_plain_http_goes_to_the_cluster_only(
    tmp_path: Path, names: dict[str, list[str]], connections: list[tuple[str, int]]
) -> None:
    names["api.example.com"] = ["8.8.8.8"]
    async with serving(tmp_path, configs.document(cloud("http://api.example.com/v1"))) as served:
        assert (await outcome(served))[1] == [("cloud", "destination_refused", "plain_http_outside")]
    assert ("8.8.8.8", 80) not in connections


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with (
        provider() as target,
        provider(status(302, Location=f"{target.url}/chat/completions")) as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        assert (await served.ask())[0] == 502
        assert target.requests == []


async def test_no_header_of_a_caller_goes_upstream(tmp_path: Path) -> None:
    async with (
        provider() as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        headers = {
            "X-Forwarded-For": "1.2.3.4",
            "Cookie": "a=b",
            "OpenAI-Organization": "org",
            "X-Regent-Sensitivity": "Confidential",
            "Traceparent": "00-0-0-00",
        }
        body = {"messages": [{"role": "user", "content": "Hi"}], "user": "me", "metadata": {"a": "b"}}
        assert (await served.post(body, headers=headers))[0] == 200
        assert set(fake.requests[0].headers) == {
            "host",
            "user-agent",
            "content-type",
            "content-length",
            "accept",
            "accept-encoding",
        }
        assert set(fake.requests[0].body) == {"model", "messages", "max_tokens"}


async def test_every_connection_is_a_providers_and_every_request_an_attempt(
    tmp_path: Path, connections: list[tuple[str, int]]
) -> None:
    async with (
        provider(status(500)) as first,
        provider() as second,
        serving(
            tmp_path,
            configs.document(configs.provider_config("a", first.url), configs.provider_config("b", second.url)),
        ) as served,
    ):
        for _ in range(5):
            assert (await served.ask())[0] == 200
            assert (await served.ask(stream=False, temperature=7))[0] == 400
        ours = {served.runtime.serving.port, served.runtime.telling.port}
    attempts = [each.provider for record in served.runtime.records for each in record.attempts]
    assert attempts.count("a") == len(first.requests) == 5
    assert attempts.count("b") == len(second.requests) == 5
    assert {port for _, port in connections} - ours == {first.port, second.port}


async def test_a_kept_connection_that_the_provider_closed_is_nobodys_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "IDLE_CONNECTION_SECONDS", 60.0)
    async with (
        provider() as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url))) as served,
    ):
        for _ in range(3):
            assert (await served.ask())[0] == 200
        assert fake.connections == 1
