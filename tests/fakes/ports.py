"""Ports on loopback that nobody else gets meanwhile."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


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
