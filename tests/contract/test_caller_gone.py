"""A caller who goes: the provider is hung up on at once, wherever its answer stood, and what may have been used is booked.

At once means that nothing is waited for: it happens while the loop's clock stands still, so that no timer ends. What it
takes is the processor's time alone, and `pytest -s` prints that.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.raw_http import connect, head
from tests.fakes import configs
from tests.fakes.provider import Behaviour, Provider, chunk, provider, stalls, stream_of
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import WAIT_SECONDS

HI: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
TALK = [*[{"role": role, "content": f"{role} says " * 200} for role in ("user", "assistant")] * 4, *HI]
PRICE = {
    "source": "route",
    "bands": [{"above": 0, "input": "1", "output": "10", "cachedInput": "1", "cacheWrite": "1"}],
}


@dataclass(frozen=True)
class Place:
    """Where an answer stands when its caller goes."""

    behaves: Behaviour
    body: dict[str, Any]
    until: bytes = b""
    """What the caller has read by then; empty: nothing."""
    provider: dict[str, Any] = field(default_factory=dict)
    agent: dict[str, Any] = field(default_factory=dict)
    costs: bool = True


PLACES = {
    "a plain answer that does not come": Place(stalls(), {"messages": HI}),
    "a stream that does not begin": Place(stalls(), {"messages": HI, "stream": True}),
    "a stream without a word": Place(
        stream_of(chunk({"role": "assistant", "content": ""}), then="stall"), {"messages": HI, "stream": True}
    ),
    "a stream after a word": Place(
        stream_of(chunk({"content": "Hi there, "}), then="stall"), {"messages": HI, "stream": True}, until=b"Hi there"
    ),
    "a summary that does not come": Place(
        stalls(),
        {"messages": TALK},
        agent={"prompt": {"whenTooLong": "Shorten"}, "policy": {"size": {"maxInputTokens": 2000}}},
    ),
    "a count that does not come": Place(
        stalls(),
        {"messages": TALK},
        provider={"capabilities": {"contextWindow": 4000, "tokenCounter": "InputTokens"}},
        costs=False,
    ),
}


@pytest.mark.parametrize("ends", ["closes", "resets"])
@pytest.mark.parametrize("name", PLACES)
async def test_the_provider_is_hung_up_on_at_once(tmp_path: Path, name: str, ends: str) -> None:
    place = PLACES[name]
    async with provider(place.behaves) as fake, at(place, fake, tmp_path) as (served, writer):
        began = time.process_time()
        with clock_stands_still() as patience:
            writer.transport.abort() if ends == "resets" else writer.close()
            await patience(fake.closed_by_client.wait())
        took = time.process_time() - began
        await served.until(lambda found: found["turns"] == 0)
        (record,) = served.runtime.records
        assert record.outcome == "caller_gone"
        assert [each.outcome for each in record.attempts] == ["abandoned"] * place.costs
        assert bool(booked(served)) == place.costs, "what may have been used"
        assert len(fake.requests) == 1
    sys.stdout.write(f"{name}, {ends}: {1000 * took:.1f} ms of processor time\n")


@asynccontextmanager
async def at(place: Place, fake: Provider, directory: Path) -> AsyncIterator[tuple[Served, asyncio.StreamWriter]]:
    """A turn that stands there, and the caller's end of its connection."""
    only = configs.provider_config("only", fake.url, price=PRICE, **place.provider)
    paid = configs.merged({"policy": {"budget": {"perConversationUsd": "100"}}}, place.agent)
    async with serving(directory, configs.document(only, **paid)) as served:
        reader, writer = await connect(served)
        body = json.dumps(place.body).encode()
        writer.write(head(f"Content-Length: {len(body)}") + body)
        await asyncio.wait_for(fake.reached.wait(), WAIT_SECONDS)
        if place.until:
            await asyncio.wait_for(reader.readuntil(place.until), WAIT_SECONDS)
        yield served, writer


def booked(served: Served) -> int:
    """Billionths of a dollar."""
    return sum(spent.amount for spent in served.runtime.states._pod._purses._spent.values())


@contextmanager
def clock_stands_still() -> Iterator[Callable[[Awaitable[Any]], Awaitable[None]]]:
    """No timer of the loop ends meanwhile; what is given awaits something, but not for ever."""
    loop = asyncio.get_running_loop()
    now = loop.time()

    async def patience(awaited: Awaitable[Any]) -> None:
        waiting = asyncio.ensure_future(awaited)
        alarm = threading.Timer(WAIT_SECONDS, loop.call_soon_threadsafe, [waiting.cancel])
        alarm.start()
        try:
            await asyncio.wait({waiting})
        finally:
            alarm.cancel()
        assert not waiting.cancelled(), "it hung on a timer"

    loop.time = lambda: now  # type: ignore[method-assign]
    try:
        yield patience
    finally:
        del loop.time
