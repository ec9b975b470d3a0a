"""A port on loopback that answers nothing, not even that it is closed."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deaf() -> Iterator[int]:
    """The port: its queue of connections is full, so the kernel drops what comes."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for each in (first, second):
            each.setblocking(False)
            assert each.connect_ex(server.getsockname()) in {0, errno.EINPROGRESS}
        yield server.getsockname()[1]
