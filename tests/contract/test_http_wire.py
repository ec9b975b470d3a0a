"""HTTP/1.1 below the turn: where a request ends, what belongs to its head, and callers that do not read."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from regent_runtime.serve import listener
from tests.contract.raw_http import answered, connect, head
from tests.fakes import configs
from tests.fakes.provider import Received, chunk, provider, send_stream, stream_of
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import WAIT_SECONDS, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = b'{"messages": [{"role": "user", "content": "Hi"}]}'
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADES = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
    "websocket": ["Connection: upgrade, close", "Upgrade: websocket"],
    "nonsense": ["Connection: close, Upgrade", "Upgrade: "],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def living(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with (
        provider() as fake,
        serving(
            tmp_path_factory.mktemp("living"), configs.document(configs.provider_config("local", fake.url))
        ) as served,
    ):
        yield served


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("segments", [1, 2])
async def test_the_body_of_a_request_that_asks_for_an_upgrade_is_its_body(
    living: Served, upgrade: str, segments: int
) -> None:
    begin = (
        head(*UPGRADES[upgrade], f"Content-Length: {len(SMUGGLED)}").replace(b", close", b"").replace(b"close, ", b"")
    )
    parts = [begin, SMUGGLED] if segments == 2 else [begin + SMUGGLED]
    answer = await answered(living, *parts, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (statuses(answer), b"invalid_json" in answer) == ([400, 404], True)


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_a_turn_that_asks_for_an_upgrade_is_served_as_if_it_had_not(living: Served, upgrade: str) -> None:
    begin = head(*UPGRADES[upgrade], f"Content-Length: {len(BODY)}")
    assert statuses(await answered(living, begin, BODY)) == [200]
    chunked = head(*UPGRADES[upgrade], "Transfer-Encoding: chunked")
    assert statuses(await answered(living, chunked, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))) == [200]


async def test_many_requests_in_one_segment_that_ask_for_an_upgrade_are_answered_one_by_one(living: Served) -> None:
    asking = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(await answered(living, asking * 500 + last)) == [200] * 501


async def test_a_tunnel_is_refused(living: Served) -> None:
    answer = await answered(living, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
    assert (statuses(answer), b"malformed_http" in answer) == ([400], True)


async def test_two_lengths_are_refused(living: Served) -> None:
    for lines in (["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5", "Transfer-Encoding: chunked"]):
        assert statuses(await answered(living, head(*lines))) == [400]


async def test_a_trailer_is_not_a_header(living: Served) -> None:
    begin = head("Transfer-Encoding: chunked", authorized=False)
    end = f"0\r\nAuthorization: Bearer {configs.token()}\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
    answer = await answered(living, begin + b"%x\r\n%b\r\n" % (len(BODY), BODY) + end.encode())
    assert (statuses(answer), b"token_missing" in answer) == ([401], True)


@pytest.mark.parametrize("size", [66_000, 90_000, 1_000_000])
@pytest.mark.parametrize("segments", [1, 7])
async def test_a_head_of_more_than_64_kib_is_431(living: Served, size: int, segments: int) -> None:
    whole = head("X-Long: " + "a" * size, f"Content-Length: {len(BODY)}") + BODY
    step = len(whole) // segments + 1
    reader, writer = await connect(living)
    for begin in range(0, len(whole), step):
        writer.write(whole[begin : begin + step])
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), WAIT_SECONDS)
    assert (statuses(answer), b"headers_too_large" in answer) == ([431], True)
    writer.close()


async def test_a_head_just_below_the_bound_is_served(living: Served) -> None:
    lines = [f"X-{number}: " + "a" * 2000 for number in range(30)]
    begin = head("Connection: close", *lines, f"Content-Length: {len(BODY)}")
    assert statuses(await answered(living, begin + BODY)) == [200]


@pytest.mark.parametrize("endless", [b"X-Trailer: ", b"", b"5;extension="])
async def test_a_trailer_or_chunk_extension_without_an_end_is_431(living: Served, endless: bytes) -> None:
    reader, writer = await connect(living)
    chunk_end = b"0\r\n" if endless != b"5;extension=" else b""
    writer.write(head("Transfer-Encoding: chunked") + b"2\r\n{}\r\n" + chunk_end + endless)
    writer.writelines([b"a" * 65_536] * 8)
    assert b" 431 " in await asyncio.wait_for(reader.readuntil(b"}}"), WAIT_SECONDS)
    writer.close()


@pytest.mark.parametrize("path", ["/v1/chat%2Fcompletions", "/v1/chat/completion%73", "//v1/chat/completions"])
async def test_a_path_is_what_was_written(living: Served, path: str) -> None:
    whole = head("Connection: close", f"Content-Length: {len(BODY)}") + BODY
    assert statuses(await answered(living, whole.replace(b"/v1/chat/completions", path.encode()))) == [404]


@pytest.mark.parametrize("request_lines", [["Connection: close"], []])
@pytest.mark.parametrize("stuck_seconds", [1.0, 4.0])
async def test_a_caller_that_never_reads_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_lines: list[str], stuck_seconds: float
) -> None:
    """Whether its turn still runs then (1 s) or has timed out (4 s)."""
    monkeypatch.setattr(listener, "STUCK_SECONDS", stuck_seconds)
    body = json.dumps({**json.loads(BODY), "stream": True}).encode()
    async with provider(stream_of(*[chunk({"content": "x" * 100_000})] * 100, then="stall")) as fake:
        document = configs.document(
            configs.provider_config("local", fake.url),
            policy={"size": {"turnTimeoutSeconds": 2, "maxOutputTokens": 20_000}},
        )
        async with serving(tmp_path, document) as served:
            connections = served.runtime.serving.server_state.connections

            async def unsent() -> list[int]:
                return [each.transport.get_write_buffer_size() for each in connections]

            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", served.runtime.serving.port))
            sock.send(head(*request_lines, f"Content-Length: {len(body)}") + body)
            await eventually(unsent, lambda sizes: sizes != [] and sizes[0] > 0)
            await eventually(unsent, lambda sizes: sizes == [])
            await served.until(lambda status: status["turns"] == 0)
            sock.close()


async def test_a_caller_that_reads_slowly_opens_no_breaker(tmp_path: Path) -> None:
    """Though its answer takes longer than an attempt may: only the end of it is waited for after that."""
    body = json.dumps({**json.loads(BODY), "stream": True}).encode()
    size, gate = 6_000_000, asyncio.Event()

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send_stream(writer, [chunk({"content": "x" * 100_000})] * (size // 100_000), end=False)
        await gate.wait()
        end = chunk({}, "stop") + b"data: [DONE]\n\n"
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(end), end))

    async with provider(behave) as fake:
        document = configs.document(
            configs.provider_config("local", fake.url),
            policy={"size": {"maxOutputTokens": 20_000}},
            route={"timeouts": {"attempt": 3}, "circuitBreaker": {"consecutiveFailures": 1}},
        )
        async with serving(tmp_path, document) as served:
            connections = served.runtime.serving.server_state.connections

            async def unsent() -> int:
                return sum(each.transport.get_write_buffer_size() for each in connections)

            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", served.runtime.serving.port))
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(head("Connection: close", f"Content-Length: {len(body)}") + body)
            await eventually(unsent, lambda bytes_left: bytes_left > 0)
            await asyncio.sleep(3.5)
            await reader.readexactly(size)
            gate.set()
            assert b"[DONE]" in await reader.read()
            writer.close()
            assert await served.attempts() == [("local", "answered", "")]
            assert (await served.statusz())["providers"][0]["breaker"] == "closed"
