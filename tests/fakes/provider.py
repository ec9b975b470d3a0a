"""A Chat Completions provider that misbehaves on command. It reads whole requests and answers with raw bytes, so it
can cut, stall and lie at any byte."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    size: int
    """Bytes of the body."""


Behaviour = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Provider:
    """`behaviours` are used in order, the last one for ever."""

    port: int = 0
    behaviours: list[Behaviour] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    closed_by_client: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                self.reached.set()
                behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
                await behaviour(request, reader, writer)
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed_by_client.set()
        finally:
            self.closed_by_client.set()
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.strip().split("\r\n")
    method, path, _ = line.split(" ")
    headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, json.loads(body) if body else None, len(body))


@asynccontextmanager
async def provider(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Provider]:
    fake = Provider(behaviours=list(behaviours) or [answers("Hello.")])
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, ssl=tls)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()


def completion(text: str, *, finish_reason: str | None = "stop", **extra: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-provider",
        "object": "chat.completion",
        "created": 1,
        "model": "what-the-provider-says",
        "system_fingerprint": "fp_secret",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "reasoning_content": "hidden thoughts"},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        **extra,
    }


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **extra: Any) -> bytes:
    body = {
        "id": "chatcmpl-provider",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "what-the-provider-says",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        **extra,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def usage_chunk(padding: int = 0) -> bytes:
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return b"data: " + json.dumps({"id": "x" * (padding or 1), "choices": [], "usage": usage}).encode() + b"\n\n"


def write_head(writer: asyncio.StreamWriter, status: int, media_type: str, **headers: str) -> None:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {media_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


def answers(*words: str) -> Behaviour:
    """A well-behaved provider: plain or streamed, as it is asked."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.body.get("stream"):
            parts = [chunk({"role": "assistant", "content": ""})]
            parts += [chunk({"content": word}) for word in words]
            parts += [chunk({}, "stop"), usage_chunk(), b"data: [DONE]\n\n"]
            await send_stream(writer, parts)
        else:
            await send_json(writer, 200, completion("".join(words)))

    return behave


def status(code: int, body: Any = None, **headers: str) -> Behaviour:
    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send_json(writer, code, body or {"error": {"message": "the provider's own words, sk-leak"}}, **headers)

    return behave


def json_answer(body: Any) -> Behaviour:
    return status(200, body)


def raw(data: bytes) -> Behaviour:
    """Exactly these bytes, then the connection closes."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return behave


def resets(data: bytes) -> Behaviour:
    """Exactly these bytes, then the connection is reset."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        raw_socket = writer.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return behave


def stream_of(*parts: bytes, then: str = "close") -> Behaviour:
    """These bytes as an event stream; `then` close properly, `cut` the connection, or `stall` until the client goes."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send_stream(writer, parts, end=then == "close")
        if then == "stall":
            await reader.read(1)
        if then != "close":
            writer.close()

    return behave


def stalls() -> Behaviour:
    """No answer until the client goes."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    return behave


def gated(gate: asyncio.Event, *words: str) -> Behaviour:
    """Streams the first word, waits for the gate (or for the client to go), then streams the rest."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send_stream(writer, [chunk({"content": words[0]})], end=False)
        waits = [asyncio.create_task(gate.wait()), asyncio.create_task(reader.read(1))]
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.wait(waits)  # a read that still waits would be in the way of the next request's
        if not gate.is_set():
            writer.close()
            return
        for part in [*(chunk({"content": word}) for word in words[1:]), chunk({}, "stop"), b"data: [DONE]\n\n"]:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return behave


async def send_stream(writer: asyncio.StreamWriter, parts: Any, *, end: bool = True) -> None:
    write_head(writer, 200, "text/event-stream", Transfer_Encoding="chunked")
    for part in parts:
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
    if end:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def send_json(writer: asyncio.StreamWriter, code: int, body: Any, **headers: str) -> None:
    data = json.dumps(body).encode()
    write_head(writer, code, "application/json", Content_Length=str(len(data)), **headers)
    writer.write(data)
    await writer.drain()
