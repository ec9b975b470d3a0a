import asyncio
import errno

import pytest

from regent_runtime import canary
from regent_runtime.canary import BLOCKED, MOST_AT_ONCE, REACHED, UNTRIED, Attempt, Canary, port_of


class Loop:
    """Stands in for the event loop's create_connection."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error
        self.go = asyncio.Event()
        self.go.set()
        self.closed = 0

    async def create_connection(self, _protocol: object, _address: str, _port: int) -> tuple["Loop", None]:
        await self.go.wait()
        if self.error:
            raise self.error
        return self, None

    def close(self) -> None:
        self.closed += 1


def attempt(outcome: str, cause: str = "") -> Attempt:
    return Attempt("10.0.0.9", 9797, outcome, cause, 7)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(canary, "_loop", lambda: made)
    return made


async def test_a_connection_that_came_through_is_told_and_closed(loop: Loop) -> None:
    tried = Canary(now=lambda: 7.9)
    assert await tried.attempt("10.0.0.9", 9797) == attempt(REACHED)
    assert (tried.last, loop.closed) == (attempt(REACHED), 1)


@pytest.mark.parametrize(
    ("number", "outcome", "cause"),
    [
        (errno.ECONNREFUSED, BLOCKED, "refused"),
        (errno.EHOSTUNREACH, BLOCKED, "unreachable"),
        (errno.ENETUNREACH, BLOCKED, "unreachable"),
        (errno.EPERM, BLOCKED, "forbidden"),
        (errno.ETIMEDOUT, BLOCKED, "timeout"),
        (errno.EMFILE, UNTRIED, "EMFILE"),
        (errno.EADDRNOTAVAIL, UNTRIED, "EADDRNOTAVAIL"),
        (errno.ECONNRESET, UNTRIED, "ECONNRESET"),
        (0, UNTRIED, "error"),
    ],
)
async def test_only_what_an_enforcer_does_counts_as_blocked(loop: Loop, number: int, outcome: str, cause: str) -> None:
    loop.error = OSError(number, "so")
    assert await Canary(now=lambda: 7.0).attempt("10.0.0.9", 9797) == attempt(outcome, cause)


async def test_silence_is_blocked_after_a_while(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.go.clear()
    monkeypatch.setattr(canary, "SECONDS", 0.0)
    assert await Canary(now=lambda: 7.0).attempt("10.0.0.9", 9797) == attempt(BLOCKED, "timeout")


async def test_attempts_at_once_are_bounded_and_one_not_made_replaces_none(loop: Loop) -> None:
    tried = Canary(now=lambda: 7.0)
    await tried.attempt("10.0.0.9", 9797)
    loop.go.clear()
    running = [asyncio.create_task(tried.attempt("10.0.0.9", 9797)) for _ in range(MOST_AT_ONCE)]
    await asyncio.sleep(0)
    assert await tried.attempt("10.0.0.9", 9797) == attempt(UNTRIED, "busy")
    assert tried.last == attempt(REACHED)
    loop.go.set()
    assert await asyncio.gather(*running) == [attempt(REACHED)] * MOST_AT_ONCE
    assert await tried.attempt("10.0.0.9", 9797) == attempt(REACHED)


@pytest.mark.parametrize(
    ("query", "port"),
    [
        (b"canary=9797", 9797),
        (b"canary=1024", 1024),
        (b"canary=65535", 65535),
        (b"canary=1023", None),
        (b"canary=65536", None),
        (b"canary=999999999999", None),
        (b"canary=-1", None),
        (b"canary=9797&x=1", None),
        (b"canary=", None),
        (b"canary", None),
        (b"beyond=9797", None),
        (b"", None),
    ],
)
def test_the_port_that_is_asked_for(query: bytes, port: int | None) -> None:
    assert port_of(query) == port
