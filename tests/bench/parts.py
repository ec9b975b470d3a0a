"""The parts around what is measured, each a process of its own: a provider that answers at once, and a bare proxy."""

import argparse
import asyncio
import json
from typing import Any

import aiohttp
import uvloop

from regent_runtime.serve.http import Receive, Scope, Send
from regent_runtime.serve.listener import Listener

WORDS = 200
"""Chunks of a streamed answer."""
PAUSE_SECONDS = 0.002
"""Between two chunks, so that each arrives in a read of its own, as tokens do."""
HOLD = "Hold this stream open."
"""In a request: its stream stays open after its words, until the other side leaves."""

_ANSWER = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1,
    "model": "bench",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "word " * 50},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 40, "completion_tokens": 50, "total_tokens": 90},
}


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    chunk = {
        **_ANSWER,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class Provider(asyncio.Protocol):
    """Just enough HTTP to answer an aiohttp client's POST."""

    _PLAIN = json.dumps(_ANSWER).encode()
    _PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(_PLAIN),
        _PLAIN,
    )
    _HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    def __init__(self) -> None:
        self._buffer = b""
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        if not end or len(body) < length:
            return
        self._buffer = b""
        if b'"stream":true' in body or b'"stream": true' in body:
            task = asyncio.ensure_future(self._open() if HOLD.encode() in body else self._stream())
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        else:
            self._transport.write(self._PLAIN)

    async def _open(self) -> None:
        words = _event({"content": "word "}) * WORDS
        self._transport.write(self._HEAD + b"%x\r\n%b\r\n" % (len(words), words))

    async def _stream(self) -> None:
        self._transport.write(self._HEAD)
        word = _event({"content": "word "})
        for part in [*[word] * (WORDS - 1), _event({}, "stop")]:
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part))
            await asyncio.sleep(PAUSE_SECONDS)
        done = b"data: [DONE]\n\n"
        self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(done), done))


class BareProxy:
    """The same server and client libraries, and nothing else: bytes in, bytes out."""

    def __init__(self, upstream: str) -> None:
        self._upstream = f"{upstream}/chat/completions"
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._upstream, data=body, headers=headers) as response:
            media_type = response.content_type.encode()
            await send(
                {"type": "http.response.start", "status": response.status, "headers": [(b"content-type", media_type)]}
            )
            async for part in response.content.iter_any():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _provider(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["provider", "bare"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", default="")
    options: Any = parser.parse_args()
    if options.part == "provider":
        uvloop.run(_provider(options.port))
    else:
        uvloop.run(Listener(BareProxy(options.upstream), "127.0.0.1", options.port).listen())


if __name__ == "__main__":
    main()
