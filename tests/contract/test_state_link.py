"""The connection to Redis: a server that is killed, hangs, refuses or is somebody else's, and comes back."""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.addresses import InsideCluster, OutsideHosts
from regent_runtime.credentials import CredentialUnusable
from regent_runtime.state.contract import StateAway, Window
from regent_runtime.state.link import Address, Link
from regent_runtime.state.shared import RedisState
from regent_runtime.transport import PinnedResolver
from tests.contract.redis_server import redis_server
from tests.contract.states import AGENT, LOOPBACK, link
from tests.fakes.certificates import self_signed
from tests.fakes.configs import config
from tests.fakes.ports import held_port
from tests.fakes.waiting import WAIT_SECONDS, eventually
from tests.rows import row

HOUR = Window("caller", 1000, 3600.0)


async def takes(state: RedisState, window: Window = HOUR) -> tuple[float, ...] | str:
    """The waits, or why the state is away."""
    try:
        return await state.take([window], "t")
    except StateAway as away:
        return away.reason


async def recovered(state: RedisState) -> None:
    async def look() -> tuple[float, ...] | str:
        return await takes(state)

    await eventually(look, lambda found: isinstance(found, tuple))


@row("the server is gone, or refuses connections")
async def test_a_server_that_is_killed_is_away_and_comes_back_by_itself(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        assert await takes(state) == (0.0,)
        await server.kill()
        assert await takes(state) in {"unreachable", "connection_lost"}
        assert await takes(state) in {"unreachable", "away"}
        await server.start()
        await recovered(state)
        await state.close()


async def test_a_server_that_was_never_there_is_away() -> None:
    with held_port() as port:
        state = RedisState(Link(Address.of(f"redis://127.0.0.1:{port}"), LOOPBACK, now=lambda: 1000.0), AGENT)
        assert await takes(state) == "unreachable"
        assert await takes(state) == "away", "nobody tries again at once"


@row("it hangs")
async def test_a_server_that_hangs_holds_nobody_beyond_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        assert await takes(state) == (0.0,)
        server.signal(signal.SIGSTOP)
        monkeypatch.setattr("regent_runtime.state.link.ANSWER_SECONDS", 2.0)
        found = await asyncio.gather(*(takes(state) for _ in range(50)))
        assert set(found) <= {"timeout", "away", "connection_lost"}
        assert "timeout" in found
        server.signal(signal.SIGCONT)
        await recovered(state)
        await state.close()


async def test_a_turn_that_ends_while_it_waits_takes_nobody_elses_reply(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        assert await takes(state) == (0.0,)
        waiting = [asyncio.create_task(state.take([Window(f"b{n}", n + 1, 3600.0)], "t")) for n in range(20)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        assert await asyncio.gather(*waiting[1::2]) == [(0.0,)] * 10
        assert await takes(state, Window("b19", 1, 3600.0)) != (0.0,)
        await state.close()


@row("the password is wrong, missing, or for other hosts")
async def test_a_password_is_sent_and_a_wrong_one_is_away(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--requirepass", "right") as server:
        passwords = ["wrong", "right"]
        state = RedisState(Link(Address.of(server.url), LOOPBACK, lambda: passwords[0]), AGENT)
        assert await takes(state) == "error_wrongpass"
        assert await takes(RedisState(link(server.url), AGENT)) == "error_noauth"
        passwords.pop(0)
        await recovered(state)
        await state.close()


async def test_a_user_and_a_database_of_the_url_are_used(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        await server.ask("ACL", "SETUSER", "ann", "on", ">pass", "~regent:*", "+@all")
        address = Address.of(f"redis://ann@127.0.0.1:{server.port}/3")
        state = RedisState(Link(address, LOOPBACK, lambda: "pass"), AGENT)
        assert await takes(state) == (0.0,)
        assert "db3:keys=1" in await server.ask("INFO", "keyspace")
        await state.close()


@row("the password is wrong, missing, or for other hosts")
async def test_a_missing_password_is_away(tmp_path: Path) -> None:
    def missing() -> str:
        raise CredentialUnusable("credential_missing")

    async with redis_server(tmp_path) as server:
        state = RedisState(Link(Address.of(server.url), LOOPBACK, missing), AGENT)
        assert await takes(state) == "credential_missing"


async def test_an_address_that_the_policy_does_not_let_is_never_dialled(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        outside = OutsideHosts(config().policy.egress, [])
        state = RedisState(Link(Address.of(server.url), PinnedResolver(outside)), AGENT)
        assert await takes(state) == "address_not_allowed"
        assert "total_connections_received:2" in await server.ask("INFO", "stats"), "this test's own two"


async def test_an_address_that_is_dead_and_still_in_the_name_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a failover: nothing comes back from the first address, neither a connection nor a refusal."""
    async with redis_server(tmp_path) as server:
        with socket.create_server(("127.0.0.9", server.port), backlog=0) as dead, ExitStack() as full:
            for _ in range(3):  # what more is sent to it is dropped
                waiting = full.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(dead.getsockname())
            both = [
                (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, server.port)) for host in ("127.0.0.9", server.host)
            ]
            monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: both)
            state = RedisState(Link(Address.of(f"redis://state.test:{server.port}"), LOOPBACK), AGENT)
            assert await takes(state) == (0.0,)
            await state.close()


@row("its certificate is not of the host or of no known authority")
@pytest.mark.parametrize(
    ("host", "trusted", "found"),
    [("localhost", True, (0.0,)), ("localhost", False, "tls"), ("elsewhere.example.com", True, "tls")],
)
async def test_tls_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, found: tuple[float] | str
) -> None:
    certificate, key = self_signed(tmp_path, host)
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    options = (*options, "--tls-ca-cert-file", str(certificate))
    with held_port() as port:
        async with redis_server(tmp_path, "--tls-port", str(port), *options) as server:
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            state = RedisState(link(f"rediss://localhost:{port}"), AGENT)
            assert await takes(state) == found
            assert bool(await server.ask("DBSIZE")) is (found == (0.0,)), "nothing is sent to another"
            await state.close()


@row("it has no memory left")
async def test_a_server_that_has_no_memory_left_is_away(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--maxmemory-policy", "noeviction") as server:
        state = RedisState(link(server.url), AGENT)
        await server.ask("CONFIG", "SET", "maxmemory", "1")
        assert await takes(state) == "error_oom"
        await server.ask("CONFIG", "SET", "maxmemory", "0")
        await recovered(state)
        await state.close()


@row("something else answers there")
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"nonsense\r\n", "protocol"),
        (b"$9999999999999\r\n", "timeout"),
        (b"", "connection_lost"),
    ],
    ids=["words", "a length and no more", "nothing"],
)
async def test_what_is_no_redis_is_away_until_it_is_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes, reason: str
) -> None:
    """Whatever it is, we are the one who ends the connection, unless it says nothing at all."""
    if reason == "timeout":
        monkeypatch.setattr("regent_runtime.state.link.ANSWER_SECONDS", 2.0)
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        if reply:
            await reader.read()
        writer.close()
        ended.set()

    with held_port() as port:
        server = await asyncio.start_server(answer, "127.0.0.1", port)
        state = RedisState(link(f"redis://127.0.0.1:{port}"), AGENT)
        assert await takes(state) == reason
        await asyncio.wait_for(ended.wait(), WAIT_SECONDS)
        server.close()
        await server.wait_closed()
        async with redis_server(tmp_path, port=port):
            await recovered(state)
            await state.close()


async def test_a_link_that_was_closed_stays_closed(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        state = RedisState(link(server.url), AGENT)
        assert await takes(state) == (0.0,)
        await state.close()
        assert [await takes(state) for _ in range(3)] == ["closed"] * 3
        assert "total_connections_received:3" in await server.ask("INFO", "stats"), "two are this test's own"


async def test_a_link_that_is_closed_while_it_connects_keeps_no_connection(tmp_path: Path) -> None:
    resolving, resolved = asyncio.Event(), asyncio.Event()

    class Slow(PinnedResolver):
        async def resolve(self, *asked: Any, **more: Any) -> Any:
            resolving.set()
            await resolved.wait()
            return await super().resolve(*asked, **more)

    async with redis_server(tmp_path) as server:
        state = RedisState(Link(Address.of(server.url), Slow(InsideCluster(["127.0.0.0/8"]))), AGENT)
        waiting = [asyncio.create_task(takes(state)) for _ in range(3)]
        await resolving.wait()
        await state.close()
        resolved.set()
        assert await asyncio.gather(*waiting) == ["closed"] * 3
        assert "total_connections_received:3" in await server.ask("INFO", "stats"), "one was under way"
        await eventually(lambda: server.ask("INFO", "clients"), lambda found: "connected_clients:1\r" in found)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://redis:6379", "must be redis"),
        ("redis://", "must be redis"),
        ("redis://u:secret@redis", "without a password"),
        ("redis://redis/x", "number of a database"),
        ("redis://redis:99999", "[Pp]ort"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        Address.of(url)
    assert "secret" not in str(refused.value)


def test_a_urls_parts() -> None:
    parts: Callable[[str], Address] = Address.of
    assert parts("redis://redis.data.svc") == Address("redis.data.svc", 6379, tls=False, user="", database=0)
    assert parts("rediss://ann@r.example.com:6380/2") == Address(
        "r.example.com", 6380, tls=True, user="ann", database=2
    )


async def test_the_server_of_a_test_is_its_own(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        assert server.port != 6379
