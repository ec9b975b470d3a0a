"""A port that agents' NetworkPolicies forbid: it takes every connection, notes who came, reads nothing, and closes.

That the port could be reached matters as much as that nobody came, so the operator connects to it itself. Connections
are taken in the order in which they came: when its own has arrived, every earlier one has.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from regent_operator.engine.client import UNANSWERED

SELF_SECONDS = 2.0
BACKLOG = 256


class Canary:
    """Use as an async context manager. Of addresses that nobody watches, nothing is kept."""

    def __init__(self, host: str | None, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._watchers: Counter[str] = Counter()
        self._arrivals: Counter[str] = Counter()
        """Of watched addresses."""
        self._moved = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        made = loop.create_server(lambda: _Arriving(self._arrived), self._host, self._port, backlog=BACKLOG)
        self._server = await made
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port that is bound, also where 0 was asked for."""
        assert self._server is not None  # noqa: S101  # entered
        return int(self._server.sockets[0].getsockname()[1])

    @contextmanager
    def watching(self, address: str) -> Iterator[Callable[[], int]]:
        """How many connections came from the address since the block began."""
        self._watchers[address] += 1
        before = self._arrivals[address]
        try:
            yield lambda: self._arrivals[address] - before
        finally:
            self._watchers[address] -= 1
            if not self._watchers[address]:
                del self._watchers[address], self._arrivals[address]

    async def hears(self, own: str) -> bool:
        """Whether a connection of ours to our own address arrives, within SELF_SECONDS."""
        with self.watching(own) as arrived:
            try:
                async with asyncio.timeout(SELF_SECONDS):
                    _, writer = await asyncio.open_connection(own, self.port, local_addr=(own, 0))
                    writer.close()
                    while not arrived():
                        self._moved.clear()
                        await self._moved.wait()
            except UNANSWERED:
                return False
        return True

    def _arrived(self, address: str) -> None:
        address = address.removeprefix("::ffff:")
        if address in self._watchers:
            self._arrivals[address] += 1
            self._moved.set()


class _Arriving(asyncio.Protocol):
    def __init__(self, arrived: Callable[[str], None]) -> None:
        self._arrived = arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        if peer:
            self._arrived(str(peer[0]))
        transport.close()


def address_towards(address: str) -> str | None:
    """Ours, by which that one is reached; None: there is no way. Nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
