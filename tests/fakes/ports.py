"""Ports that nobody else gets meanwhile."""

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def held_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """One that is bound and not listened on; `port` 0: any.

    Servers, which set SO_REUSEADDR or SO_REUSEPORT, can listen on it, and again after they ended; the kernel gives it
    to nobody who asks for any port, nor to a connection. One that was only free a moment ago may be taken by then.
    """
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holding.bind((host, port))
        yield holding.getsockname()[1]


_numbers = itertools.count(61 * os.getpid())
"""Another test session begins elsewhere."""


def free_port(host: str = "127.0.0.1") -> int:
    """One for a program that is started later, by whoever: outside the range from which the kernel gives ports away."""
    while True:
        port = 20_000 + next(_numbers) % 12_000
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
