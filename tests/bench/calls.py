"""How many calls in Python a turn costs the runtime: a figure that other work on the machine does not change.

The runtime runs under cProfile and tells its calls when it ends. Two runs that differ in the number of turns alone give
those of a turn. What it does by the clock meanwhile (it looks at its files five times a second) only adds, some percent on
a machine that lets it wait: of two runs the lesser counts.
"""

import asyncio
import pstats
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.parts import WORDS
from tests.bench.runtime import Server, ask, process, runtime, sealed, wait_for
from tests.fakes import configs
from tests.fakes.ports import free_port

FEW, MANY = 10, 60
FEW_STREAMS, MANY_STREAMS = 2, 8


def of_a_turn(policy: dict[str, Any]) -> float:
    """That is answered in one piece. `policy`: in the wire form of the effective policy."""
    return (_least(policy, MANY) - _least(policy, FEW)) / (MANY - FEW)


def of_a_chunk(policy: dict[str, Any]) -> float:
    """Of a streamed turn, with its share of the turn."""
    many, few = _least(policy, MANY_STREAMS, stream=True), _least(policy, FEW_STREAMS, stream=True)
    return (many - few) / (MANY_STREAMS - FEW_STREAMS) / WORDS


def _least(policy: dict[str, Any], turns: int, *, stream: bool = False) -> int:
    return min(_whole(policy, turns, stream=stream) for _ in range(2))


def _whole(policy: dict[str, Any], turns: int, *, stream: bool = False) -> int:
    """Of a process that serves so many turns, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, port = Path(scratch), free_port()
        told = folder / "calls"
        with process("-m", "tests.bench.parts", "provider", "--port", str(port)):
            wait_for(port)
            document = configs.document(configs.provider_config("bench", f"http://127.0.0.1:{port}/v1"), policy=policy)
            with runtime(sealed(folder, document), profile=told) as (server, _):
                asyncio.run(_serve(server, turns, stream=stream))
        found: Any = pstats.Stats(str(told))
        return int(found.total_calls)


async def _serve(server: Server, turns: int, *, stream: bool) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {configs.token()}"}) as http:
        for _ in range(turns):
            await ask(http, server, stream=stream)


def main() -> None:
    sys.stdout.write(f"calls in Python: {of_a_turn({}):.0f} a turn, {of_a_chunk({}):.0f} a streamed chunk\n")


if __name__ == "__main__":
    main()
