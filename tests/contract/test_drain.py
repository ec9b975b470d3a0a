"""A pod that ends: what runs is finished and written down, what comes is sent elsewhere, and nothing takes for ever."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from regent_api.audit.record import Kind
from tests.contract.audit.test_turns import logged
from tests.contract.processes import Process, request, running
from tests.contract.raw_http import connected, head
from tests.contract.streams import Stream
from tests.fakes import configs
from tests.fakes.provider import answers, gated, provider
from tests.fakes.waiting import WAIT_SECONDS, eventually

CHAT, BATCH = "/v1/chat/completions", "/v1/batch"


@asynccontextmanager
async def speaking(
    tmp_path: Path, gate: asyncio.Event, *flags: str
) -> AsyncIterator[tuple[Process, aiohttp.ClientSession, Stream]]:
    """A pod in the middle of a stream whose provider waits for the gate."""
    async with provider(gated(gate, "Hel", "lo."), answers("No.")) as fake, aiohttp.ClientSession() as http:
        document = configs.document(configs.provider_config("local", fake.url))
        document = {**document, "state": {"conversations": True}}
        async with (
            running(tmp_path, document, flags=flags) as pod,
            http.post(f"{pod.url}{CHAT}", **request(stream=True)) as response,
        ):
            stream = Stream(response)
            assert await stream.content() == "Hel"
            yield pod, http, stream


async def until_draining(http: aiohttp.ClientSession, pod: Process) -> None:
    async def readiness() -> int:
        return (await http.get(f"{pod.status_url}/readyz")).status

    await eventually(readiness, lambda status: status == 503)


async def read_so_far(http: aiohttp.ClientSession, pod: Process) -> None:
    """Returns when the pod has read what was sent on other connections before: it reads them all in one loop."""
    for _ in range(3):
        assert (await http.get(f"{pod.url}/livez")).status == 200


def outcomes(tmp_path: Path) -> list[tuple[str, str]]:
    return [(record.outcome, record.code) for record in logged(tmp_path) if record.kind is Kind.OUTCOME]


async def test_a_running_stream_finishes_whole_and_the_process_ends_after_it_and_not_before(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with speaking(tmp_path, gate) as (pod, http, stream):
        pod.process.send_signal(signal.SIGTERM)
        await until_draining(http, pod)
        assert (await http.get(f"{pod.status_url}/livez")).status == 200
        status = await (await http.get(f"{pod.status_url}/statusz")).json()
        assert (status["draining"], status["turns"], status["activeConversations"]) == (True, 1, 0)
        assert pod.process.returncode is None
        assert outcomes(tmp_path) == []
        gate.set()
        assert await stream.rest() == ["lo.", None, "[DONE]"]
        assert await pod.ended() == 0
        assert outcomes(tmp_path) == [("answered", "")]
        assert logged(tmp_path)[-1].kind is Kind.STOPPED


async def test_what_comes_while_it_ends_is_sent_elsewhere_and_its_connection_closed(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with speaking(tmp_path, gate) as (pod, http, stream):
        pod.process.send_signal(signal.SIGTERM)
        await until_draining(http, pod)
        goes_on = {"X-Regent-Conversation": stream.conversation}
        for path, more in ((CHAT, {}), (CHAT, goes_on), (BATCH, {})):
            asked = request()
            asked["headers"] |= more
            async with http.post(f"{pod.url}{path}", **asked) as refused:
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                assert (refused.headers["connection"], refused.headers["x-should-retry"]) == ("close", "true")
                assert (await refused.json())["error"]["code"] == "draining"
        gate.set()
        assert await stream.rest() == ["lo.", None, "[DONE]"]
        assert await pod.ended() == 0


async def test_connections_that_wait_for_a_request_are_closed_and_those_that_have_begun_one_are_not(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()
    async with speaking(tmp_path, gate) as (pod, http, stream):
        idle, begun, fresh = [await connected(pod.url) for _ in range(3)]
        for _, writer in (idle, begun):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, _ in (idle, begun):
            assert (await asyncio.wait_for(reader.readuntil(b"ok\n"), WAIT_SECONDS)).startswith(b"HTTP/1.1 200")
        whole = head("Content-Length: 2") + b"{}"
        begun[1].write(whole[:20])
        await read_so_far(http, pod)
        pod.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(idle[0].read(), WAIT_SECONDS) == b""
        idle[1].close()
        begun[1].write(whole[20:])
        fresh[1].write(whole)
        for reader, writer in (begun, fresh):
            assert (await asyncio.wait_for(reader.read(), WAIT_SECONDS)).startswith(b"HTTP/1.1 503")
            writer.close()
        gate.set()
        assert await stream.rest() == ["lo.", None, "[DONE]"]
        assert await pod.ended() == 0


async def test_an_answer_that_has_not_begun_says_that_its_connection_closes(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def answer_late(*asked: Any) -> None:
        await gate.wait()
        await answers("Hello.")(*asked)

    async with provider(answer_late) as fake, aiohttp.ClientSession() as http:
        document = configs.document(configs.provider_config("local", fake.url))
        async with running(tmp_path, document) as pod:
            asked = asyncio.create_task(http.post(f"{pod.url}{CHAT}", **request()))
            await eventually(lambda: turns(http, pod), lambda running: running == 1)
            pod.process.send_signal(signal.SIGTERM)
            await until_draining(http, pod)
            gate.set()
            async with await asyncio.wait_for(asked, WAIT_SECONDS) as answer:
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                assert (await answer.json())["choices"][0]["message"]["content"] == "Hello."
            assert await pod.ended() == 0


async def turns(http: aiohttp.ClientSession, pod: Process) -> int:
    return int((await (await http.get(f"{pod.status_url}/statusz")).json())["turns"])


async def test_a_batch_that_arrives_while_the_pod_ends_goes_elsewhere_as_a_whole(tmp_path: Path) -> None:
    async with provider(answers("No.")) as fake, aiohttp.ClientSession() as http:
        document = configs.document(configs.provider_config("local", fake.url))
        async with running(tmp_path, document) as pod:
            line = b'{"requests": [{"custom_id": "1", "body": {"messages": [{"role": "user", "content": "Hi"}]}}]}'
            reader, writer = await connected(pod.url)
            writer.write(head(f"Content-Length: {len(line)}").replace(CHAT.encode(), BATCH.encode()) + line[:10])
            await read_so_far(http, pod)
            pod.process.send_signal(signal.SIGTERM)
            await until_draining(http, pod)
            writer.write(line[10:])
            said = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
            assert (said.startswith(b"HTTP/1.1 503"), b'"code":"draining"' in said) == (True, True)
            writer.close()
            assert await pod.ended() == 0
    assert fake.requests == []


async def test_at_its_timeout_the_process_ends_and_a_stream_that_is_cut_says_so(tmp_path: Path) -> None:
    async with speaking(tmp_path, asyncio.Event(), "--drain-timeout", "1") as (pod, _, stream):
        began = asyncio.get_running_loop().time()
        pod.process.send_signal(signal.SIGTERM)
        error = (await stream.event())["error"]
        assert (error["code"], error["type"]) == ("draining", "server_error")
        assert asyncio.get_running_loop().time() - began >= 1
        assert await stream.event() is None
        assert await pod.ended() == 0
        assert outcomes(tmp_path) == [("interrupted", "draining")]
        assert logged(tmp_path)[-1].kind is Kind.STOPPED


async def test_a_second_sigterm_ends_what_still_runs(tmp_path: Path) -> None:
    async with speaking(tmp_path, asyncio.Event()) as (pod, http, stream):
        pod.process.send_signal(signal.SIGTERM)
        await until_draining(http, pod)
        pod.process.send_signal(signal.SIGTERM)
        assert (await stream.event())["error"]["code"] == "draining"
        assert await pod.ended() == 0
