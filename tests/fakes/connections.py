"""Whom this process connects to, whatever library does it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def recorded() -> Iterator[list[tuple[str, int]]]:
    """Host and port of each TCP connection that is begun meanwhile, made or not."""
    begun: list[tuple[str, int]] = []
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def note(one: socket.socket, address: Any) -> None:
        if one.family in {socket.AF_INET, socket.AF_INET6}:
            begun.append((address[0], address[1]))

    def connecting(one: socket.socket, address: Any) -> None:
        note(one, address)
        connect(one, address)

    def connecting_ex(one: socket.socket, address: Any) -> int:
        note(one, address)
        return connect_ex(one, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connecting)
        patch.setattr(socket.socket, "connect_ex", connecting_ex)
        yield begun
