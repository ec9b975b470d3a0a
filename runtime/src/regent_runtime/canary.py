"""One forbidden connection, by which a cluster shows whether it enforces the NetworkPolicy around this pod.

The operator asks for it (`/statusz?canary=PORT`), and the pod tries to connect back to whoever asked: the way between
the two was open a moment ago, so only a rule about the port can close it, and no agent's NetworkPolicy opens that port.
Not a byte is sent, and no other address is ever tried, so whoever may read the status learns of nobody else's ports.

What came of it is told and not judged: whether somebody listened there, the asker knows (decision 0035).
"""

import asyncio
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 2.5
"""For a connection to come through. The kernel repeats a lost SYN after one second, so one loss is no proof."""
MOST_AT_ONCE = 4
"""Further askers are told that nothing was tried."""
FIRST_PORT, LAST_PORT = 1024, 65535

REACHED, BLOCKED, UNTRIED = "reached", "blocked", "untried"
_BLOCKED_BY = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EPERM: "forbidden",
    errno.EACCES: "forbidden",
    errno.ETIMEDOUT: "timeout",
}
"""How enforcers answer that do not drop in silence. Any other error is one of this pod, and proves nothing."""


@dataclass(frozen=True)
class Attempt:
    """`outcome` is REACHED, BLOCKED or UNTRIED; `cause` a word for people."""

    address: str
    port: int
    outcome: str
    cause: str
    at: int
    """Unix time."""

    def wire(self) -> dict[str, str | int]:
        return {"address": self.address, "port": self.port, "outcome": self.outcome, "cause": self.cause, "at": self.at}


class Canary:
    """Tries when it is asked; `last` is the latest attempt, None before any."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.last: Attempt | None = None
        self._now = now
        self._running = 0

    async def attempt(self, address: str, port: int) -> Attempt:
        """Within SECONDS. An attempt that was not made never takes the place of one that was."""
        if self._running >= MOST_AT_ONCE:
            return self._told(address, port, UNTRIED, "busy")
        self._running += 1
        try:
            outcome, cause = await _connect(address, port)
        finally:
            self._running -= 1
        told = self._told(address, port, outcome, cause)
        if outcome != UNTRIED:
            self.last = told
        return told

    def _told(self, address: str, port: int, outcome: str, cause: str) -> Attempt:
        return Attempt(address, port, outcome, cause, int(self._now()))


def port_of(query: bytes) -> int | None:
    """Of `canary=PORT`; None for anything else."""
    name, _, value = query.partition(b"=")
    if name != b"canary" or not value.isdigit() or len(value) > len(str(LAST_PORT)):
        return None
    port = int(value)
    return port if FIRST_PORT <= port <= LAST_PORT else None


_loop = asyncio.get_running_loop


async def _connect(address: str, port: int) -> tuple[str, str]:
    try:
        async with asyncio.timeout(SECONDS):
            transport, _ = await _loop().create_connection(asyncio.Protocol, address, port)
    except TimeoutError:
        return BLOCKED, "timeout"
    except OSError as error:
        cause = _BLOCKED_BY.get(error.errno or 0)
        return (BLOCKED, cause) if cause else (UNTRIED, errno.errorcode.get(error.errno or 0, "error"))
    transport.close()
    return REACHED, ""
