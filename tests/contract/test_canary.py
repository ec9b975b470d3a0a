"""The forbidden connection over real sockets: the runtime's side, the operator's, and the two together.

That an enforcer stops it, the tests on the real node show.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_operator.engine import client as clients
from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.canary import Canary, address_towards
from regent_operator.engine.client import ApiClient
from regent_operator.engine.metrics import Metrics
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import PODS, Key
from regent_operator.engine.trials import Trials
from regent_operator.plan.trial import Wall
from tests.contract.processes import Process, running
from tests.fakes import configs
from tests.fakes.deaf import deaf
from tests.fakes.ports import held_port
from tests.fakes.waiting import eventually
from tests.unit.engine.test_echo import pod

AGENT = Key("AIAgent", "n", "a")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Process]:
    async with running(tmp_path, configs.document()) as process:
        yield process


async def told(process: Process, query: str = "") -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{process.status_url}/statusz{query}") as answer:
        return (await answer.json())["canary"]


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def full() -> Iterator[int]:
    with deaf() as port:
        yield port


async def test_the_pod_connects_back_to_whoever_asks_and_sends_nothing(
    runtime: Process, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]
    assert await told(runtime) is None
    tried = await told(runtime, f"?canary={port}")
    assert {**tried, "at": 0} == {"address": "127.0.0.1", "port": port, "outcome": "reached", "cause": "", "at": 0}
    connection, _ = listening.accept()
    with connection:
        assert connection.recv(1) == b""
    assert await told(runtime) == tried


async def test_a_refusal_and_silence_are_blocked(runtime: Process, full: int) -> None:
    with held_port() as closed:
        for port, cause in ((closed, "refused"), (full, "timeout")):
            tried = await told(runtime, f"?canary={port}")
            assert (tried["port"], tried["outcome"], tried["cause"]) == (port, "blocked", cause)


@pytest.mark.parametrize("query", ["?canary=80", "?canary=x", "?canary=9797&host=10.0.0.1", "?port=9797"])
async def test_nothing_else_is_tried(runtime: Process, query: str) -> None:
    assert await told(runtime, query) is None


async def test_the_canary_hears_itself_and_notes_whom_it_watches() -> None:
    async with Canary("127.0.0.1", 0) as canary:
        with canary.watching("127.0.0.1") as arrived:
            assert arrived() == 0
            reader, writer = await asyncio.open_connection("127.0.0.1", canary.port)
            assert await reader.read() == b""
            writer.close()
            assert arrived() == 1
            assert await canary.hears("127.0.0.1")
            assert arrived() == 2
        assert (canary._watchers, canary._arrivals) == ({}, {})
        _, writer = await asyncio.open_connection("127.0.0.1", canary.port)
        writer.close()
        assert await canary.hears("127.0.0.1")
        assert (canary._watchers, canary._arrivals) == ({}, {})


async def test_a_canary_that_listens_elsewhere_does_not_hear_itself() -> None:
    async with Canary("127.0.0.2", 0) as canary:
        assert not await canary.hears("127.0.0.1")


def test_our_address_is_that_by_which_the_other_is_reached() -> None:
    assert address_towards("127.0.0.9") == "127.0.0.1"
    assert address_towards("255.255.255.255") is None


async def test_where_nothing_is_enforced_the_operator_finds_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runtime, client, canary and trials as they are; the pod's address is its own."""
    monkeypatch.setattr("regent_operator.engine.trials.SETTLE_SECONDS", 0.0)
    address = "127.0.0.9"
    pods = Pods(lambda _: None, lambda _: None)
    metrics = Metrics()
    flags = ("--host", address)
    async with (
        running(tmp_path, configs.document(), flags=flags, POD_UID="uid-a-1") as process,
        ApiClient(ClusterAccess("http://127.0.0.1:1"), metrics) as client,
        Canary("127.0.0.1", 0) as canary,
    ):
        monkeypatch.setattr(clients, "STATUS_PORT", int(process.status_url.rpartition(":")[2]))
        trials = Trials(client, pods, canary, lambda: True, metrics.tried)
        pods.seen(PODS, pod(address=address), full=True)
        task = asyncio.create_task(trials.run())
        trials.heard(pods.of(AGENT)[0])
        try:

            async def found() -> bool:
                return pods.of(AGENT)[0].seen.trial is not None

            await eventually(found)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    trial = pods.of(AGENT)[0].seen.trial
    assert trial is not None
    assert trial.wall is Wall.OPEN
    assert b'regent_operator_network_trials_total{wall="open"} 1.0' in metrics.text()


async def test_a_canary_hears_nothing_where_its_own_connection_fails_whatever_uvloop_calls_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("File descriptor 9 is used by transport")

    async with Canary("127.0.0.1", 0) as canary:
        monkeypatch.setattr(asyncio, "open_connection", fails)
        assert not await canary.hears("127.0.0.1")
