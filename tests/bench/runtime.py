"""`make bench-runtime`: what the runtime costs beside a bare proxy made of the same server and client libraries.

Everything is measured in one run, in turns, on loopback; figures are medians of the rounds. Requests a core are per
second of the process's own CPU time, so a busy machine changes them little; trust the ratios.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from regent_api.seal import SEAL_KEY
from tests.bench.parts import WORDS
from tests.fakes import configs
from tests.fakes.ports import free_port
from tests.fakes.sealing import AGENT_UID, Sealing

SEALING = Sealing()
CONCURRENCY = 16
STREAMS = 20
WAIT_SECONDS = 60
BODY = {"model": "bench", "messages": [{"role": "user", "content": "Tell me about tulips. " * 10}]}
_LEAST_CPU = 0.01
"""Seconds: a tick of the clock that CPU time is counted with."""
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    rounds: int = 5
    starts: int = 5
    sequential: int = 200
    """Requests of a round whose latency is taken, one after the other."""
    parallel: int = 1500
    """Requests of a round whose CPU time is taken."""
    streams: int = 40


@dataclass(frozen=True)
class Server:
    """A process that answers Chat Completions."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def resident_mb(self) -> float:
        return resident_mb(self.pid)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def process(*arguments: str) -> Iterator[int]:
    """A Python process; its pid. Ended when the block is left."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        child.terminate()
        child.wait(WAIT_SECONDS)


def wait_for(
    port: int, path: str = "", within: float = WAIT_SECONDS, child: subprocess.Popen[bytes] | None = None
) -> None:
    """Until the port is open, or the path answers 200. Looks every 2 ms. Raises where the child has ended before."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and (child is None or child.poll() is None):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() if path else b"")
                if not path or b" 200 " in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.002)
    raise TimeoutError(f"nothing answers on port {port}")


@contextmanager
def runtime(config: Path, audit: Path | None = None, profile: Path | None = None) -> Iterator[tuple[Server, float]]:
    """The runtime, and the seconds from its start to ready. Its audit log lies in `audit`, else beside the config.

    `profile`: where cProfile writes at its end what was called.
    """
    port, status_port = free_port(), free_port()
    credentials = config.parent / "credentials"
    credentials.mkdir(exist_ok=True)
    flags = ["--config", str(config), "--credentials", str(credentials), "--host", "127.0.0.1"]
    flags += ["--audit", str(audit or config.parent / f"audit-{port}")]
    flags += ["--agent-uid", AGENT_UID, "--config-key", SEALING.public, "--state", str(config.parent)]
    begun = time.monotonic()
    profiler = ("-m", "cProfile", "-o", str(profile)) if profile else ()
    ports = ("--port", str(port), "--status-port", str(status_port))
    with process("-I", *profiler, "-m", "regent_runtime", *flags, *ports) as pid:
        wait_for(status_port, "/readyz")
        yield Server(f"http://127.0.0.1:{port}/v1", pid), time.monotonic() - begun


def sealed(folder: Path, document: dict[str, Any]) -> Path:
    """The file of a config, its seal beside it."""
    config, written = folder / "agent.json", json.dumps(document).encode()
    config.write_bytes(written)
    config.with_name(SEAL_KEY).write_bytes(SEALING.seal(written))
    return config


async def ask(http: aiohttp.ClientSession, server: Server, *, stream: bool = False) -> None:
    async with http.post(f"{server.url}/chat/completions", json={**BODY, "stream": stream}) as response:
        await response.read()
        if response.status != 200:
            raise RuntimeError(f"{server.url} answered {response.status}")


async def latencies(http: aiohttp.ClientSession, server: Server, requests: int) -> list[float]:
    taken = []
    for _ in range(requests):
        begun = time.perf_counter()
        await ask(http, server)
        taken.append(time.perf_counter() - begun)
    return taken


async def cpu_of(http: aiohttp.ClientSession, server: Server, requests: int, workers: int, *, stream: bool) -> float:
    """CPU seconds that the server spends on the requests."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await ask(http, server, stream=stream)

    before = server.cpu_seconds()
    await asyncio.gather(*(work() for _ in range(workers)))
    return server.cpu_seconds() - before


async def measure(servers: dict[str, Server], amount: Amount) -> dict[str, dict[str, float]]:
    """Medians by server: p50 in ms, requests a second of CPU, CPU microseconds a streamed chunk."""
    found: dict[str, dict[str, list[float]]] = {name: {"p50": [], "rps": [], "chunk": []} for name in servers}
    headers = {"Authorization": f"Bearer {configs.token()}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(amount.rounds):
            for name, server in servers.items():
                await asyncio.gather(*(ask(http, server) for _ in range(CONCURRENCY)))
                found[name]["p50"].append(statistics.median(await latencies(http, server, amount.sequential)) * 1e3)
                plain = await cpu_of(http, server, amount.parallel, CONCURRENCY, stream=False)
                found[name]["rps"].append(amount.parallel / max(plain, _LEAST_CPU))
                streamed = await cpu_of(http, server, amount.streams, STREAMS, stream=True)
                found[name]["chunk"].append(max(streamed, _LEAST_CPU) / (amount.streams * WORDS) * 1e6)
    return {name: {key: statistics.median(taken) for key, taken in rounds.items()} for name, rounds in found.items()}


def run(amount: Amount) -> dict[str, Any]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, bare = free_port(), free_port()
        parts = "tests.bench.parts"
        provider = stack.enter_context(process("-m", parts, "provider", "--port", str(upstream)))
        url = f"http://127.0.0.1:{upstream}/v1"
        proxy = stack.enter_context(process("-m", parts, "bare", "--port", str(bare), "--upstream", url))
        config = sealed(directory, configs.document(configs.provider_config("bench", url)))
        starts = []
        for _ in range(amount.starts):
            with runtime(config) as (_, seconds):
                starts.append(seconds)
        regent, _ = stack.enter_context(runtime(config))
        wait_for(bare)
        time.sleep(1)
        idle = regent.resident_mb()
        servers = {
            "direct": Server(url, provider),
            "bare": Server(f"http://127.0.0.1:{bare}/v1", proxy),
            "regent": regent,
        }
        figures = asyncio.run(measure(servers, amount))
        return {
            "coldStartSeconds": statistics.median(starts),
            "idleMb": idle,
            "loadedMb": regent.resident_mb(),
            **figures,
        }


def rows(found: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """What, Regent, the bare proxy, the ratio, the goal."""
    direct, bare, regent = found["direct"], found["bare"], found["regent"]
    added, bare_added = regent["p50"] - direct["p50"], bare["p50"] - direct["p50"]
    return [
        ("cold start, s", f"{found['coldStartSeconds']:.2f}", "", "", "<= 1"),
        ("idle RSS, MB", f"{found['idleMb']:.0f}", "", "", "<= 90"),
        ("RSS after the load, MB", f"{found['loadedMb']:.0f}", "", "", ""),
        ("added latency p50, ms", f"{added:.2f}", f"{bare_added:.2f}", f"{added / bare_added:.2f}", "<= 1"),
        (
            "requests/s a core",
            f"{regent['rps']:.0f}",
            f"{bare['rps']:.0f}",
            f"{regent['rps'] / bare['rps']:.2f}",
            ">= 1500",
        ),
        (
            "CPU a streamed chunk, us",
            f"{regent['chunk']:.0f}",
            f"{bare['chunk']:.0f}",
            f"{regent['chunk'] / bare['chunk']:.2f}",
            "<= 23",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the runtime beside a bare proxy.")
    parser.add_argument("--json", type=Path, default=Path("build/bench-runtime.json"))
    target: Path = parser.parse_args().json
    found = run(Amount())
    table = [("", "regent", "bare proxy", "ratio", "goal"), *rows(found)]
    lines = [f"{what:26}" + "".join(f"{cell:>12}" for cell in cells) for what, *cells in table]
    sys.stdout.write("\n".join(lines) + "\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    sys.stderr.write(f"written to {target}\n")


if __name__ == "__main__":
    main()
