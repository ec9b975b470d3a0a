"""A caller that writes its requests byte by byte."""

import asyncio

from tests.fakes import configs
from tests.fakes.serving import Served
from tests.fakes.waiting import WAIT_SECONDS


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


async def connect(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await connected(served.url)


def head(*lines: str, authorized: bool = True) -> bytes:
    fixed = ["POST /v1/chat/completions HTTP/1.1", "Host: x", "Content-Type: application/json"]
    fixed += [f"Authorization: Bearer {configs.token()}"] if authorized else []
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


async def answered(served: Served, *segments: bytes) -> bytes:
    """All that comes back for the segments, each sent when the one before has been read, until the server closes."""
    reader, writer = await connect(served)
    for segment in segments:
        writer.write(segment)
        await writer.drain()
        await asyncio.sleep(0.05)
    try:
        return await asyncio.wait_for(reader.read(), WAIT_SECONDS)
    finally:
        writer.close()
