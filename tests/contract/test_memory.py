"""What callers can make the process hold. It is measured in a process of its own: another's high mark hides all below."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from regent_runtime.limits.bodies import MOST_BODY_BYTES
from tests.contract.processes import Process, request, running
from tests.contract.raw_http import connected, head
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.waiting import WAIT_SECONDS, eventually

MIB = 1024 * 1024
BODY_MIB = 1
POD_LIMIT_MIB = 256
HELD = 240
"""Bodies at once; the budget holds 64 of them."""


@asynccontextmanager
async def warm(tmp_path: Path, **more: Any) -> AsyncIterator[Process]:
    """A process that has served a turn."""
    async with (
        provider() as fake,
        running(tmp_path, configs.document(configs.provider_config("local", fake.url), **more)) as pod,
        aiohttp.ClientSession() as http,
    ):
        assert await turn(http, pod) == 200
        yield pod
        await eventually(lambda: turn(http, pod), lambda status: status == 200)


async def turn(http: aiohttp.ClientSession, pod: Process) -> int:
    async with http.post(f"{pod.url}/v1/chat/completions", **request()) as response:
        return response.status


async def test_ten_megabytes_are_refused_by_their_declared_length(tmp_path: Path) -> None:
    async with warm(tmp_path) as pod:
        before = pod.most_mib
        reader, writer = await connected(pod.url)
        writer.write(head(f"Content-Length: {10 * MIB}") + b" " * 10 * MIB)
        answer = await asyncio.wait_for(reader.readuntil(b"}}"), WAIT_SECONDS)
        assert (b" 413 " in answer, b"body_too_large" in answer) == (True, True)
        assert pod.most_mib - before < 3
        writer.close()


async def test_a_million_messages_cost_bounded_memory(tmp_path: Path) -> None:
    many = b'{"messages":[' + b",".join([b'{"role":"user","content":"a"}'] * 1_000_000) + b"]}"
    async with warm(tmp_path, policy={"size": {"maxRequestBytes": 67_108_864}}) as pod:
        before = pod.most_mib
        reader, writer = await connected(pod.url)
        writer.write(head(f"Content-Length: {len(many)}") + many)
        answer = await asyncio.wait_for(reader.readuntil(b"}}"), WAIT_SECONDS)
        assert (b" 400 " in answer, b"invalid_value" in answer) == (True, True)
        assert pod.most_mib - before < 10 * len(many) / MIB
        writer.close()


async def test_bodies_that_callers_do_not_end_fill_a_budget_and_no_more(tmp_path: Path) -> None:
    body, end = b" " * (BODY_MIB * MIB - 1), asyncio.Event()
    async with warm(tmp_path) as pod:
        sending = [asyncio.create_task(held(pod, body, end)) for _ in range(HELD)]

        async def refused() -> int:
            return sum(each.done() for each in sending)

        await eventually(refused, lambda count: count >= HELD - MOST_BODY_BYTES // MIB - 1)
        end.set()
        answers = await asyncio.gather(*sending)
        assert set(answers) == {(400, "invalid_json"), (503, "overloaded")}, "some were held to their end"
        assert pod.most_mib < POD_LIMIT_MIB


async def held(pod: Process, body: bytes, end: asyncio.Event) -> tuple[int, str]:
    """What a body is answered whose last byte comes at the end, unless it is refused before."""
    reader, writer = await connected(pod.url)
    writer.write(head(f"Content-Length: {len(body) + 1}") + body)
    answering, ending = asyncio.create_task(reader.readuntil(b"}}")), asyncio.create_task(end.wait())
    await asyncio.wait({answering, ending}, return_when=asyncio.FIRST_COMPLETED)
    writer.write(b" ")
    answer = (await asyncio.wait_for(answering, WAIT_SECONDS)).decode()
    ending.cancel()
    writer.close()
    status, code = re.findall(r"^HTTP/1.1 (\d+)|\"code\":\"(\w+)\"", answer)
    return int(status[0]), code[1]
