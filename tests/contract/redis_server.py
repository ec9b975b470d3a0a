"""A Redis of its own for a test: the real server on a loopback port, that can be killed, stopped and started again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hiredis

from tests.fakes.ports import held_port
from tests.fakes.waiting import WAIT_SECONDS, eventually

KEEPING = ("--appendonly", "yes", "--appendfsync", "always")
"""What it has answered it knows after a kill, too."""


class RedisServer:
    """`port`: held for it."""

    def __init__(self, directory: Path, *options: str, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.url = f"redis://{host}:{self.port}"
        self._directory = directory
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """On the same port as before, and empty unless it is KEEPING."""
        ports = [] if "--port" in self._options else ["--port", str(self.port)]
        self._process = await asyncio.create_subprocess_exec(
            *("redis-server", "--bind", self.host, *ports, "--dir", str(self._directory)),
            *("--save", "", "--appendonly", "no", *self._options),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await eventually(self._listens)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await asyncio.wait_for(self._process.wait(), WAIT_SECONDS)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ask(self, *words: str) -> Any:
        """One command on a connection of its own."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(hiredis.pack_command(words))
            replies = hiredis.Reader(encoding="utf-8", errors="replace")
            while (reply := replies.gets()) is False:
                data = await asyncio.wait_for(reader.read(65536), WAIT_SECONDS)
                assert data, "the server closed the connection"
                replies.feed(data)
            return reply
        finally:
            writer.close()

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, "redis-server ended; is the port taken?"
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def redis_server(
    directory: Path, *options: str, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[RedisServer]:
    """`port` 0: one that is free."""
    with held_port(host, port) as held:
        server = RedisServer(directory, *options, host=host, port=held)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()
