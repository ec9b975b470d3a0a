"""`make bench-route`: a governed turn beside LiteLLM's proxy and Portkey's gateway, which govern nothing here.

One mock upstream, one run, in turns, in a network namespace that has only loopback. Row A: house patterns, escaping and
output guards; B: and the injection model; C: and the audit log on a disk (for A and B it is in memory). Figures are
medians of the rounds; CPU is the process's own, with its children's. Memory is measured once: a process does not give back
what streams took, so another round would need processes of its own.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from tests.bench import baselines
from tests.bench.parts import HOLD, WORDS
from tests.bench.runtime import TICK, cpu_seconds, process, resident_mb, runtime, sealed, wait_for
from tests.fakes import configs
from tests.fakes.ports import free_port

WARM_UP = 32
SENTENCE = "Tell me about tulips. " * 10
MEMORY = "/dev/shm"
_SETTLED_SECONDS = 1.0
_LONGEST_START_SECONDS = 600
_PATIENT = {"timeouts": {"connect": 60, "firstToken": 60, "idle": 600, "attempt": 600, "total": 600}}
_SYNCS, _RECORD_BYTES = 50, 1536


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    rounds: int = 5
    sequential: int = 100
    """Requests of a round whose latency is taken, one after the other."""
    parallel: int = 400
    """Requests of a round whose CPU time is taken, 16 at a time."""
    streams: int = 20
    held: int = 1000
    """Streams that are open at once."""


@dataclass(frozen=True)
class Gateway:
    """A process, with its children, that answers Chat Completions."""

    name: str
    url: str
    pid: int
    headers: dict[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in _family(self.pid))

    def resident_mb(self) -> float:
        return sum(resident_mb(pid) for pid in _family(self.pid))


@dataclass
class Figures:
    """Of one gateway, a value a round."""

    p50_ms: list[float] = field(default_factory=list)
    fdatasync_ms: list[float] = field(default_factory=list)
    requests_per_core: list[float] = field(default_factory=list)
    chunk_us: list[float] = field(default_factory=list)
    idle_mb: float = 0.0
    held_mb: float = 0.0
    """More than before, for `Amount.held` open streams, as MiB per 1,000."""

    def wire(self) -> dict[str, float]:
        return {
            "p50Ms": median(self.p50_ms),
            "requestsPerCore": median(self.requests_per_core),
            "chunkCpuUs": median(self.chunk_us),
            "idleMb": self.idle_mb,
            "mibPer1000Streams": self.held_mb,
            **({"fdatasyncMs": median(self.fdatasync_ms)} if self.fdatasync_ms else {}),
        }


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _fdatasync_ms(folder: Path) -> float:
    """Median of some appends of a record's size, each brought to the disk."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as log:
        for _ in range(_SYNCS):
            log.write(bytes(_RECORD_BYTES))
            begun = time.perf_counter()
            os.fdatasync(log.fileno())
            taken.append(time.perf_counter() - begun)
    return median(taken) * 1e3


def _policy(row: str) -> dict[str, Any]:
    """Of rows A to C, in the wire form of the effective policy."""
    injection = {"patterns": ["Deny"], "model": [] if row == "A" else ["Deny"]}
    output = {"secrets": ["Deny"], "personalData": {"action": ["Redact"]}, "instructionsLeak": []}
    return {
        "size": {"turnTimeoutSeconds": 600},
        "guardrails": {"input": {"injection": injection, "specialTokens": ["Escape"]}, "output": output},
    }


@contextmanager
def regent(row: str, upstream: str, on_disk: Path) -> Iterator[Gateway]:
    with ExitStack() as stack:
        folder = on_disk / row
        folder.mkdir()
        document = configs.document(configs.provider_config("bench", upstream), policy=_policy(row), route=_PATIENT)
        memory = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY))
        audit = folder / "audit" if row == "C" else Path(memory) / "audit"
        server, _ = stack.enter_context(runtime(sealed(folder, document), audit))
        headers = {"Authorization": f"Bearer {configs.token()}"}
        yield Gateway(f"regent {row}", server.url, server.pid, headers)


@contextmanager
def baseline(given: baselines.Baseline, port: int) -> Iterator[Gateway]:
    child = subprocess.Popen(
        given.command,
        env={**os.environ, **given.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, given.ready, _LONGEST_START_SECONDS, child)
        yield Gateway(given.name, f"http://127.0.0.1:{port}{given.path}", child.pid, given.headers)
    finally:
        child.terminate()
        child.wait(60)


async def ask(http: aiohttp.ClientSession, gateway: Gateway, *, stream: bool = False) -> None:
    body = {"model": "bench", "messages": [{"role": "user", "content": SENTENCE}], "stream": stream}
    async with http.post(f"{gateway.url}/chat/completions", json=body, headers=gateway.headers) as response:
        answered = await response.read()
        if response.status != 200 or b"word" not in answered:
            raise RuntimeError(f"{gateway.name} answered {response.status}")


async def _many(http: aiohttp.ClientSession, gateway: Gateway, requests: int, *, stream: bool, workers: int) -> float:
    """CPU seconds that the gateway spends on the requests."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await ask(http, gateway, stream=stream)

    before = gateway.cpu_seconds()
    await asyncio.gather(*(work() for _ in range(workers)))
    return max(gateway.cpu_seconds() - before, 1 / TICK)


async def _latency(http: aiohttp.ClientSession, gateway: Gateway, requests: int) -> float:
    taken = []
    for _ in range(requests):
        begun = time.perf_counter()
        await ask(http, gateway)
        taken.append(time.perf_counter() - begun)
    return median(taken) * 1e3


async def _held(http: aiohttp.ClientSession, gateway: Gateway, streams: int) -> float:
    """MiB per 1,000 streams, each open after its words."""
    body = {"model": "bench", "messages": [{"role": "user", "content": f"{HOLD} {SENTENCE}"}], "stream": True}
    before = gateway.resident_mb()
    async with AsyncExitStack() as stack:
        for _ in range(streams):
            asked = http.post(f"{gateway.url}/chat/completions", json=body, headers=gateway.headers)
            response = await stack.enter_async_context(asked)
            if response.status != 200:
                raise RuntimeError(f"{gateway.name} answered {response.status} to a stream that stays open")
        await asyncio.sleep(_SETTLED_SECONDS)
        return (gateway.resident_mb() - before) * 1000 / streams


async def measure(gateways: list[Gateway], amount: Amount, disk: Path) -> dict[str, Figures]:
    """By gateway. The first is the upstream itself; its figures have `fdatasync_ms` of `disk`."""
    found = {gateway.name: Figures(idle_mb=gateway.resident_mb()) for gateway in gateways}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as http:
        for gateway in gateways:
            await _many(http, gateway, WARM_UP, stream=False, workers=4)
            await _many(http, gateway, 4, stream=True, workers=4)
        for _ in range(amount.rounds):
            found[gateways[0].name].fdatasync_ms.append(_fdatasync_ms(disk))
            for gateway in gateways:
                figures = found[gateway.name]
                figures.p50_ms.append(await _latency(http, gateway, amount.sequential))
                plain = await _many(http, gateway, amount.parallel, stream=False, workers=16)
                figures.requests_per_core.append(amount.parallel / plain)
                streamed = await _many(http, gateway, amount.streams, stream=True, workers=amount.streams)
                figures.chunk_us.append(streamed / (amount.streams * WORDS) * 1e6)
    for gateway in gateways[1:]:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120)
        ) as http:
            found[gateway.name].held_mb = await _held(http, gateway, amount.held)
    return found


def run(amount: Amount, *, with_baselines: bool = True) -> dict[str, dict[str, float]]:
    """By gateway; `direct` is the upstream itself."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        upstream = f"http://127.0.0.1:{port}/v1"
        provider = stack.enter_context(process("-m", "tests.bench.parts", "provider", "--port", str(port)))
        wait_for(port)
        gateways = [Gateway("direct", upstream, provider)]
        gateways += [stack.enter_context(regent(row, upstream, scratch)) for row in "ABC"]
        if with_baselines:
            ports = free_port(), free_port()
            theirs = baselines.litellm(ports[0], upstream, scratch), baselines.portkey(ports[1], upstream)
            gateways += [stack.enter_context(baseline(each, at)) for each, at in zip(theirs, ports, strict=True)]
        found = asyncio.run(measure(gateways, amount, scratch))
        return {name: figures.wire() for name, figures in found.items()}


def table(found: dict[str, dict[str, float]]) -> list[list[str]]:
    """A line a gateway; the first is the head. p50 is what is added to asking the upstream itself."""
    head = ["", "added p50, ms", "requests/s a core", "CPU a chunk, us", "idle, MB", "MiB per 1,000 streams"]
    direct = found["direct"]["p50Ms"]
    lines = [
        [
            name,
            f"{of['p50Ms'] - direct:.2f}",
            f"{of['requestsPerCore']:.0f}",
            f"{of['chunkCpuUs']:.1f}",
            f"{of['idleMb']:.0f}",
            f"{of['mibPer1000Streams']:.0f}",
        ]
        for name, of in found.items()
        if name != "direct"
    ]
    return [head, *lines]


def goals(found: dict[str, dict[str, float]]) -> list[str]:
    """Row A against its goals."""
    ours, litellm, portkey = found["regent A"], found["litellm"], found["portkey"]
    added = ours["p50Ms"] - found["direct"]["p50Ms"]
    sync = found["direct"]["fdatasyncMs"]
    audited = (found["regent C"]["p50Ms"] - found["regent B"]["p50Ms"]) / sync
    of_litellm, of_portkey = (ours["requestsPerCore"] / each["requestsPerCore"] for each in (litellm, portkey))
    return [
        f"added p50 {added:.2f} ms (goal 1)",
        f"requests/s a core: {of_litellm:.1f} x LiteLLM's (goal 25), {of_portkey:.1f} x Portkey's (goal 5)",
        f"CPU a chunk: 1/{litellm['chunkCpuUs'] / ours['chunkCpuUs']:.1f} of LiteLLM's (goal 1/50)",
        f"{ours['mibPer1000Streams']:.0f} MiB per 1,000 streams (goal 45), idle {ours['idleMb']:.0f} MB (goal 90)",
        f"the audit log on a disk adds {audited:.1f} x a bare fdatasync there ({sync:.2f} ms)",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a governed turn beside other gateways.")
    parser.add_argument("--json", type=Path, default=Path("build/bench-route.json"))
    target: Path = parser.parse_args().json
    found = run(Amount())
    for line in table(found):
        sys.stdout.write("".join(f"{cell:>22}" for cell in line) + "\n")
    sys.stdout.write("\n".join(goals(found)) + "\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
