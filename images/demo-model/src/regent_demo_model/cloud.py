"""Plays a cloud provider, for examples and tests: speaks Chat Completions, says who it is, tells what has reached it,
and misbehaves on command. No model, no key, no network.

`python -m regent_demo_model.cloud NAME`; the standard library alone, so the bare file runs as well. Beside the answers:
`POST /mode` {"mode": "error"} until {"mode": "alive"}; `GET /seen`: all that was asked, each with its credential. A
model called `slow` streams one word every quarter of a second. `POST /alert` takes what a webhook is sent, and
`GET /posted` tells it.
"""

import argparse
import contextlib
import json
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_SEEN = 1000
MOST_BODY_BYTES = 16_777_216
SLOW_WORDS = 60
RETRY_AFTER_SECONDS = 3
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
SAYS_WHAT_IS_WRONG = {
    "error": (500, "server_error", None),
    "overloaded": (529, "overloaded_error", None),
    "rate-limited": (429, "requests", "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "content-filter": (400, "invalid_request_error", "content_filter"),
}
"""Mode -> status, and type and code of the error."""
MODES = {"alive", *SAYS_WHAT_IS_WRONG, "hang", "truncated", "cut"}
"""`truncated` ends an answer before its first word, `cut` a stream after a hundred: neither has a finish reason."""


class Cloud(ThreadingHTTPServer):
    """Serves as soon as it is made; port 0 takes any."""

    def __init__(self, name: str, address: tuple[str, int]) -> None:
        super().__init__(address, Asked)
        self.name = name
        self.mode = "alive"
        self.seen: deque[dict[str, Any]] = deque(maxlen=MOST_SEEN)
        self.posted: deque[dict[str, Any]] = deque(maxlen=MOST_SEEN)

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that go away are no news."""


class Asked(BaseHTTPRequestHandler):
    """One connection."""

    server: Cloud
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(200, list(self.server.posted if self.path == "/posted" else self.server.seen))

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers["content-length"]), MOST_BODY_BYTES))
        asked = json.loads(body)
        if self.path == "/mode":
            self._switch(asked)
            return
        if self.path == "/alert":
            self.server.posted.append(asked)
            self._reply(200, {})
            return
        self.server.seen.append({"path": self.path, "key": self.headers["authorization"], "body": asked})
        self._answering(self.server.mode)(asked)

    def _switch(self, asked: Mapping[str, Any]) -> None:
        if asked.get("mode") in MODES:
            self.server.mode = asked["mode"]
            self._reply(200, {"mode": self.server.mode})
        else:
            self._reply(400, {"modes": sorted(MODES)})

    def _answering(self, mode: str) -> Callable[[dict[str, Any]], None]:
        match mode:
            case "alive":
                return self._answer
            case "hang":
                return self._hang
            case "truncated" | "cut":
                return self._break_off
            case _:
                return self._refuse

    def _answer(self, asked: dict[str, Any]) -> None:
        if not asked.get("stream"):
            self._reply(200, self._whole(asked))
            return
        slow = asked["model"] == "slow"
        words = [f"word{n} " for n in range(SLOW_WORDS)] if slow else ["from ", self.server.name]
        self._begin_stream(asked)
        for number, word in enumerate(words):
            self._piece(asked, {"content": word}, "stop" if number == len(words) - 1 else None)
            time.sleep(0.25 if slow else 0)
        if (asked.get("stream_options") or {}).get("include_usage"):
            self._event(self._envelope(asked, "chat.completion.chunk") | {"choices": [], "usage": USAGE})
        self.wfile.write(b"data: [DONE]\n\n")

    def _refuse(self, _asked: dict[str, Any]) -> None:
        status, kind, code = SAYS_WHAT_IS_WRONG[self.server.mode]
        error = {"message": f"{self.server.name} plays {self.server.mode}", "type": kind, "code": code, "param": None}
        self._reply(status, {"error": error}, {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 429 else {})

    def _hang(self, _asked: dict[str, Any]) -> None:
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.rfile.read(1)

    def _break_off(self, asked: dict[str, Any]) -> None:
        self.close_connection = True
        if not asked.get("stream"):
            data = json.dumps(self._whole(asked)).encode()
            self._head(200, "application/json", {"content-length": str(len(data))})
            self.wfile.write(data[: len(data) // 2])
            return
        self._begin_stream(asked)
        for number in range(100 if self.server.mode == "cut" else 0):
            self._piece(asked, {"content": f"word{number} "}, None)

    def _begin_stream(self, asked: dict[str, Any]) -> None:
        """The connection's end is the stream's."""
        self.close_connection = True
        self._head(200, "text/event-stream", {"connection": "close"})
        self._piece(asked, {"role": "assistant", "content": ""}, None)

    def _piece(self, asked: dict[str, Any], delta: dict[str, str], finish_reason: str | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self._event(self._envelope(asked, "chat.completion.chunk") | {"choices": [choice]})

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _whole(self, asked: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": f"from {self.server.name}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return self._envelope(asked, "chat.completion") | {"choices": [choice], "usage": USAGE}

    @staticmethod
    def _envelope(asked: dict[str, Any], kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": asked["model"]}

    def _reply(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self._head(status, "application/json", {"content-length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _head(self, status: int, media_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": media_type, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: what is asked is told at /seen alone."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="regent-demo-cloud", description="Plays a cloud provider.")
    parser.add_argument("name", help="what it calls itself in its answers")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    cloud = Cloud(asked.name, (asked.host, asked.port))
    sys.stdout.write(f"{asked.name} listens at {asked.host}:{cloud.server_port}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        cloud.serve_forever()


if __name__ == "__main__":
    main()
