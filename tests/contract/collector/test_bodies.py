"""Bodies that do not come to their end, in the collector's own server: what they hold up, and what they do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from regent_operator.collector import server
from regent_operator.collector.bodies import AT_ONCE
from regent_operator.collector.findings import Findings
from regent_operator.collector.intake import Intake
from regent_operator.collector.keys import AgentKeys
from regent_operator.collector.logs import Logs
from regent_operator.collector.metrics import Metrics
from regent_operator.collector.tokens import Origin
from tests.fakes.collecting import Writer, body


class Named:
    """Trusts a token that is an origin's own name."""

    async def origin(self, authorization: str) -> Origin:
        return Origin(*authorization.removeprefix("Bearer ").split("/"))


@asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[int]:
    """Its port."""
    logs = Logs(folder, 10**9)
    made = server.Collecting(Named(), Intake(logs), AgentKeys(folder), None, Metrics(), Findings())  # type: ignore[arg-type] # no cluster, and no retention is asked for
    runner = web.AppRunner(made.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        logs.close()


@pytest.mark.parametrize("path", ["log", "content/Internal/2026-11-27.enc?at=0"])
@pytest.mark.parametrize("pods", [1, AT_ONCE])
async def test_bodies_that_do_not_arrive_keep_no_other_namespace_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, pods: int
) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 600.0)
    async with collecting(tmp_path) as port, aiohttp.ClientSession() as http:
        url, sending = f"http://127.0.0.1:{port}/v1/log", []
        for number in range(AT_ONCE):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST /v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo/helper/{number % pods}\r\n"
            writer.write(f"{head}Content-Length: 99\r\n\r\nx".encode())
            await writer.drain()
            sending.append(writer)
        await asyncio.sleep(0.2)  # so that all of them have been read
        other = Writer(namespace="other", pod="p")
        headers = {"Authorization": "Bearer other/helper/p"}
        async with http.post(url, data=body(other.write()), headers=headers) as answer:
            assert (answer.status, (await answer.json())["size"]) == (200, 1)
        for writer in sending:
            writer.close()
